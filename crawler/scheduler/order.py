"""Whose turn it is among the warm hosts that may be asked now.

Round robin, with two corrections. A host that holds its share of the workers stands aside (`over`)
while others can take theirs; it goes beyond the share only while it answers, so that hosts which
never answer cannot collect the workers. And one slot in eight goes to the best priority.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from heapq import heappop, heappush

from crawler.scheduler.hosts import OVER, RING, Host

__all__ = ["Favourites", "Order"]


class Order:
    """The ready hosts. `patience` is after how many hand-outs without an answer a host counts as silent."""

    def __init__(self, patience: int) -> None:
        self._ring: OrderedDict[Host, None] = OrderedDict()
        self._over: OrderedDict[Host, None] = OrderedDict()
        self._fetching: OrderedDict[Host, None] = OrderedDict()  # of the ready ones, those that have fetches
        self._owing: OrderedDict[Host, None] = OrderedDict()  # and those with pages that were given back
        self._patience = patience

    def __len__(self) -> int:
        return len(self._ring) + len(self._over)

    def enter(self, host: Host) -> None:
        """A host becomes ready and gets the last place; one that is ready keeps its place."""
        if host.where != RING and host.where != OVER:
            host.where = RING
            self._ring[host] = None
        if host.fetches:
            self._fetching[host] = None
        if host.back:
            self._owing[host] = None

    def leave(self, host: Host) -> None:
        """The host is not ready any more, or has had its turn."""
        (self._ring if host.where == RING else self._over).pop(host, None)
        if self._fetching:
            self._fetching.pop(host, None)
        if self._owing:
            self._owing.pop(host, None)

    def freed(self, host: Host, share: int) -> None:
        """A request of the host ended: it may be below its share again."""
        if host.where == OVER and host.in_flight < share:
            del self._over[host]
            host.where = RING
            self._ring[host] = None

    def next(self, share: int, turn: int) -> Host | None:
        """The host whose turn it is, left in its place; None when none of the ready ones may have more."""
        ring = self._ring
        while ring:
            host = next(iter(ring))
            if host.in_flight < share:
                return host
            del ring[host]
            host.where = OVER
            self._over[host] = None
        for host in self._over:  # at most `concurrency` of them: each has something in flight
            if host.in_flight < share or self.answers(host, turn):
                return host
        return None

    def answers(self, host: Host, turn: int) -> bool:
        """Whether the host answered lately, by the count of hand-outs."""
        return host.answered > 0 and turn - host.answered <= self._patience

    def next_fetching(self) -> Host | None:
        """A ready host that has fetches of pages in flight."""
        return next(iter(self._fetching), None)

    def next_owing(self) -> Host | None:
        """A ready host that has fetches or pages given back."""
        return next(iter(self._fetching), None) or next(iter(self._owing), None)


class Favourites:
    """Host names by the best priority they have, for the one slot in eight.

    Names are not removed when something changes; who takes one checks that it still holds. Each
    ready host stands at least once in the list of its best priority.
    """

    def __init__(self) -> None:
        self._lists: dict[int, deque[str]] = {}
        self._levels: list[int] = []  # a heap of the keys

    def push(self, level: int, name: str) -> None:
        """`level` is -priority."""
        names = self._lists.get(level)
        if names is None:
            names = self._lists[level] = deque()
            heappush(self._levels, level)
        names.append(name)

    def pop(self) -> tuple[int, str] | None:
        """Takes the next name of the best level off; None when there is none."""
        while self._levels:
            level = self._levels[0]
            names = self._lists[level]
            if names:
                return level, names.popleft()
            heappop(self._levels)
            del self._lists[level]
        return None
