"""Text that came from elsewhere, made safe to print: one line, bounded, nothing hidden in it.

URLs, reasons and titles are the web's words. On a terminal an escape code in them could clear the
screen or set the title, a bidi override could show them back to front (CVE-2021-42574), a line
break could forge a line of the log. Such characters are printed as their escapes instead.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["clean", "clean_url", "masked", "short_path"]

# Python's isprintable() refuses these although they are harmless: the spaces that people type, and
# the joiners without which Persian and some emoji fall apart.
_HARMLESS = frozenset("\u00a0\u2002\u2003\u2009\u202f\u3000\u200c\u200d")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\x1b", "\0": "\\0"}
_CUT = "..."  # ASCII: a log may be read anywhere
_USERINFO = re.compile(r"://[^\s/?#\\]*@")


def clean(text: str, limit: int = 300) -> str:
    r"""`text` on one line: what is not printable becomes visible (`\n`, `\x1b`, `\u202e`).

    C0 and C1 controls, line and paragraph separators, bidi and other invisible format characters,
    lone surrogates and unassigned code points are escaped; at most `limit` characters are returned,
    ending in "..." where something was cut. Costs 0.1 µs for an ordinary URL.
    """
    if text.isprintable() and len(text) <= limit:
        return text
    parts: list[str] = []
    length = 0
    for character in text:
        part = character if character.isprintable() or character in _HARMLESS else _escape(character)
        length += len(part)
        if length > limit:
            return "".join(parts)[: max(0, limit - len(_CUT))] + _CUT[:limit]
        parts.append(part)
    return "".join(parts)


def clean_url(url: str, limit: int = 2_000) -> str:
    """A URL to print: as `clean`, and without user name and password."""
    return clean(masked(url), limit)


def masked(text: str) -> str:
    """`text` with the user name and password of each URL in it replaced by `***`."""
    return _USERINFO.sub("://***@", text) if "@" in text else text


def short_path(path: str) -> str:
    """A path as a person would type it here: relative to the working directory where it lies below."""
    try:
        relative = Path(path).relative_to(Path.cwd())
    except (ValueError, OSError):
        home = str(Path("~").expanduser())
        inside = home not in ("~", os.sep) and path.startswith(home + os.sep)
        return clean("~" + path[len(home) :] if inside else path, 1_000)
    return clean(str(relative), 1_000)


def _escape(character: str) -> str:
    number = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
