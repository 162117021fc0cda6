"""What was pending when a run was taken up again: ids by host, level and age, in 8 bytes each.

A list and an object for each host would cost a start more time and memory than all else together, for
hosts whose turn may come in an hour. So the ids of all hosts lie in one array, host after host, and
are sorted into levels when a host has its turn.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

__all__ = ["Backlog", "Gathering", "Level"]

Level = tuple[int, int]
"""(-priority, depth): smaller goes first; within a level the older goes first."""

_WIDE = 1 << 32


class Backlog:
    """The pending ids of every host that has any. It does not change; `hosts` names each host once.

    `starts` has the place of each host's first id in `ids`, and their end; `codes` says of each id which
    of the `levels` it has. The ids of a host go from old to young.
    """

    __slots__ = ("_codes", "_ids", "_starts", "hosts", "levels")

    def __init__(
        self,
        hosts: Sequence[str] = (),
        levels: Sequence[Level] = (),
        starts: Sequence[int] = (0,),
        ids: array[int] | None = None,
        codes: array[int] | None = None,
    ) -> None:
        self.hosts = hosts
        self.levels = levels
        self._starts = starts
        self._ids = array("Q") if ids is None else ids
        self._codes = array("I") if codes is None else codes

    @classmethod
    def of(cls, chains: Iterable[tuple[str, Level, Sequence[int]]]) -> Backlog:
        """Of (host, level, ids), oldest first; levels and hosts in any order."""
        gathering, numbers = Gathering(), dict[str, int]()
        for host, level, ids in chains:
            number, code = numbers.setdefault(host, len(numbers)), gathering.code(level)
            gathering.add(ids, [number] * len(ids), [code] * len(ids))
        return gathering.backlog(list(numbers).__getitem__)

    def __len__(self) -> int:
        """How many ids."""
        return len(self._ids)

    def __iter__(self) -> Iterator[tuple[str, Level, Sequence[int]]]:
        """(host, level, ids) for each level of each host."""
        for place, host in enumerate(self.hosts):
            for level, ids in self.chains(place):
                yield host, level, ids

    def best(self, place: int) -> Level:
        """The level of the first id of the host at that place in `hosts`."""
        return min(map(self.levels.__getitem__, set(self._codes[self._starts[place] : self._starts[place + 1]])))

    def chains(self, place: int) -> list[tuple[Level, Sequence[int]]]:
        """The ids of the host at that place in `hosts`: best level first, oldest first."""
        first, end = self._starts[place], self._starts[place + 1]
        ids, codes = self._ids[first:end], self._codes[first:end]
        if codes.count(codes[0]) == len(codes):
            return [(self.levels[codes[0]], ids)]
        by_code: dict[int, array[int]] = {}
        for id, code in zip(ids, codes, strict=True):
            chain = by_code.get(code)
            if chain is None:
                chain = by_code[code] = array(ids.typecode)
            chain.append(id)
        return sorted((self.levels[code], chain) for code, chain in by_code.items())


class Gathering:
    """Makes a `Backlog` of pending ids that come from old to young, their hosts and levels mixed.

    `highest`: ids go up to it; below 2**32 they take half the memory.
    """

    def __init__(self, highest: int = _WIDE) -> None:
        self._ids = array("I" if highest < _WIDE else "Q")
        self._hosts = array("I")
        self._codes = array("I")
        self._levels: dict[Level, int] = {}

    def __len__(self) -> int:
        """How many ids."""
        return len(self._ids)

    def code(self, level: Level) -> int:
        """The number that stands for a level in `add`."""
        return self._levels.setdefault(level, len(self._levels))

    def add(self, ids: Sequence[int], hosts: Sequence[int], codes: Sequence[int]) -> None:
        """Some ids, with the numbers of their hosts and of their levels."""
        self._ids.extend(ids)
        self._hosts.extend(hosts)
        self._codes.extend(codes)

    def backlog(self, name: Callable[[int], str]) -> Backlog:
        """All of it, by host; `name` gives the host of a number. It may share the memory: nothing is added later."""
        numbers, ids, codes, levels = self._hosts, self._ids, self._codes, list(self._levels)
        if not ids:
            return Backlog()
        if min(numbers) == max(numbers):
            return Backlog([name(numbers[0])], levels, (0, len(ids)), ids, codes)
        # A counting sort: it keeps the order within a host, and needs no object for an id or a host.
        counts = [0] * (max(numbers) + 1)
        for number in numbers:
            counts[number] += 1
        at = list(accumulate(counts, initial=0))
        sorted_ids, sorted_codes = array(ids.typecode, bytes(ids.itemsize * len(ids))), array("I", bytes(4 * len(ids)))
        for number, id, code in zip(numbers, ids, codes, strict=True):
            place = at[number]
            sorted_ids[place] = id
            sorted_codes[place] = code
            at[number] = place + 1
        there = [number for number, count in enumerate(counts) if count]
        starts = array("Q", accumulate((counts[number] for number in there), initial=0))
        return Backlog([name(number) for number in there], levels, starts, sorted_ids, sorted_codes)
