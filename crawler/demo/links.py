"""The ways in which pages write links, and the things that are no pages."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import urlsplit

from crawler.demo.layout import document
from crawler.demo.pages import Page

__all__ = ["Links"]

_TARGETS = {
    "relative.html": "a relative link",
    "dotted.html": "a link with . and ..",
    "rooted.html": "a link from the root",
    "absolute.html": "an absolute link",
    "schemeless.html": "a link without a scheme",
    "padded.html": "a link with space around and a line break within",
    "einen-schönen-tag.html": "a link that is not ASCII",
    "with space.html": "a link with a space",
    "entity.html": "a link with an entity",
    "upper.html": "a link in capitals",
    "map.html": "an area of an image map",
    "below/based.html": "a link relative to <base>",
}
_QUERY = "query.html"


class Links:
    """The area /links/."""

    path = "/links/"
    title = "Links"
    about = "Links of every sort, duplicates, links that are none, and files that are no pages."

    def paths(self) -> Iterable[str]:
        """The two lists."""
        return (self.path, "/links/base.html")

    def page(self, path: str, query: Mapping[str, str], base: str) -> Page | None:
        """The list, a target, or a file."""
        name = path.removeprefix(self.path)
        if not name:
            return Page(document(self.title, _list(base)).encode())
        if name == "base.html":
            main = '<h1>Links with a base</h1>\n<p><a href="based.html">one floor below</a></p>'
            return Page(document("Links with a base", main, head='<base href="below/">').encode())
        if name == _QUERY:
            pairs = ", ".join(f"{key} = {value}" for key, value in sorted(query.items()))
            return _target("a link with a query", pairs)
        if name in _TARGETS:
            return _target(_TARGETS[name], name)
        return _FILES.get(name)


def _target(what: str, detail: str) -> Page:
    main = f'<h1>{escape(what)}</h1>\n<p>{escape(detail)}</p>\n<p><a href="/links/">All links</a></p>'
    return Page(document(what, main).encode())


def _list(base: str) -> str:
    authority = urlsplit(base).netloc
    return f"""<h1 id="top">Links</h1>
<ul>
<li><a href="relative.html">relative</a>, <a href="relative.html">once more</a>,
<a href="relative.html#below">with a fragment</a></li>
<li><a href="./there/../dotted.html">with dots</a></li>
<li><a href="/links/rooted.html">from the root</a></li>
<li><a href="{base}/links/absolute.html">absolute</a></li>
<li><a href="//{authority}/links/schemeless.html">without a scheme</a></li>
<li><a href="  padded
.html  ">with white space</a></li>
<li><a href="einen-schönen-tag.html">not ASCII</a>, <a href="einen-sch%C3%B6nen-tag.html">the same, encoded</a></li>
<li><a href="with space.html">with a space</a>, <a href="with%20space.html">the same, encoded</a></li>
<li><a href="&#101;ntity.html">with an entity</a></li>
<li><A HREF='upper.html'>in capitals</A></li>
<li><a href="query.html?a=1&amp;b=2">a query</a>, <a href="query.html?b=2&amp;a=1">in another order</a>,
<a href="?">an empty one</a></li>
<li><a href="base.html">a page with a base</a></li>
<li><map name="m"><area shape="default" href="map.html" alt="an image map"></map></li>
</ul>
<h2>Files</h2>
<ul>
<li><a href="picture.png">a picture</a>, <a href="drawing.svg">a drawing</a></li>
<li><a href="data.json">JSON</a>, <a href="plain.txt">plain text</a>,
<a href="archive.bin">bytes</a>, <a href="empty.html">nothing</a></li>
</ul>
<h2>No links</h2>
<ul>
<li><a href="javascript:void(0)">a script</a>, <a href="mailto:nobody@books.example">a letter</a>,
<a href="tel:+123456">a call</a>, <a href="data:text/plain,hello">data</a></li>
<li><a href="http://[broken">broken</a>, <a href="http://:99999/">more broken</a>,
<a>without an address</a>, <a href="#top">only a fragment</a></li>
<!-- <a href="commented-out.html">in a comment</a> -->
</ul>"""


def _png(side: int = 16) -> bytes:
    """A plain square, by the PNG specification: signature, IHDR, IDAT, IEND."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x8a\x3b\x12" * side for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


_SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">'
    b'<a href="/links/"><circle cx="4" cy="4" r="4"/></a></svg>'
)
_FILES = {
    "picture.png": Page(_png(), type="image/png"),
    "drawing.svg": Page(_SVG, type="image/svg+xml"),
    "data.json": Page(json.dumps({"links": ["/links/"], "n": 1}).encode(), type="application/json"),
    "plain.txt": Page(
        b"Plain text with <a href='/links/not-a-link.html'>what looks like a link</a>.\n", type="text/plain"
    ),
    "archive.bin": Page(bytes(range(256)) * 16, type="application/octet-stream"),
    "empty.html": Page(b""),
}
