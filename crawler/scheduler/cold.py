"""Cold hosts: those of which only ids are kept, one dict entry and one place in a queue each.

With a single page a cold host costs about 140 bytes, its name included, with ten 250
(benchmarks/scheduler.py), so a crawl may know millions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from crawler.backlog import Backlog
from crawler.contracts import Level
from crawler.scheduler.chains import Chains

__all__ = ["Cold"]

_DEPTHS = 256


class Cold:
    """Hosts of which only ids are kept, in the order of their turns.

    A host with one page of priority 0 is an int, id * 256 + depth; one with some its `Chains.run`, any
    other its `Chains`. One that was not touched since the start is an int below zero, -1 - its place in
    the backlog. The queue may hold a name that was taken out of turn; `_stale` says how many of its
    places to pass over.
    """

    def __init__(self) -> None:
        self._pending: dict[str, int | bytes | Chains] = {}
        self._queue: deque[str] = deque()
        self._stale: dict[str, int] = {}
        self._backlog = Backlog()
        self._untouched = 0  # hosts of the backlog

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, name: str) -> bool:
        return name in self._pending

    def __iter__(self) -> Iterator[str]:
        return iter(self._pending)

    def restore(self, backlog: Backlog) -> None:
        """Takes up the pages of an earlier process, before any other."""
        names = backlog.hosts
        self._backlog, self._untouched = backlog, len(names)
        self._pending = dict(zip(names, range(-1, -1 - len(names), -1), strict=True))
        self._queue = deque(names)

    def append(self, name: str, level: Level, id: int) -> None:
        """Adds a page; a host that is new gets the last place."""
        known = self._pending.get(name)
        if known is None:
            self._queue.append(name)
            self._pending[name] = _one(level, id)
        else:
            chains = self._chains(known)
            chains.append(level, id)
            self._pending[name] = _kept(chains)

    def put(self, name: str, chains: Chains) -> None:
        """A host that was warm gets the last place."""
        self._queue.append(name)
        if chains.count == 1:
            level = chains.best
            self._pending[name] = _one(level, chains.take(1)[0])
        else:
            self._pending[name] = _kept(chains)

    def pop(self) -> tuple[str, int, int, Chains | None]:
        """The host whose turn it is: name, -priority and id of its first page, and the others.

        Raises IndexError when there is none.
        """
        while True:
            name = self._queue.popleft()
            stale = self._stale.get(name)
            if stale is None:
                known = self._pending.pop(name)
                if isinstance(known, int) and known >= 0:
                    return name, 0, known // _DEPTHS, None
                chains = self._chains(known)
                best = chains.best[0]
                return name, best, chains.take(1)[0], chains if chains.count else None
            if stale == 1:
                del self._stale[name]
            else:
                self._stale[name] = stale - 1

    def remove(self, name: str) -> Chains | None:
        """Takes a host out of turn; None when it is not here."""
        known = self._pending.pop(name, None)
        if known is None:
            return None
        self._stale[name] = self._stale.get(name, 0) + 1
        return self._chains(known)

    def best(self, name: str) -> int | None:
        """-priority of the host's first page; None when it is not here."""
        known = self._pending.get(name)
        if known is None:
            return None
        if isinstance(known, Chains):
            return known.best[0]
        return self._backlog.best(-1 - known)[0] if isinstance(known, int) and known < 0 else 0

    def _chains(self, known: int | bytes | Chains) -> Chains:
        if isinstance(known, Chains):
            return known
        if isinstance(known, bytes):
            return Chains(known)
        if known >= 0:
            return Chains(known.to_bytes(8, "little"))
        chains = Chains()
        for level, ids in self._backlog.chains(-1 - known):
            chains.extend(level, ids)
        self._untouched -= 1
        if not self._untouched:
            self._backlog = Backlog()
        return chains


def _one(level: Level, id: int) -> int | Chains:
    if level[0] == 0 and 0 <= level[1] < _DEPTHS:
        return id * _DEPTHS + level[1]
    chains = Chains()
    chains.append(level, id)
    return chains


def _kept(chains: Chains) -> bytes | Chains:
    return chains.run or chains
