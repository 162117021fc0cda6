"""Tags and text of an XML file, piece by piece as it comes in, whatever is wrong with it.

Sitemaps and feeds are written by string templates, and an XML parser ends at their first mistake: libxml2
in its forgiving mode reads `?a=1&b=2` as `?a=1=2`, and after a lost end tag nothing. Here a mistake costs
what it stands in. Safe by construction: a DOCTYPE is passed over, so no entity is declared, none is fetched
and none can grow; of references only XML's own five and the numeric ones mean something. Time is linear in
the text, and no more is held than a piece and one token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

__all__ = ["Markup", "Token", "attributes_of", "unescaped"]

Token = tuple[Literal["start", "end", "text"], str, str]
"""A tag, with its name in lower case without a prefix and its attributes as written; or "" and a text. A text
of nothing but white space is left out."""

_LONGEST: Final = 64 * 1024  # characters of one token; a longer one is text in pieces
_BACK: Final = 64  # characters kept back of what is passed over: its end may be cut in two

# Possessive quantifiers: a "<" that no ">" follows is given up after one look, not after one for each character.
_TAG: Final = re.compile(
    r"<(?:(!--|!\[CDATA\[|![A-Za-z]|\?)|(/?)([^\s<>/!?][^\s<>/]*+)([^<>]*+)>)"  # special, or end, name, more
)
_ENDS: Final = {"!--": re.compile("-->"), "![CDATA[": re.compile("]]>"), "?": re.compile(r"\?>")}
_DECLARED: Final = re.compile(r"[\[>]")  # a DOCTYPE ends here, or has declarations of its own
_SUBSET: Final = re.compile(r"\]\s*+>")


class Markup:
    """The scanner of one file. Feed it all of its text, then `close`."""

    def __init__(self) -> None:
        self._rest = ""  # what came after the last whole token
        self._until: re.Pattern[str] | None = None  # the end of what is passed over
        self._verbatim = False  # it is CDATA: text

    def feed(self, text: str) -> Iterator[Token]:
        """The tokens that are whole by now, in order."""
        text = self._rest + text
        at = 0
        while True:
            if self._until is not None:
                passed = self._until.search(text, at)
                end = passed.start() if passed is not None else max(at, len(text) - _BACK)
                if self._verbatim and end > at:
                    yield "text", "", text[at:end]
                if passed is None:
                    self._rest = text[end:]
                    return
                self._until, at = None, passed.end()
            tag = _TAG.search(text, at)
            if tag is None:
                break
            begin = tag.start()
            if begin > at and not (before := text[at:begin]).isspace():
                yield "text", "", unescaped(before)
            at = tag.end()
            special, closing, name, more = tag.groups()
            if special is not None:
                if not self._pass_over(special, text, at):
                    at = begin  # where it leads is not to be seen yet
                    break
                continue
            name = name.rpartition(":")[2].lower()
            if closing:
                yield "end", name, ""
                continue
            yield "start", name, more
            if more[-1:] == "/":
                yield "end", name, ""
        self._rest = text[at:]
        if len(self._rest) > _LONGEST:
            yield "text", "", unescaped(self._rest)
            self._rest = ""

    def _pass_over(self, special: str, text: str, at: int) -> bool:
        """Begins with a comment, CDATA, an instruction or a declaration; False where more text is needed."""
        self._verbatim = special == "![CDATA["
        self._until = _ENDS.get(special)
        if self._until is None:
            first = _DECLARED.search(text, at)
            if first is None:
                return False
            self._until = _SUBSET if first[0] == "[" else _DECLARED
        return True


# -- references and attributes

_REFERENCE: Final = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));")
_NAMED: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_ATTRIBUTE: Final = re.compile(r"""([^\s=/"'<>]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)')""")


def unescaped(text: str) -> str:
    """The text with XML's references read; a lone "&" and names that XML does not know stay as they are."""
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _character(reference: re.Match[str]) -> str:
    if reference[3]:
        return _NAMED[reference[3]]
    number = int(reference[1]) if reference[1] else int(reference[2], 16)
    return chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else "\ufffd"


def attributes_of(more: str) -> dict[str, str]:
    """A tag's attributes by their names without prefix, in lower case; of several of a name the first."""
    found: dict[str, str] = {}
    for name, double, single in _ATTRIBUTE.findall(more):
        found.setdefault(name.rpartition(":")[2].lower(), unescaped(double or single))
    return found
