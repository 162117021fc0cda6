"""Cold hosts: those of which only ids are kept, one dict entry and one place in a queue each.

With a single page a cold host costs about 140 bytes, its name included (benchmarks/scheduler.py), so
a crawl may know millions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from crawler.contracts import Level
from crawler.scheduler.chains import Chains

__all__ = ["Cold"]

_DEPTHS = 256


class Cold:
    """Hosts of which only ids are kept, in the order of their turns.

    A host with one page of priority 0 is an int, id * 256 + depth; any other its `Chains`. The queue
    may hold a name that was taken out of turn; `_stale` says how many of its places to pass over.
    """

    def __init__(self) -> None:
        self._pending: dict[str, int | Chains] = {}
        self._queue: deque[str] = deque()
        self._stale: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, name: str) -> bool:
        return name in self._pending

    def __iter__(self) -> Iterator[str]:
        return iter(self._pending)

    def append(self, name: str, level: Level, id: int) -> None:
        """Adds a page; a host that is new gets the last place."""
        known = self._pending.get(name)
        if known is None:
            self._queue.append(name)
            self._pending[name] = _packed(level, id)
        else:
            self._unpacked(name, known).append(level, id)

    def extend(self, name: str, level: Level, ids: Sequence[int]) -> None:
        """Adds pages, oldest first."""
        if len(ids) == 1:
            self.append(name, level, ids[0])
        elif ids:
            known = self._pending.get(name)
            if known is None:
                self._queue.append(name)
                known = self._pending[name] = Chains()
            self._unpacked(name, known).extend(level, ids)

    def put(self, name: str, chains: Chains) -> None:
        """A host that was warm gets the last place."""
        self._queue.append(name)
        if chains.count == 1:
            level = chains.best
            self._pending[name] = _packed(level, chains.take(1)[0])
        else:
            self._pending[name] = chains

    def pop(self) -> tuple[str, int, int, Chains | None]:
        """The host whose turn it is: name, -priority and id of its first page, and the others.

        Raises IndexError when there is none.
        """
        while True:
            name = self._queue.popleft()
            stale = self._stale.get(name)
            if stale is None:
                known = self._pending.pop(name)
                if isinstance(known, int):
                    return name, 0, known // _DEPTHS, None
                best = known.best[0]
                return name, best, known.take(1)[0], known if known.count else None
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
        return _chains(known)

    def best(self, name: str) -> int | None:
        """-priority of the host's first page; None when it is not here."""
        known = self._pending.get(name)
        if known is None:
            return None
        return 0 if isinstance(known, int) else known.best[0]

    def _unpacked(self, name: str, known: int | Chains) -> Chains:
        if isinstance(known, int):
            known = self._pending[name] = _chains(known)
        return known


def _packed(level: Level, id: int) -> int | Chains:
    if level[0] == 0 and 0 <= level[1] < _DEPTHS:
        return id * _DEPTHS + level[1]
    chains = Chains()
    chains.append(level, id)
    return chains


def _chains(known: int | Chains) -> Chains:
    if isinstance(known, Chains):
        return known
    chains = Chains()
    chains.append((0, known % _DEPTHS), known // _DEPTHS)
    return chains
