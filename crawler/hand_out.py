"""Handing out: which page goes now, when to look again, and when there is nothing left to do.

A page that ends hands out the next one itself (`now`), without a turn of the loop. The task `run` is there
for all that no page's end brings about: a time that comes, a robots.txt to be fetched, a commit, the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from crawler.ending import End
from crawler.stages import CLAIM

if TYPE_CHECKING:
    from crawler.contracts import Entry
    from crawler.engine import Engine
    from crawler.scheduler import Mode

__all__ = ["HandOut"]

_LONGEST = 1.0  # seconds between two looks, whatever is known to come
_AWAKE = float("-inf")  # nothing comes earlier: what comes is seen before `run` sleeps


class HandOut:
    """Gives worker permits to the pages whose turn it is. `start(entry, skip)` begins one and has its permit."""

    def __init__(self, engine: Engine, start: Callable[[Entry, str], None]) -> None:
        self._engine = engine
        self._start = start
        self._limits = engine.limits
        self._looks_at = _AWAKE  # when `run` looks by itself (monotonic seconds)

    async def run(self, fetch_robots: Callable[[str], object]) -> None:
        """Hands out until it is cancelled. `fetch_robots(origin)` begins to get a robots.txt."""
        engine, wake, stages = self._engine, self._engine.wake, self._engine.stages
        while True:
            wake.clear()
            self._looks_at = _AWAKE
            weight = stages.sample(CLAIM)
            if weight:
                stages.begin(CLAIM, weight)
            self._look_for_end()
            self._fill()
            if weight:
                stages.end()
            for origin in engine.robots.wanted():
                fetch_robots(origin)
            self._look_for_end()
            seconds = self._seconds_to_sleep()
            self._looks_at = time.monotonic() + seconds
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await wake.wait()

    def now(self) -> None:
        """A page has ended: starts what goes in its place, and has `run` look where that is not all."""
        engine = self._engine
        before = engine.stages.weight and engine.stages.enter(CLAIM)
        reached = self._limits.reached()
        if reached is not None:
            engine.stop(reached)
        self._fill()
        if before:
            engine.stages.leave(before)
        if len(engine.flights) < 2 or engine.robots.asks or self._due_earlier():  # the page itself is still among them
            engine.wake.set()

    def _fill(self) -> None:
        permits, scheduler = self._engine.permits, self._engine.scheduler
        while not scheduler.still and not permits.locked():
            handout = scheduler.take(self._mode())
            if handout is None:
                break
            _take_permit(permits)
            self._start(handout.entry, handout.skip)

    def _mode(self) -> Mode:
        """What may be handed out: all, only what pages in flight are owed, or only their fetches."""
        engine = self._engine
        if engine.closed_to_pages:
            return "fetches"
        in_flight = engine.in_flight
        if in_flight >= engine.open_pages or engine.committer.full:
            return "fetches"
        return "owed" if self._limits.pages_full(in_flight) else "all"

    def _seconds_to_sleep(self) -> float:
        engine = self._engine
        due, robots_due = engine.scheduler.next_due(), engine.robots.next_due()
        nearest = min(_LONGEST if due is None else due, _LONGEST if robots_due is None else robots_due, _LONGEST)
        return max(min(nearest, self._limits.seconds_left()), 0.0)

    def _due_earlier(self) -> bool:
        """Whether something comes before `run` looks again."""
        due = self._engine.scheduler.next_due()
        return due is not None and time.monotonic() + due < self._looks_at

    def _look_for_end(self) -> None:
        engine = self._engine
        if engine.stopping:
            return
        reached = self._limits.reached()
        if reached is not None:
            engine.stop(reached)
        elif not engine.flights and not len(engine.inner) and not engine.paused and not engine.orders.busy:
            scheduler, settled = engine.scheduler, engine.seeds.done and engine.robots.idle
            if self._limits.pages_full(0) and not scheduler.owed:
                engine.stop(self._limits.at_max_pages())
            elif settled and scheduler.pending == 0:
                engine.stop(End("complete", 0, "all pages are done"))
            elif settled and scheduler.only_parked:
                engine.stop(End.parked(scheduler.parked(), time.time()))


def _take_permit(permits: asyncio.Semaphore) -> None:
    """Takes a permit that is free: `acquire` waits only where none is."""
    try:
        permits.acquire().send(None)
    except StopIteration:
        return
