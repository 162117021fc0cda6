"""`response.fast`: the page as lexbor reads it, with CSS only; at half the cost of lxml and more.

lexbor builds the tree that browsers build (HTML §13.2), lxml its own: on broken HTML the two can differ,
so a callback should use one of them. Queries are CSS with parsel's `::text` and `::attr(name)` at the end,
and give what parsel gives; strings stand in the order of their elements (parsel's in that of the page, which
is another where a query selects elements within each other).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Any, Final, SupportsIndex, overload

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from crawler.errors import Missing

__all__ = ["Fast", "FastList", "parse_fast"]

_ABSENT: Final = object()
_PSEUDO: Final = re.compile(r"(.*?)(?:::(text)|::attr\(\s*([^()\s]+)\s*\))?\s*", re.DOTALL)


class FastList(list["Fast | str"]):
    """Selected elements, or strings (`::text`, `::attr`). `query` is what was asked for, `url` the page."""

    def __init__(self, selected: Iterable[Fast | str] = (), query: str = "", url: str = "") -> None:
        super().__init__(selected)
        self.query = query
        self.url = url

    @overload
    def __getitem__(self, pos: SupportsIndex) -> Fast | str: ...

    @overload
    def __getitem__(self, pos: slice) -> FastList: ...

    def __getitem__(self, pos: SupportsIndex | slice) -> Fast | str | FastList:
        """A selection, or a list of some that remembers query and page."""
        found = list.__getitem__(self, pos)
        return FastList(found, self.query, self.url) if isinstance(found, list) else found

    @overload
    def get(self) -> str | None: ...

    @overload
    def get(self, default: str) -> str: ...

    def get(self, default: str | None = None) -> str | None:
        """The first match as text: a string, or an element's HTML; `default` where there is none."""
        for found in self:
            return found if isinstance(found, str) else found.get()
        return default

    def getall(self) -> list[str]:
        """All matches as text."""
        return [found if isinstance(found, str) else found.get() for found in self]

    def one(self, regex: str | re.Pattern[str] = "") -> str:
        """The text of the first match, without white space at its ends; with a `regex` its group 1, or all of
        it where it has none, in the first match that has it. Raises Missing when there is none."""
        pattern = re.compile(regex) if regex else None
        for found in self:
            text = found.strip() if isinstance(found, str) else found.string
            if pattern is None:
                return text
            match = pattern.search(text)
            if match is not None:
                part: str | None = match[1] if pattern.groups else match[0]
                return (part or "").strip()
        what = "nothing matches" if pattern is None else f"{pattern.pattern!r} is not in what is matched by"
        raise Missing(self.query, self.url, f"{what} {self.query!r} on {self.url}")

    def css(self, query: str) -> FastList:
        """`css` on each element, flattened."""
        flat = [one for found in self if isinstance(found, Fast) for one in found.css(query)]
        return FastList(flat, f"{self.query} → {query}" if self.query else query, self.url)

    @property
    def attrib(self) -> dict[str, str]:
        """The attributes of the first element; none where there is none."""
        return next((found.attrib for found in self if isinstance(found, Fast)), {})


class Fast:
    """An element. `url` is the page it is of, `query` how it was reached ("" for the page)."""

    __slots__ = ("node", "query", "url")

    def __init__(self, node: LexborNode, url: str, query: str = "") -> None:
        self.node = node
        """selectolax's own node, for all else that it can do."""
        self.url = url
        self.query = query

    def css(self, query: str) -> FastList:
        """What a CSS query selects. Raises ValueError for a query that is no CSS."""
        plain, text, name = _split(query)
        try:
            nodes = self.node.css(plain)
        except SelectolaxError:
            raise ValueError(f"{query!r} is no CSS selector that can be used here") from None
        whole = f"{self.query} → {query}" if self.query else query
        if name:
            return FastList(_values(nodes, name), whole, self.url)
        if text:
            return FastList([string for node in nodes for string in _texts(node)], whole, self.url)
        return FastList([Fast(node, self.url, whole) for node in nodes], whole, self.url)

    def hrefs(self, css: str = "") -> list[str]:
        """The distinct hrefs of `<a>` and `<area>` in the regions that a query selects, or in all of it; in page
        order, as written. Raises ValueError for a query that selects strings."""
        found: dict[str, None] = {}
        if not css and self.is_page:
            parser = self.node.parser
            if not parser.tags("area"):  # in page order without a query: half its price
                return list(dict.fromkeys(_values(parser.tags("a"), "href")))
        regions: Iterable[Fast | str] = self.css(css) if css else (self,)
        for region in regions:
            if isinstance(region, str):
                raise ValueError(f"links(css={css!r}) takes regions of the page: a query without ::text and ::attr")
            found.update(dict.fromkeys(_values(region.node.css("a[href], area[href]"), "href")))
        return list(found)

    def base(self) -> str | None:
        """The href of the first `<base>` of the page that has one."""
        return next(iter(_values(self.node.parser.tags("base"), "href")), None)

    @property
    def is_page(self) -> bool:
        """Whether this is the root of a page, and not an element of it."""
        return self.node.tag == "html" and not self.query

    @property
    def tag(self) -> str:
        """The element's name, in lower case."""
        return str(self.node.tag)

    @property
    def attrib(self) -> dict[str, str]:
        """The attributes; one without a value has ""."""
        return {name: value or "" for name, value in self.node.attributes.items()}

    @property
    def string(self) -> str:
        """The text of the element with all in it, white space cut off at both ends."""
        return str(self.node.text(deep=True)).strip()

    def get(self) -> str:
        """The element's HTML."""
        return self.node.html or ""

    def __repr__(self) -> str:
        return f"<Fast {self.tag} of {self.url}>"


def parse_fast(data: bytes, url: str = "") -> Fast:
    """The root of a page in UTF-8. Never raises for what is in it."""
    root = LexborHTMLParser(data).root
    assert root is not None  # of nothing comes an empty document
    return Fast(root, url)


@functools.lru_cache(maxsize=1024)
def _split(query: str) -> tuple[str, bool, str]:
    """The CSS of a query, whether it ends in ::text, and the name in its ::attr."""
    match = _PSEUDO.fullmatch(query)
    assert match is not None
    if "::" in match[1]:
        raise ValueError(f"{query!r} is no CSS selector that can be used here: ::text and ::attr stand at its end")
    return match[1] or "*", match[2] is not None, match[3] or ""


def _values(nodes: Iterable[Any], name: str) -> list[str]:
    """An attribute of those nodes that have it."""
    # `attrs` asks for one, where `attributes` makes a dict of all.
    return [value or "" for node in nodes if (value := node.attrs.get(name, _ABSENT)) is not _ABSENT]


def _texts(node: Any) -> list[str]:
    """The element's own text nodes, as `text()` of XPath gives them."""
    texts: list[str] = []
    child = node.first_child
    while child is not None:
        if child.is_text_node:
            texts.append(child.text_content)
        child = child.next
    return texts
