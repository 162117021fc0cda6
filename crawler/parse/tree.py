"""A page's tree: lxml's, from bytes in UTF-8, whatever the page is like."""

from __future__ import annotations

import threading
from typing import Any, Final, Literal, cast

from lxml import etree, html

__all__ = ["Kind", "is_xml", "parse_tree"]

Kind = Literal["html", "xml"]

_DEEPEST: Final = 512  # levels, as in Chromium; libxml2 itself goes to 2,048 and then drops the rest of the page
_DEEP: Final = 2_000  # a page with fewer "<" cannot reach libxml2's limit
_CHUNK: Final = 256 * 1024


class _Parsers(threading.local):
    """One parser for each thread: lxml's are locked while they work."""

    def __init__(self) -> None:
        # huge_tree: without it libxml2 stops at depth 256 or at a node of 10 MB and drops the rest of
        # the page. HTML has no entities of its own, so nothing can grow beyond what was sent.
        self.html = html.HTMLParser(encoding="utf-8", recover=True, huge_tree=True)


_parsers = _Parsers()


def is_xml(content_type: str, body: bytes) -> bool:
    """Whether a body is to be read as XML: by its type, or because it says so and is not XHTML.

    XHTML goes to the HTML parser, as nearly all of it is written for that.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("/xml", "+xml")) and kind != "application/xhtml+xml":
        return True
    if not body[:64].lstrip(b"\xef\xbb\xbf\t\n\r ").startswith(b"<?xml"):
        return False
    head = body[:2048].lower()
    return b"<html" not in head and b"<!doctype html" not in head


def parse_tree(data: bytes, kind: Kind, url: str = "") -> etree._Element:
    """The root of a page in UTF-8. Never raises for what is in it: of nothing comes an empty tree.

    HTML deeper than 2,000 elements is cut off at 512 levels: what is deeper stands side by side there.
    XML is read without entities, DTDs and network, and within libxml2's own limits (2,048 levels,
    10 MB a node, amplification by entities).
    """
    if b"\0" in data:
        data = data.replace(b"\0", b"")  # libxml2 takes it for the end
    data = data.strip()
    base_url = url if url and url.isascii() else None
    if kind == "xml":
        # A new one each time: a parser of XML keeps the names of all that it ever read.
        parser: Any = etree.XMLParser(
            encoding="utf-8", recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        )
        root = _tree(data, parser, base_url)
        return root if root is not None else etree.Element("empty")
    parser = _parsers.html
    root = _tree(data, parser, base_url)
    if root is not None and data.count(b"<") > _DEEP and _was_cut(parser):
        root = _shallow(data)
    return root if root is not None else etree.fromstring(b"<html/>", parser)


def _tree(data: bytes, parser: Any, base_url: str | None) -> etree._Element | None:
    if not data:
        return None
    try:
        return cast("etree._Element | None", etree.fromstring(data, parser, base_url=cast("Any", base_url)))
    except etree.XMLSyntaxError:  # nothing in it but comments or noise
        return None


def _was_cut(parser: Any) -> bool:
    """Whether libxml2 gave up at its limit: that is the last thing it says."""
    last = parser.error_log.last_error
    return last is not None and last.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT


class _Shallow:
    """A parser target that builds a tree of at most `_DEEPEST` levels.

    Below that an element is closed when the next one opens, so that links and texts are all there,
    in their order, and only who contains whom is lost.
    """

    def __init__(self) -> None:
        self._builder = etree.TreeBuilder(parser=html.HTMLParser())
        self._depth = 0
        self._open: tuple[str, int] | None = None  # the element below the last level, and its true depth

    def start(self, tag: str, attributes: Any) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            if self._open is not None:
                self._builder.end(self._open[0])
            self._open = (tag, self._depth)
        self._builder.start(tag, dict(attributes))

    def end(self, tag: str) -> None:
        if self._depth <= _DEEPEST:
            self._builder.end(tag)
        elif self._open is not None and self._open[1] == self._depth:
            self._builder.end(self._open[0])
            self._open = None
        self._depth -= 1

    def data(self, text: str) -> None:
        self._builder.data(text)

    def close(self) -> Any:
        return self._builder.close()


def _shallow(data: bytes) -> etree._Element | None:
    parser = etree.HTMLParser(target=cast("Any", _Shallow()), encoding="utf-8", recover=True, huge_tree=True)
    for at in range(0, len(data), _CHUNK):
        parser.feed(data[at : at + _CHUNK])
    return cast("etree._Element | None", parser.close())
