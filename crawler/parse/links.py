"""Where a page leads: the hrefs of a tree or, for a page too large for one, of a stream of tags."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, cast

from lxml import etree

from crawler.urls import Joiner

__all__ = ["LARGE", "base_of", "hrefs_of", "resolve_all", "stream_hrefs"]

LARGE: Final = 4 * 1024 * 1024
"""Bytes from which a page's links are read from a stream: a tree takes 25 times the page in memory."""

_HREFS: Final = {
    "html": etree.XPath("descendant-or-self::a/@href | descendant-or-self::area/@href", smart_strings=False),
    "xml": etree.XPath("descendant-or-self::*[local-name() = 'a' or local-name() = 'area']/@href", smart_strings=False),
}
_BASE: Final = {
    "html": etree.XPath("descendant-or-self::base/@href", smart_strings=False),
    "xml": etree.XPath(
        "descendant-or-self::*[local-name() = 'base' and (namespace-uri() = '' or "
        "namespace-uri() = 'http://www.w3.org/1999/xhtml')]/@href",
        smart_strings=False,
    ),
}
_CHUNK: Final = 256 * 1024


def hrefs_of(elements: Iterable[Any], kind: Literal["html", "xml"] = "html") -> list[str]:
    """The distinct hrefs of `<a>` and `<area>` among and under some elements; in page order, as written.

    8 µs for 30 links on a page of 8 KB; `Element.iter` takes twice that (benchmarks/links.py).
    """
    hrefs = _HREFS[kind]
    found: dict[str, None] = {}
    for element in elements:
        found.update(dict.fromkeys(cast("list[str]", hrefs(element))))
    return list(found)


def base_of(root: etree._Element, kind: Literal["html", "xml"] = "html") -> str | None:
    """The href of the first `<base>` that has one."""
    found = cast("list[str]", _BASE[kind](root))
    return found[0] if found else None


class _Collector:
    """A parser target that keeps hrefs and forgets all else."""

    def __init__(self) -> None:
        self.hrefs: dict[str, None] = {}
        self.base: str | None = None

    def start(self, tag: str, attributes: Any) -> None:
        if tag in ("a", "area"):
            href = attributes.get("href")
            if href is not None:
                self.hrefs[href] = None
        elif tag == "base" and self.base is None:
            self.base = attributes.get("href")

    def close(self) -> None:
        pass


def stream_hrefs(data: bytes) -> tuple[list[str], str | None]:
    """(the distinct hrefs of `<a>` and `<area>`, the first `<base href>`) of HTML in UTF-8, without a tree.

    The same hrefs as `hrefs_of` and `base_of` give on the tree of the same bytes.
    """
    collector = _Collector()
    parser = etree.HTMLParser(target=cast("Any", collector), encoding="utf-8", recover=True, huge_tree=True)
    if b"\0" in data:
        data = data.replace(b"\0", b"")
    for at in range(0, len(data), _CHUNK):
        parser.feed(data[at : at + _CHUNK])
    with contextlib.suppress(etree.XMLSyntaxError):  # there was nothing that could be read
        parser.close()
    return list(collector.hrefs), collector.base


def resolve_all(
    hrefs: Sequence[str], joiner: Joiner, allow: str | Sequence[str] = (), deny: str | Sequence[str] = ()
) -> list[str]:
    """The distinct absolute URLs of some hrefs, in their order.

    Left out: what no browser resolves, schemes other than http and https, URLs in which no regex of
    `allow` (if there is any) or one of `deny` is found.
    """
    urls = joiner.join_all(hrefs)
    if not allow and not deny:
        return urls
    allowed = _patterns(allow)
    denied = _patterns(deny)
    return [
        url
        for url in urls
        if (not allowed or any(pattern.search(url) for pattern in allowed))
        and not any(pattern.search(url) for pattern in denied)
    ]


def _patterns(given: str | Sequence[str]) -> list[re.Pattern[str]]:
    return [re.compile(pattern) for pattern in ([given] if isinstance(given, str) else given) if pattern]
