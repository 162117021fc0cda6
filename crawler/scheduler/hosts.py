"""A warm host: one that has something in flight, waits for a time, or has its turn soon.

All others are cold and nothing but ids (`cold.py`).
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from crawler.contracts import Entry, Level
from crawler.scheduler.chains import Chains
from crawler.scheduler.throttle import Pace

__all__ = ["Host", "HostView", "Ranked", "ranked"]

Ranked = tuple[int, int, int, int, Entry]
"""(-priority, depth, age, id, entry): compares as the order within a host."""

# Where a warm host is. The first two are "ready": it may be asked now. From ASLEEP on it stays until it is called.
RING, OVER, IDLE, BUSY, TIMED, ASLEEP, PUT_OFF, PARKED = range(8)


def ranked(entry: Entry) -> Ranked:
    """The entry with its place in the order."""
    request = entry.request
    return (-request._options.priority, request._depth, entry.age, entry.id, entry)


@dataclass(slots=True, frozen=True)
class HostView:
    """What faces see of a host that was asked in this process. Seconds."""

    name: str
    pages: int
    """Requests that ended, however."""
    errors: int
    """Those of them that were released as failed."""
    mean_seconds: float
    """From hand-out to end; what is in flight counts with its time so far, so a silent host shows."""
    in_flight: int
    pending: int
    waits: float
    """Until it may be asked again."""
    reason: str
    """Why it waits: delay, retry-after, robots, parked; or ""."""
    at_once: int = 0
    """Requests that may be under way at once; fewer than the setting where the throttle says so."""
    gap: float = 0.0
    """Between two requests, where the throttle wants one."""


class Host:
    """A warm host.

    `pending` counts all of its pages that are not in flight: `window` (the best of the chains, as
    full entries), `chains`, `back` (given back and due) and those in the timer. Whatever is in the
    chains goes after all that is in the window. `fetches` are transient and not counted.
    """

    __slots__ = (
        "active",
        "alarm",
        "answered",
        "back",
        "chains",
        "delay",
        "errors",
        "favourite",
        "fetches",
        "gap",
        "in_flight",
        "limit",
        "name",
        "next_at",
        "owed",
        "pace",
        "pages",
        "pending",
        "reason",
        "seconds",
        "sent_at",
        "where",
        "window",
    )

    def __init__(self, name: str, delay: float, next_at: float, limit: int) -> None:
        self.name = name
        self.limit = limit  # requests at once
        self.gap = 0.0  # seconds between them that the throttle wants; part of `delay`
        self.pace: Pace | None = None  # from its first answer, where the throttle is on
        self.where = IDLE
        self.active = False  # ready or in flight: it has a share of the workers
        self.in_flight = 0
        self.pending = 0
        self.owed = 0  # given back and not handed out again, timed ones included
        self.fetches: deque[Entry] = deque()
        self.back: list[Ranked] = []  # a heap
        self.window: list[Ranked] = []  # sorted, best first
        self.chains: Chains | None = None
        self.delay = delay
        self.sent_at = 0.0
        self.next_at = next_at
        self.reason = ""
        self.alarm = 0.0  # when the timer will look at it; 0: not at all
        self.answered = 0  # the number of the hand-out at which a request of it last ended
        self.favourite: int | None = None  # the list of `Favourites` that names it
        self.pages = 0
        self.errors = 0
        self.seconds = 0.0

    @property
    def has_work(self) -> bool:
        """Whether something could be handed out, were it allowed."""
        return bool(self.window or self.back or self.chains is not None or self.fetches)

    @property
    def best(self) -> int:
        """-priority of what goes next. Only for a host that has work."""
        if self.fetches:
            return -self.fetches[0].request.priority
        front = self.window[0][0] if self.window else None
        if front is None and self.chains is not None:
            front = self.chains.best[0]
        if self.back and (front is None or self.back[0][0] < front):
            front = self.back[0][0]
        assert front is not None
        return front

    def add(self, rank: Ranked, room: Callable[[], int]) -> None:
        """A new page: into the window if it is among the best `room()`, else into its chain."""
        window = self.window
        if window and rank < window[-1]:
            insort(window, rank)
            if len(window) > room():
                worst = window.pop()
                self._chains().give_back(worst[:2], worst[3])
        elif self.chains is None and len(window) < room():
            window.append(rank)
        else:
            self._chains().append(rank[:2], rank[3])

    def restore(self, level: Level, ids: Sequence[int]) -> None:
        """Pages of an earlier process, older than any that is added."""
        self._chains().extend(level, ids)

    def _chains(self) -> Chains:
        if self.chains is None:
            self.chains = Chains()
        return self.chains

    def first(self, window: bool) -> Entry | None:
        """What goes next: fetches, then the best of what was given back and, if `window`, of the window."""
        if self.fetches:
            return self.fetches[0]
        if self.back and not (window and self.window and self.window[0] < self.back[0]):
            return self.back[0][4]
        return self.window[0][4] if window and self.window else None

    def remove(self, entry: Entry) -> bool:
        """Takes out what `first` gave; True when it had been given back."""
        if self.fetches and self.fetches[0] is entry:
            self.fetches.popleft()
            return False
        self.pending -= 1
        if self.back and self.back[0][4] is entry:
            heappop(self.back)
            self.owed -= 1
            return True
        del self.window[0]
        return False

    def returned(self, entry: Entry) -> None:
        """A page that was given back is due."""
        heappush(self.back, ranked(entry))

    def drop(self, gone: Callable[[Entry], bool]) -> int:
        """Takes the pages that are gone out of the window and of what was given back; how many were given back."""
        window = [rank for rank in self.window if not gone(rank[4])]
        back = [rank for rank in self.back if not gone(rank[4])]
        owed = len(self.back) - len(back)
        self.pending -= len(self.window) - len(window) + owed
        self.owed -= owed
        heapify(back)
        self.window, self.back = window, back
        return owed

    def to_chains(self) -> Chains:
        """All its pages as ids, the window emptied. Only for a host to which nothing was given back."""
        chains = self._chains()
        for rank in reversed(self.window):
            chains.give_back(rank[:2], rank[3])
        self.window.clear()
        self.chains = None
        return chains

    def view(self, now: float) -> HostView:
        """Its numbers at this moment."""
        count = self.pages + self.in_flight
        mean = (self.seconds + self.in_flight * now) / count if count else 0.0
        waits = max(self.next_at - now, 0.0)
        reason = self.reason or "delay" if waits else ""
        if self.where in (ASLEEP, PUT_OFF):
            reason = "robots"
        elif self.where == PARKED:
            reason = f"parked: {self.reason}"
        return HostView(
            self.name,
            self.pages,
            self.errors,
            max(mean, 0.0),
            self.in_flight,
            self.pending,
            waits,
            reason,
            self.limit,
            self.gap,
        )
