"""What a sitemap names: XML sitemaps and their indexes, RSS, Atom, and plain lists of URLs (sitemaps.org).

Read from text that comes piece by piece, by what stands in it: content types lie and so do file names. Only
what stands directly in an entry counts, so that `<image:loc>` within an `<image:image>` is no page. One
entry that is wrong costs that entry.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from crawler.parse.markup import Markup, attributes_of
from crawler.urls import Joiner

__all__ = ["SitemapEntry", "SitemapReader", "sitemaps_of_robots"]


class SitemapEntry(msgspec.Struct, frozen=True, gc=False):
    """What a sitemap says of one page.

    `loc` is its absolute URL. `lastmod` is aware (UTC where the sitemap names no zone, midnight where it
    names no time), None where there is none or it cannot be read. `priority` is 0.0 to 1.0, and 0.5, the
    protocol's default, where nothing is said; `changefreq` a word in lower case ("daily"), "" likewise.
    `alternates` are its other languages: hreflang to absolute URL.
    """

    loc: str
    lastmod: datetime | None = None
    priority: float = 0.5
    changefreq: str = ""
    alternates: Mapping[str, str] = {}


_ROOTS: Final = {"urlset": "sitemap", "sitemapindex": "index", "rss": "feed", "rdf": "feed", "feed": "feed"}
_ENTRIES: Final = {"sitemap": ("url", "sitemap"), "index": ("url", "sitemap"), "feed": ("item", "entry")}
# Elements of an entry by what they say. RSS names pages by <link>, or by a <guid> that is a permalink.
_FIELDS: Final = {
    "loc": "loc", "link": "link", "guid": "guid", "priority": "priority", "changefreq": "changefreq",
    "lastmod": "lastmod", "pubdate": "lastmod", "updated": "lastmod", "date": "lastmod",
}  # fmt: skip
_BEGINNING: Final = re.compile(r"<(?:\?xml\b|(?:[\w.-]+:)?(?:urlset|sitemapindex|rss|feed|rdf)[\s>])", re.IGNORECASE)
_HEAD: Final = 4096  # characters in which a file shows what it is: some have a warning of PHP before it
_LONGEST: Final = 64 * 1024  # characters of one field or line; more of it is no URL
_BREAK: Final = re.compile(r"[\r\n]+")
_URL_LINE: Final = re.compile(r"https?://", re.IGNORECASE)


class SitemapReader:
    """Reads one sitemap whose URL is `base`. Feed it all of its text, then `close`.

    `kind` is "sitemap", "index", "feed" or "text" once that is known; for a file that is none of these it
    is "" at the end, and `root` the name of its first element. `bad` counts the entries without a URL
    that can be resolved, `first_bad` is what the first of them had. `parts` are the sitemaps that an index
    names, for the caller to take.
    """

    def __init__(self, base: str) -> None:
        self.kind = ""
        self.root = ""
        self.bad = 0
        self.first_bad = ""
        self.parts: list[SitemapEntry] = []
        self._joiner = Joiner(base)
        self._head: str | None = ""  # until it is known what this is
        self._rest = ""
        self._markup = Markup()
        self._entries: tuple[str, ...] = ()
        self._entry = ""  # the element that is open: an entry, a field of it, and how deep within others
        self._field = ""
        self._name = ""
        self._within = 0
        self._text: list[str] = []
        self._room = 0  # characters that the field may still have
        self._said: dict[str, str] = {}
        self._alternates: dict[str, str] = {}

    def feed(self, text: str) -> Iterator[SitemapEntry]:
        """The entries that are whole by now, in order."""
        if self._head is not None:
            self._head += text
            if len(self._head) < _HEAD:
                return
            text, self._head = self._begun(self._head), None
        if self.kind == "text":
            yield from self._lines(text)
        else:
            yield from self._tokens(text)

    def close(self, *, cut: bool = False) -> Iterator[SitemapEntry]:
        """What is left at the end of the text. `cut`: there was more of it, so that a list's last line may be
        half a URL; in XML an end tag tells."""
        if self._head is not None:
            head, self._head = self._begun(self._head), None
            yield from self.feed(head)
        if self.kind == "text":
            if not cut:
                yield from self._lines("\n")
            if not self.root:
                self.kind = "" if self.bad else "text"
        elif self._entry:
            self._text.clear()  # of a field that is open: it may be half a URL
            yield from self._close_entry()

    def _begun(self, head: str) -> str:
        """Tells a list of lines from XML; without what stands before that."""
        head = head.lstrip("\ufeff \t\r\n")
        beginning = _BEGINNING.search(head)
        if beginning is None and head[:1] != "<":
            self.kind = "text"
        return head[beginning.start() :] if beginning is not None else head

    # -- lists of lines

    def _lines(self, text: str) -> Iterator[SitemapEntry]:
        *lines, self._rest = _BREAK.split(self._rest + text)
        if len(self._rest) > _LONGEST:
            lines, self._rest = [*lines, self._rest], ""
        for line in map(str.strip, lines):
            if _URL_LINE.match(line) and (url := self._resolved(line)):
                self.root = "text"  # at least one line is a URL: this is a list
                yield SitemapEntry(url)
            elif line and not line.startswith("#"):
                self._wrong(line)

    # -- XML

    def _tokens(self, text: str) -> Iterator[SitemapEntry]:
        for kind, name, more in self._markup.feed(text):
            if kind == "text":
                if self._field and self._room > 0:
                    self._text.append(more)
                    self._room -= len(more)
            elif kind == "end":
                if name == self._entry:
                    yield from self._close_entry()
                elif self._within:
                    self._end(name)
            elif self.kind:
                if name in self._entries and (not self._entry or name == self._entry):
                    if self._entry:  # none is within another: this one's end tag is missing
                        yield from self._close_entry()
                    self._entry = name
                elif self._entry:
                    self._start(name, more)
            elif not self.root:
                self.root, self.kind = name, _ROOTS.get(name, "")
                self._entries = _ENTRIES.get(self.kind, ())
                self._rebase(more)

    def _start(self, name: str, more: str) -> None:
        """An element within an entry."""
        if self._field and name in _FIELDS:  # no field is within another: that one's end tag is missing
            self._close_field()
        self._within += 1
        if self._within > 1:  # within another element: none of ours
            return
        self._name = name
        if name == "link" and more:
            self._link(attributes_of(more))
        if name != "guid" or "false" not in attributes_of(more).get("ispermalink", "").lower():
            self._field, self._room = _FIELDS.get(name, ""), _LONGEST

    def _end(self, name: str) -> None:
        if name == self._name:  # also where end tags within it are missing
            self._close_field()
        elif self._within > 1:
            self._within -= 1

    def _close_field(self) -> None:
        if self._field and (said := "".join(self._text).strip()):
            self._said.setdefault(self._field, said)
        self._field = self._name = ""
        self._within = 0
        self._text.clear()

    def _link(self, attributes: dict[str, str]) -> None:
        """`<link href>`: the page of an Atom entry, or another language of a sitemap's page."""
        href = attributes.get("href", "").strip()
        relation = attributes.get("rel", "alternate").lower()
        if not href or relation != "alternate":
            return
        if self._entry == "url":
            language = attributes.get("hreflang", "").strip()
            if language and (url := self._resolved(href)):
                self._alternates[language] = url
        else:
            self._said.setdefault("link", href)

    def _close_entry(self) -> Iterator[SitemapEntry]:
        self._close_field()
        entry, said, alternates = self._entry, self._said, self._alternates
        self._entry, self._said, self._alternates = "", {}, {}
        guid = said.get("guid", "")
        loc = said.get("loc") or said.get("link") or (guid if _URL_LINE.match(guid) else "")
        url = self._resolved(loc)
        if not url:
            self._wrong(loc)
            return
        made = SitemapEntry(
            url,
            _day(said["lastmod"]) if "lastmod" in said else None,
            _share(said["priority"]) if "priority" in said else 0.5,
            said.get("changefreq", "").lower(),
            alternates,
        )
        if entry == "sitemap":
            self.parts.append(made)
        else:
            yield made

    # -- URLs

    def _rebase(self, attributes: str) -> None:
        """A feed may say what its links are relative to (`xml:base`)."""
        base = attributes_of(attributes).get("base", "")
        if base and (url := self._resolved(base)):
            self._joiner = Joiner(url)

    def _resolved(self, loc: str) -> str:
        """The absolute URL; "" for what no browser resolves."""
        if not loc or len(loc) >= _LONGEST:
            return ""
        try:
            return self._joiner.join(loc)
        except ValueError:
            return ""

    def _wrong(self, loc: str) -> None:
        self.bad += 1
        self.first_bad = self.first_bad or loc[:200]


