"""Pending ids by host and level. The pages themselves stay in the frontier.

Within a level the order is by age, which is the order in which ids are appended. A host of few pages,
as most are, is a single run of bytes: id * 256 + depth for each page, in their order. One of many, or of
several priorities, is its levels, best first, each an array of ids with a head index.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Sequence

from crawler.contracts import Level

__all__ = ["Chains"]

_DEPTHS = 256
_RUN = 64 * 8  # bytes: what Python's own allocator takes, and quick to copy


class _Chain:
    """The ids of one level, oldest first. Taking, appending and giving back are amortised O(1)."""

    __slots__ = ("_head", "_ids", "level")

    def __init__(self, level: Level) -> None:
        self.level = level
        self._ids = array("q")
        self._head = 0

    def __len__(self) -> int:
        return len(self._ids) - self._head

    def extend(self, ids: Sequence[int]) -> None:
        self._ids += array("q", ids)

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
    """The pending ids of one host, by (level, age). `run` is what `Chains.run` of another was."""

    __slots__ = ("_chains", "_run", "count")

    def __init__(self, run: bytes = b"") -> None:
        self._run = run
        self._chains: list[_Chain] | None = None  # best level first; a level without ids is not kept
        self.count = len(run) // 8

    @property
    def run(self) -> bytes | None:
        """All of it as one run of bytes; None where it is none."""
        return self._run if self._chains is None else None

    @property
    def best(self) -> Level:
        """The level of the first id. Raises IndexError when there is none."""
        return (0, self._run[0]) if self._chains is None else self._chains[0].level

    def append(self, level: Level, id: int) -> None:
        """Adds an id that is younger than all of its level."""
        self.count += 1
        chains, run = self._chains, self._run
        if chains is None:
            if level[0] == 0 and level[1] < _DEPTHS and len(run) < _RUN and not (run and level[1] < run[-8]):
                self._run = run + (id * _DEPTHS + level[1]).to_bytes(8, "little")
                return
            chains = self._unpack()
        if chains and chains[-1].level == level:  # what a growing crawl does nearly always
            chains[-1].append(id)
        else:
            self._chain(chains, level).append(id)

    def extend(self, level: Level, ids: Sequence[int]) -> None:
        """Adds ids, oldest first, that are younger than all of their level."""
        if self._chains is None and len(ids) * 8 + len(self._run) <= _RUN:
            for id in ids:
                self.append(level, id)
        elif ids:
            self.count += len(ids)
            self._chain(self._chains or self._unpack(), level).extend(ids)

    def give_back(self, level: Level, id: int) -> None:
        """Puts an id back before all of its level: it was taken from there, or displaced by a better one."""
        self.count += 1
        chains, run = self._chains, self._run
        if chains is None:
            if level[0] == 0 and level[1] < _DEPTHS and len(run) < _RUN and not (run and level[1] > run[0]):
                self._run = (id * _DEPTHS + level[1]).to_bytes(8, "little") + run
                return
            chains = self._unpack()
        self._chain(chains, level).give_back(id)

    def take(self, n: int) -> list[int]:
        """The first `n` ids, or as many as there are, in order."""
        chains = self._chains
        if chains is None:
            taken = [value // _DEPTHS for value in _values(self._run[: 8 * n])]
            self._run = self._run[8 * n :]
        else:
            taken = []
            while chains and len(taken) < n:
                taken += chains[0].take(n - len(taken))
                if not chains[0]:
                    del chains[0]
        self.count -= len(taken)
        return taken

    def _chain(self, chains: list[_Chain], level: Level) -> _Chain:
        at = bisect_left(chains, level, key=_level_of)
        if at == len(chains) or chains[at].level != level:
            chains.insert(at, _Chain(level))
        return chains[at]

    def _unpack(self) -> list[_Chain]:
        """From now on its levels one by one."""
        chains: list[_Chain] = []
        for value in _values(self._run):
            id, depth = divmod(value, _DEPTHS)
            if not chains or chains[-1].level[1] != depth:
                chains.append(_Chain((0, depth)))
            chains[-1].append(id)
        self._run, self._chains = b"", chains
        return chains


def _values(run: bytes) -> array[int]:
    values = array("q", run)
    if sys.byteorder != "little":
        values.byteswap()
    return values
