"""When: the timer of hosts and of pages given back, and what of it must outlive the process.

Times are epoch seconds, so that they mean the same to the next process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from itertools import count

from crawler.contracts import Entry
from crawler.scheduler.hosts import Host

__all__ = ["Timer", "Waits", "seconds_left"]


class Timer:
    """A heap of moments. A host stands in it once (`Host.alarm`); an earlier moment replaces a later one."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Host | Entry | None]] = []
        self._numbers = count()

    def __bool__(self) -> bool:
        return bool(self._heap)

    def wait_for(self, due: float, target: Entry | None) -> None:
        """A page that is due then; None only wakes."""
        heappush(self._heap, (due, next(self._numbers), target))

    def watch(self, host: Host, due: float) -> None:
        """The host is looked at then, or before."""
        if not host.alarm or host.alarm > due:
            host.alarm = due
            heappush(self._heap, (due, next(self._numbers), host))

    def due(self, now: float) -> Iterator[Host | Entry]:
        """What has come due, oldest first."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, target = heappop(heap)
            if isinstance(target, Host):
                if target.alarm != due:
                    continue  # it was replaced by an earlier one
                target.alarm = 0.0
            if target is not None:
                yield target

    def drop(self, gone: Callable[[Entry], bool]) -> list[Entry]:
        """Takes out the pages that are gone; which they were."""
        dropped = [target for _, _, target in self._heap if isinstance(target, Entry) and gone(target)]
        if dropped:
            ids = {id(entry) for entry in dropped}
            self._heap = [moment for moment in self._heap if id(moment[2]) not in ids]
            heapify(self._heap)
        return dropped

    def is_due(self, now: float) -> bool:
        """Whether `due` would give something."""
        return bool(self._heap) and self._heap[0][0] <= now

    def next_due(self, now: float) -> float | None:
        """Seconds until the next moment, at least 0; None when there is none."""
        return max(self._heap[0][0] - now, 0.0) if self._heap else None


class Waits:
    """The moments that changed since the last commit, by host: what a restart must know."""

    def __init__(self) -> None:
        self._changed: dict[str, float] = {}

    def note(self, host: str, next_at: float) -> None:
        """The host may not be asked before."""
        self._changed[host] = next_at

    def take(self, now: float) -> dict[str, tuple[float, float]]:
        """Host to (now, seconds left), where any are left. What was taken before is not repeated."""
        changed, self._changed = self._changed, {}
        return {host: (now, at - now) for host, at in changed.items() if at > now}


def seconds_left(hosts: Mapping[str, tuple[float, float]], now: float) -> dict[str, float]:
    """What is left of committed waits, where anything is.

    Never more than was left then, whatever the clock did since: min(left, stamp + left - now).
    """
    left = {host: min(seconds, stamp + seconds - now) for host, (stamp, seconds) in hosts.items()}
    return {host: seconds for host, seconds in left.items() if seconds > 0}