# -- values

_PARTIAL: Final = re.compile(r"(\d{4})(?:-(\d{2}))?")


def _day(text: str) -> datetime | None:
    """A W3C date of any precision, or one of a mail (RSS); None for anything else."""
    found: datetime | None = None
    partial = _PARTIAL.fullmatch(text)
    with contextlib.suppress(ValueError, OverflowError, TypeError, IndexError):
        if partial is not None:
            found = datetime(int(partial[1]), int(partial[2] or 1), 1, tzinfo=UTC)
        else:
            found = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def _share(text: str) -> float:
    """A priority within its bounds; 0.5 for what is no number."""
    try:
        number = float(text)
    except ValueError:
        return 0.5
    return min(max(number, 0.0), 1.0) if number == number else 0.5  # nan is not itself


# -- robots.txt

_NAMED: Final = re.compile(r"^[ \t]*+site-?map[ \t]*+:([^\r\n#]*+)", re.IGNORECASE | re.MULTILINE)


def sitemaps_of_robots(text: str, base: str) -> list[str]:
    """The absolute URLs of the sitemaps that a robots.txt names, each once (RFC 9309 §2.2.4); `base` is its own."""
    joiner = Joiner(base)
    found: dict[str, None] = {}
    for value in _NAMED.findall(text.replace("\r", "\n")):
        with contextlib.suppress(ValueError):
            if value.strip():
                found[joiner.join(value.strip())] = None
    return list(found)
