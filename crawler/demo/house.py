"""The front door: the page at /, robots.txt, the sitemaps, and the rooms that robots.txt closes."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from crawler.demo.catalogue import Catalogue
from crawler.demo.layout import document
from crawler.demo.pages import Area, Page

__all__ = ["PER_SITEMAP", "House"]

PER_SITEMAP = 50_000
"""URLs in one sitemap at most (sitemaps.org)."""

_BOOKS = re.compile(r"/sitemap-books-(\d{1,4})\.xml\.gz", re.ASCII)
_XML = "application/xml"
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_ROBOTS = """\
# Every crawler is welcome here, but not everywhere.
User-agent: *
Disallow: /books/basket
Disallow: /admin/
Allow: /admin/hours.html
Disallow: /*?*session=
Disallow: /truth.json

User-agent: greedybot
Disallow: /

Sitemap: {base}/sitemap.xml
"""


class House:
    """The area /: what belongs to the site as a whole."""

    path = "/"
    title = "Practice site"
    about = ""

    def __init__(self, areas: Sequence[Area], catalogue: Catalogue) -> None:
        self._areas = areas
        self._catalogue = catalogue

    def paths(self) -> Iterable[str]:
        """The front page."""
        return ("/",)

    def page(self, path: str, query: Mapping[str, str], base: str) -> Page | None:
        """One of the pages that belong to no other area."""
        if path == "/":
            return self._front()
        if path == "/robots.txt":
            return Page(_ROBOTS.format(base=base).encode(), type="text/plain; charset=utf-8")
        if path.startswith("/sitemap"):
            return self._sitemap(path, base)
        if path == "/admin/":
            return _plain("Office", "Staff only: robots.txt asks crawlers to stay outside.")
        if path == "/admin/hours.html":
            return _plain("Opening hours", "Always. robots.txt allows this page although it forbids the office.")
        return None

    def _front(self) -> Page:
        areas = "\n".join(
            f'<article class="book"><h3><a href="{area.path}">{escape(area.title)}</a></h3>'
            f"<p>{area.about}</p></article>"
            for area in self._areas
        )
        main = (
            "<h1>Practice site</h1>\n<p>A small web to try a crawler on. It is the same every time, it needs no "
            f'network, and it bears everything.</p>\n<section class="shelf">\n{areas}\n</section>\n'
            "<h2>For crawlers</h2>\n<ul>\n"
            '<li><a href="/robots.txt">robots.txt</a>, which closes <a href="/admin/">the office</a> but not '
            '<a href="/admin/hours.html">its opening hours</a>, and any page '
            '<a href="/?session=1">with a session</a></li>\n'
            '<li><a href="/sitemap.xml">sitemap.xml</a>, an index of all pages to be found, partly gzipped</li>\n'
            "<li><code>/truth.json</code>: what a perfect crawl would find, for tests</li>\n</ul>"
        )
        return Page(document(self.title, main).encode())

    def _sitemap(self, path: str, base: str) -> Page | None:
        books = self._catalogue.products
        if path == "/sitemap.xml":
            files = -(-len(books) // PER_SITEMAP)
            names = ["sitemap-pages.xml", *(f"sitemap-books-{n}.xml.gz" for n in range(1, files + 1))]
            return _xml("sitemapindex", "sitemap", [(f"{base}/{name}", "") for name in names])
        if path == "/sitemap-pages.xml":
            paths = [path for area in (self, *self._areas) for path in area.paths()]
            return _xml("urlset", "url", [(base + path, "") for path in paths])
        match = _BOOKS.fullmatch(path)
        number = int(match[1]) if match else 0
        shelf = books[(number - 1) * PER_SITEMAP : number * PER_SITEMAP] if number else ()
        if not shelf:
            return None
        page = _xml("urlset", "url", [(base + book.path, book.changed) for book in shelf])
        return Page(gzip.compress(page.body, mtime=0), type="application/gzip")


def _plain(title: str, text: str) -> Page:
    return Page(document(title, f"<h1>{title}</h1>\n<p>{text}</p>").encode())


def _xml(root: str, entry: str, places: Iterable[tuple[str, str]]) -> Page:
    """A sitemap or an index of sitemaps: (address, day of the last change or "") each."""
    lines = "\n".join(
        f"<{entry}><loc>{escape(address)}</loc>{f'<lastmod>{day}</lastmod>' if day else ''}</{entry}>"
        for address, day in places
    )
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">\n{lines}\n</{root}>\n'
    return Page(text.encode(), type=_XML)
