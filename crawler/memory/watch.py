"""Looks at memory once a second, sooner while it grows fast, and acts before the kernel does.

From 80 % of a ceiling on fewer pages are in flight: a share of `concurrency` that shrinks to one page
at 95 %, and doubles back while usage is below 75 %. At 95 % the crawl commits what it has and ends, to
be resumed: pages in flight are left, they stay pending. Before each of these garbage is collected and
freed memory is given back, so that neither happens for memory that nobody uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from crawler.ending import End
from crawler.memory.ceiling import Ceiling, OwnCeiling, Reading
from crawler.memory.cgroup import group_ceilings
from crawler.memory.malloc import release

if TYPE_CHECKING:
    from crawler.engine import Engine
    from crawler.settings import Settings

__all__ = ["Watch", "watching"]

EASY, SHORT, OUT = 0.75, 0.80, 0.95
_SECONDS, _SOON = 1.0, 0.05  # between looks, at most and at least; a look costs 20 to 100 µs
_REST = 10  # a look that had to clear up is followed by a pause so many times as long, up to _SECONDS


class Watch:
    """Compares usage with the ceilings; the one that is nearest counts.

    `open_pages` is how many pages may be open while memory is plenty, `concurrency` what the share is of
    while it is short. `hold(pages)` is told how many may be open from now on, `warn(sentence)` once when
    memory gets short, `end(end)` once when it is out.
    """

    def __init__(
        self,
        ceilings: Sequence[Ceiling],
        *,
        concurrency: int,
        open_pages: int,
        hold: Callable[[int], None],
        warn: Callable[[str], None],
        end: Callable[[End], None],
        clear: Callable[[], None] = release,
    ) -> None:
        self._ceilings = ceilings
        self._concurrency = concurrency
        self._plenty = open_pages
        self._hold = hold
        self._warn = warn
        self._end = end
        self._clear = clear
        self._pages = open_pages
        self._told = False
        self._before: tuple[float, float] | None = None  # the last look: when, which share
        self._growth = 0.0  # of the share, a second
        self.over = False

    async def run(self) -> None:
        """Looks until memory is out."""
        wait = self.look()
        while not self.over:
            await asyncio.sleep(wait)
            wait = self.look()

    def look(self) -> float:
        """One look; returns the seconds until the next one."""
        now = self._nearest()
        if now is None:
            return _SECONDS
        if now.share < SHORT:
            if now.share < EASY:
                self._allow(min(self._pages * 2, self._plenty))
            return self._until(now.share)
        begin = time.monotonic()
        if now.share >= OUT or self._pages == self._plenty:
            self._clear()
            now = self._nearest() or now
        if now.share >= OUT:
            self._stop(now)
        elif now.share >= SHORT:
            self._shorten(now)
        return min(max(_SOON, _REST * (time.monotonic() - begin)), _SECONDS)

    def _until(self, share: float) -> float:
        """Half the seconds in which memory gets short if it goes on growing as it lately did."""
        now, before = time.monotonic(), self._before
        self._before = (now, share)
        if before is None:
            return _SOON
        grown = (share - before[1]) / max(now - before[0], 1e-3)
        self._growth = max(grown, self._growth / 2)
        return min(max((SHORT - share) / max(self._growth, 1e-9) / 2, _SOON), _SECONDS)

    def _nearest(self) -> Reading | None:
        readings = [reading for ceiling in self._ceilings if (reading := ceiling.read()) is not None]
        return max(readings, key=lambda reading: reading.share, default=None)

    def _shorten(self, now: Reading) -> None:
        left = (OUT - now.share) / (OUT - SHORT)
        self._allow(min(self._pages, max(1, round(self._concurrency * left))))
        if not self._told:
            self._told = True
            self._warn(f"memory is short, {now}: fewer pages are in flight until it is below {EASY:.0%}")

    def _allow(self, pages: int) -> None:
        if pages != self._pages:
            self._pages = pages
            self._hold(pages)

    def _stop(self, now: Reading) -> None:
        self.over = True
        reason = f"memory is out, {now}: raise the limit or lower concurrency, and run it again to go on"
        self._end(End(reason, 4, reason, final=False, leaves=True))


@asynccontextmanager
async def watching(settings: Settings, engine: Engine) -> AsyncIterator[None]:
    """Watches the memory of a crawl beside it: `memory_limit` and the limits of the control groups."""
    ceilings = group_ceilings()
    if settings.memory_limit is not None:
        own = OwnCeiling(settings.memory_limit)
        if own.read() is None:
            engine.notices.warn("memory_limit is not watched: this system has no /proc/self/statm")
        ceilings.append(own)

    def hold(pages: int) -> None:
        engine.open_pages = pages
        engine.wake.set()

    watch = Watch(
        ceilings,
        concurrency=settings.concurrency,
        open_pages=settings.open_pages,
        hold=hold,
        warn=engine.notices.warn,
        end=engine.stop,
    )
    task = asyncio.create_task(watch.run(), name="memory") if ceilings else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
