"""The keys that are known, each with a mark of one byte, in 23 to 28 bytes a key.

The mark says how the request was made that was accepted with the key (`binding.mark_of`), so that the
same page yielded with another callback can be told from a plain duplicate. It stands in the place of
the key's sixteenth byte: 120 bits tell keys apart, and the chance that any two of 10 million are alike
is 4e-23.

A `set[bytes]` costs 130 bytes a key; a million known pages may not. Here keys lie side by side in
small buckets of `bytes`, and a look-up is one `bytes.find` in one bucket: no object per key. Growth
is linear hashing (W. Litwin, "Linear hashing", VLDB 1980): when the buckets are fuller than `LOAD`
on average, the next one in turn is split in two. So no insert ever moves more than one bucket, and
none stalls the loop, at any size.

The links that a site's pages have in common do not come here each time: linking.py remembers them by their URLs.

Measured (CPython 3.11, two slow shared cores), the 29 links of a page, all known: 12 µs at 10 thousand
keys and 24 at a million; `set[bytes]` takes 1 and 14. Bytes a key at a million: 23 grown, 28 loaded,
against 130. Loading a million takes 0.5 s; the longest of 300,000 inserts beyond them 1.1 ms.
"""

from __future__ import annotations

import sys
from array import array
from struct import Struct, iter_unpack

__all__ = ["KEY", "SeenSet", "kept"]

KEY = 16
"""Bytes of a key, and of what is kept of one: 15 of its bytes and the mark."""

LOAD = 12
"""Keys a bucket, on average. Fewer spend more on headers, more on searching: 8 to 16 differ by 5 %."""


class SeenSet:
    """Keys of 16 bytes with their marks (0 to 255); it only grows.

    Buckets are picked by the key's first bytes. Keys are a keyed hash's (fingerprint.py), so nobody outside
    can aim at one bucket. `add` and `add_many` refuse another length than 16
    (ValueError); asking whether one is known has no meaning.
    """

    __slots__ = ("_buckets", "_count", "_half")

    def __init__(self) -> None:
        self._buckets = [b""]
        self._half = 1  # how many buckets this round began with, a power of two
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: bytes) -> bool:
        return self.find(key) >= 0

    def find(self, key: bytes) -> int:
        """The mark of a key; -1 where it is not known."""
        short = key[:15]
        buckets, half = self._buckets, self._half
        at = _number(key)[0] & (half + half - 1)
        if at >= len(buckets):  # not split yet in this round
            at -= half
        bucket = buckets[at]
        place = bucket.find(short)
        if place & 15:  # not there (-1), or across the border of two others
            place = _aligned(bucket, short, place)
        return bucket[place + 15] if place >= 0 else -1

    def add(self, key: bytes, mark: int = 0) -> bytes | None:
        """Takes a key up with its mark; what is kept of it (`kept`). None: it was known, with the mark that it has."""
        if len(key) != KEY:
            raise ValueError(f"a key has {KEY} bytes, not {len(key)}")
        entry = kept(key, mark)
        return entry if self._insert(entry) else None

    def load(self, blob: bytes) -> None:
        """Takes up what `kept` gave, one behind the other, each key once and none known: nothing is looked up,
        so a million take 0.5 s. Raises ValueError for a length that is none."""
        if len(blob) % KEY:
            raise ValueError(f"{len(blob)} bytes are no whole number of keys of {KEY} bytes")
        if self._count + len(blob) // KEY > LOAD * len(self._buckets):
            for (entry,) in iter_unpack("16s", blob):
                self._insert(entry)
            return
        buckets, half, size = self._buckets, self._half, len(self._buckets)
        mask = half + half - 1
        numbers = array("Q", blob)
        if sys.byteorder != "little":
            numbers.byteswap()
        for (entry,), number in zip(iter_unpack("16s", blob), numbers[::2], strict=True):
            at = number & mask
            if at >= size:
                at -= half
            buckets[at] += entry
        self._count += len(blob) // KEY

    def reserve(self, keys: int) -> None:
        """Makes room for so many keys while the set is empty: loading them then splits nothing."""
        if self._count:
            return
        buckets = max(1, -(-keys // LOAD))
        self._half = 1 << (buckets.bit_length() - 1)
        self._buckets = [b""] * buckets

    def _insert(self, entry: bytes) -> bool:
        short = entry[:15]
        buckets, half = self._buckets, self._half
        at = _number(entry)[0] & (half + half - 1)
        if at >= len(buckets):
            at -= half
        bucket = buckets[at]
        place = bucket.find(short)
        if not place & 15 or _aligned(bucket, short, place) >= 0:
            return False
        buckets[at] = bucket + entry
        self._count += 1
        if self._count > LOAD * len(buckets):
            self._split()
        return True

    def _split(self) -> None:
        """Shares the next bucket's keys with a new one, by one more bit of their numbers."""
        buckets, bit = self._buckets, self._half
        at = len(buckets) - bit
        stay: list[bytes] = []
        move: list[bytes] = []
        for (entry,) in iter_unpack("16s", buckets[at]):
            (move if _number(entry)[0] & bit else stay).append(entry)
        buckets[at] = b"".join(stay)
        buckets.append(b"".join(move))
        if len(buckets) == 2 * bit:
            self._half = 2 * bit


def kept(key: bytes, mark: int) -> bytes:
    """What is kept of a key: 16 bytes."""
    return key[:15] + _MARKS[mark]


_number = Struct("<Q").unpack_from  # of a key: its first 8 bytes

_MARKS = [bytes([mark]) for mark in range(256)]


def _aligned(bucket: bytes, short: bytes, place: int) -> int:
    """Where a key lies that was found across the border of two others, or not found (-1); -1: nowhere."""
    while place >= 0 and place & 15:
        place = bucket.find(short, place + 1)
    return place
