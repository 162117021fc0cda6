"""The whole site as a function: from what is asked to a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from crawler.demo.catalogue import Catalogue
from crawler.demo.charsets import Charsets
from crawler.demo.house import House
from crawler.demo.layout import document
from crawler.demo.links import Links
from crawler.demo.pages import Area, Page
from crawler.demo.quotes import Quotes
from crawler.demo.redirects import Redirects
from crawler.demo.shop import Shop
from crawler.demo.trouble import Trouble
from crawler.demo.truth import Truth, truth_of

__all__ = ["Content"]

_NOT_HERE = Page(
    document("Not here", '<h1>Not here</h1>\n<p>There is no such page. <a href="/">Begin again</a></p>').encode(), 404
)


class Content:
    """All areas of one site. The same arguments give the same bytes, in every process.

    `products` is the number of books, `slow` the seconds that slow pages take.
    """

    def __init__(self, products: int, seed: int, slow: float) -> None:
        self._catalogue = Catalogue(products, seed)
        self._quotes = Quotes(seed)
        self.areas: tuple[Area, ...] = (
            Shop(self._catalogue, slow), self._quotes, Charsets(), Redirects(), Links(), Trouble(slow),
        )  # fmt: skip
        self._house = House(self.areas, self._catalogue)

    def truth(self, base: str) -> Truth:
        """What a perfect crawl would find."""
        return truth_of(self._catalogue, self._quotes, base)

    def page(self, path: str, query: Mapping[str, str], base: str) -> Page:
        """The page at a decoded path; `base` is "http://host:port". What is not there is a page too."""
        if path == "/truth.json":
            text = json.dumps(asdict(self.truth(base)), ensure_ascii=False)
            return Page(text.encode(), type="application/json")
        area = next((area for area in self.areas if path.startswith(area.path)), self._house)
        return area.page(path, query, base) or _NOT_HERE
