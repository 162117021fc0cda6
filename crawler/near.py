"""Pages that nearly say the same: counted and listed where the setting `near_duplicates` asks for it.

A page's simhash (Charikar 2002) is 64 bits made of its words and of their neighbours, so that pages that
differ in few words differ in few bits. Two hashes within 3 bits have one of four 16-bit parts in common,
so one look into four dicts finds them. Pages are compared within their host, in the order in which they
were done; hashes go with the commit of their page. Nothing is left out: whoever wants that knows now where.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

from crawler.contracts import Skip
from crawler.urls import scheduling_host

if TYPE_CHECKING:
    from crawler.contracts import Entry, Group, Outcome
    from crawler.response import Response

__all__ = ["NEAR_DUPLICATE", "NearDuplicates", "simhash"]

NEAR_DUPLICATE = "near duplicate"
"""The reason of a page's line in skipped.jsonl. Such a page was fetched, and its items count."""

_META: Final = "near/"
_PARTS: Final = 4
_LANE: Final = 24  # bits for the sum of one bit of the hash: texts of up to 16 million words
_ASIDE: Final = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL)
_WORD: Final = re.compile(r"\w+")
_FEWEST: Final = 8  # words; shorter pages are alike without being the same


@lru_cache(maxsize=1 << 15)
def _lanes(feature: str) -> int:
    """The 64 bits of a feature's hash, each in a lane of its own, so that one addition counts all of them."""
    digest = int.from_bytes(blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "little")
    return int(f"{digest:b}".replace("0", "0" * _LANE).replace("1", "0" * (_LANE - 1) + "1"), 2)


def simhash(text: str) -> int | None:
    """64 bits of the words of a page's HTML, markup apart; None for fewer than eight words. About 1 ms for 1,000."""
    words = _WORD.findall(_ASIDE.sub(" ", text).lower())
    if len(words) < _FEWEST:
        return None
    features = {*words, *map(" ".join, pairwise(words))}
    total = sum(map(_lanes, features))
    half, mask, bits = len(features) // 2, (1 << _LANE) - 1, 0
    for place in range(64):
        bits |= ((total >> (place * _LANE)) & mask > half) << place
    return bits


class NearDuplicates:
    """The pages of one crawl. `distance`: bits in which two hashes of nearly the same page may differ, at most 3."""

    def __init__(self, distance: int, meta: Mapping[str, bytes]) -> None:
        self._distance = distance
        self._parts: dict[tuple[str, int, int], list[tuple[int, str]]] = {}
        self._young: dict[bytes, tuple[int, str]] = {}
        for name, raw in meta.items():
            if name.startswith(_META):
                self._add_all(msgspec.msgpack.decode(raw, type=list[tuple[int, str]]))

    def look(self, entry: Entry, response: Response, outcome: Outcome) -> None:
        """Compares a page that is done with those before it, and keeps it."""
        hashed = simhash(response.text) if outcome.verdict == "done" else None
        if hashed is None:
            return
        url = entry.request._url
        like = self._find(hashed, url)
        if like is not None:
            outcome.counters["near_duplicates"] = 1
            bits = (hashed ^ like[0]).bit_count()
            outcome.skips.append(Skip(url, NEAR_DUPLICATE, f"{bits} bits of 64 from {like[1]}", "", entry.key))
        else:
            self._young[entry.key] = (hashed, url)
            self._add_all([(hashed, url)])

    def prepare(self, group: Group) -> None:
        """Gives a group the hashes of its pages."""
        entries = (outcome.entry for outcome in group.outcomes if outcome.entry is not None)
        own = [self._young.pop(entry.key) for entry in entries if entry.key in self._young]
        if own:
            group.meta[f"{_META}{group.number}"] = msgspec.msgpack.encode(own)

    def _find(self, hashed: int, url: str) -> tuple[int, str] | None:
        for key in _keys(hashed, url):
            for other in self._parts.get(key, ()):
                if (other[0] ^ hashed).bit_count() <= self._distance and other[1] != url:
                    return other
        return None

    def _add_all(self, pages: Iterable[tuple[int, str]]) -> None:
        for page in pages:
            for key in _keys(*page):
                self._parts.setdefault(key, []).append(page)


def _keys(hashed: int, url: str) -> list[tuple[str, int, int]]:
    host = scheduling_host(url)
    return [(host, part, (hashed >> (16 * part)) & 0xFFFF) for part in range(_PARTS)]
