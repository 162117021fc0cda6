"""`<meta http-equiv=refresh>`: a redirect that the page itself asks for (HTML §4.2.5.3)."""

from __future__ import annotations

import html
import re
from typing import Final

from crawler.parse.tags import tags
from crawler.urls import join

__all__ = ["may_refresh", "meta_refresh", "parse_refresh"]

_HEAD: Final = 4096  # bytes or characters of a page that are looked at: pages that only send on are short
_SPACE: Final = "\t\n\f\r "
_TIME: Final = re.compile(r"[\t\n\f\r ]*([0-9]*)([0-9.]*)(.*)\Z", re.DOTALL)
_URL_WORD: Final = re.compile(r"url[\t\n\f\r ]*=[\t\n\f\r ]*", re.IGNORECASE)
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def may_refresh(body: bytes) -> bool:
    """Whether `meta_refresh` is worth asking: False for most pages, for 1 µs. Not for UTF-16."""
    find = body.find  # for "http-equiv" in any case: a regex that ignores case takes four times as long
    if find(b"quiv", 0, _HEAD) >= 0 or find(b"Q", 0, _HEAD) >= 0:
        return b"equiv" in body[:_HEAD].lower()
    return any(find(odd, 0, _HEAD) >= 0 for odd in (b"qU", b"quI", b"quiV"))


def meta_refresh(body: bytes | str, base: str) -> tuple[float, str] | None:
    """After how many seconds the page sends its reader on, and to which absolute URL; None: it does not.

    `base` is the page's URL; a `<base href>` before the refresh counts. Only the first 4,096 bytes
    are looked at. The first refresh that can be read counts. Refreshes in comments, scripts and
    `<noscript>` do not.
    """
    head = body[:_HEAD]
    data = head if isinstance(head, bytes) else head.encode("utf-8", "replace")
    if b"refresh" not in data.lower():
        return None
    based = False
    for name, found in tags(data):
        if name == "base" and "href" in found and not based:
            based = True
            try:
                base = join(base, _value(found["href"]))
            except ValueError:
                continue
        elif name == "meta" and found.get("http-equiv", b"").lower() == b"refresh" and "content" in found:
            refresh = parse_refresh(_value(found["content"]), base)
            if refresh is not None:
                return refresh
    return None


def parse_refresh(content: str, base: str) -> tuple[float, str] | None:
    """The value of a refresh, also of a `Refresh:` header: the "shared declarative refresh steps".

    Seconds (a fraction is cut off, as browsers do) and the absolute URL, `base` where none is named.
    """
    time = _TIME.match(content)
    assert time is not None  # every part of the pattern may be empty
    digits, fraction, rest = time.groups()
    if not digits and not fraction.startswith("."):
        return None
    seconds = float(digits[:12] or 0)
    if rest:
        if rest[0] not in ";," + _SPACE:
            return None
        rest = rest.lstrip(_SPACE)
        if rest[:1] in (";", ","):
            rest = rest[1:].lstrip(_SPACE)
    if not rest:
        return seconds, base
    word = _URL_WORD.match(rest)
    if word is not None:
        rest = rest[word.end() :]
    if rest[:1] in ("'", '"'):
        rest = rest[1:].partition(rest[0])[0]
    try:
        url = join(base, rest)
    except ValueError:
        return None
    return None if url.startswith("javascript:") else (seconds, url)


def _value(raw: bytes) -> str:
    """An attribute's text. References without their semicolon stay: "&copy=1" is a parameter."""
    text = raw.decode("utf-8", "replace")
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text
