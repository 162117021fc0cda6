"""Tags in the first bytes of a page, without a tree: for what must be known before, or instead of, parsing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["attributes", "tags"]

_ATTRIBUTE: Final = re.compile(
    rb"""[\s/]*(?:(?P<end>>)|(?P<name>[^\s/>][^\s/>=]*)"""
    rb"""(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s>"'][^\s>]*)?))?)"""
)


def attributes(head: bytes, at: int) -> tuple[dict[str, bytes], int]:
    """The attributes of a tag whose name ended at `at` (the first of a name counts), and where it ends.

    A tag that the end of `head` cuts through has none: half a value is no value.
    """
    found: dict[str, bytes] = {}
    while (part := _ATTRIBUTE.match(head, at)) is not None:
        at = part.end()
        if part["end"]:
            return found, at
        value = part["double"] or part["single"] or part["bare"] or b""
        found.setdefault(part["name"].lower().decode("latin-1"), value)
    return {}, len(head)


_OPENING: Final = re.compile(rb"<(?:(!--)|([A-Za-z][^\s/>]*))")
_COMMENT_END: Final = re.compile(rb"--!?>")
# Elements whose content is text to a browser that runs scripts: a tag in there is none.
_RAW: Final = frozenset({"iframe", "noembed", "noframes", "noscript", "script", "style", "textarea", "title", "xmp"})


def tags(head: bytes) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Start tags in their order, name in lower case, without those in comments, scripts and the like."""
    at = 0
    while (opening := _OPENING.search(head, at)) is not None:
        if opening[1]:
            close = _COMMENT_END.search(head, opening.start() + 2)  # "<!-->" is a whole comment
            if close is None:
                return
            at = close.end()
            continue
        name = opening[2].lower().decode("latin-1")
        found, at = attributes(head, opening.end())
        yield name, found
        if name in _RAW:
            end = re.compile(rb"(?i)</" + re.escape(name.encode()) + rb"(?=[\s/>])").search(head, at)
            if end is None:
                return
            at = end.end()
