"""Pending ids, 8 bytes each, by host and level. The pages themselves stay in the frontier.

Within a level the order is by age, which is the order in which ids are appended; so a level is an
array with a head index, and a host is its levels, best first.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from crawler.contracts import Level

__all__ = ["Chains"]


class _Chain:
    """The ids of one level, oldest first. Taking, appending and giving back are amortised O(1)."""

    __slots__ = ("_head", "_ids", "level")

    def __init__(self, level: Level, ids: Iterable[int]) -> None:
        self.level = level
        self._ids = array("q", ids)
        self._head = 0

    def __len__(self) -> int:
        return len(self._ids) - self._head

    def extend(self, ids: Iterable[int]) -> None:
        self._ids.extend(ids)

    def append(self, id: int) -> None:
        self._ids.append(id)

    def take(self, n: int) -> list[int]:
        end = min(self._head + n, len(self._ids))
        taken = self._ids[self._head : end].tolist()
        self._head = end
        if end > 64 and end * 2 > len(self._ids):  # half of it is used up: give the memory back
            del self._ids[:end]
            self._head = 0
        return taken

    def give_back(self, id: int) -> None:
        """Puts an id before all others."""
        if self._head == 0:  # room in front for an eighth more, so that a row of these costs one copy
            self._head = len(self._ids) // 8 + 4
            self._ids = array("q", bytes(8 * self._head)) + self._ids
        self._head -= 1
        self._ids[self._head] = id


def _level_of(chain: _Chain) -> Level:
    return chain.level


class Chains:
    """The pending ids of one host, by (level, age)."""

    __slots__ = ("_chains", "count")

    def __init__(self) -> None:
        self._chains: list[_Chain] = []  # best level first; a level without ids is not kept
        self.count = 0

    @property
    def best(self) -> Level:
        """The level of the first id. Raises IndexError when there is none."""
        return self._chains[0].level

    def append(self, level: Level, id: int) -> None:
        """Adds an id that is younger than all of its level."""
        self.count += 1
        chains = self._chains
        if chains and chains[-1].level == level:  # what a growing crawl does nearly always
            chains[-1].append(id)
        else:
            self._chain(level).append(id)

    def extend(self, level: Level, ids: Sequence[int]) -> None:
        """Adds ids, oldest first, that are younger than all of their level."""
        if ids:
            self.count += len(ids)
            self._chain(level).extend(ids)

    def give_back(self, level: Level, id: int) -> None:
        """Puts an id back before all of its level: it was taken from there, or displaced by a better one."""
        self.count += 1
        self._chain(level).give_back(id)

    def take(self, n: int) -> list[int]:
        """The first `n` ids, or as many as there are, in order."""
        taken: list[int] = []
        chains = self._chains
        while chains and len(taken) < n:
            taken += chains[0].take(n - len(taken))
            if not chains[0]:
                del chains[0]
        self.count -= len(taken)
        return taken

    def _chain(self, level: Level) -> _Chain:
        chains = self._chains
        at = bisect_left(chains, level, key=_level_of)
        if at == len(chains) or chains[at].level != level:
            chains.insert(at, _Chain(level, ()))
        return chains[at]
