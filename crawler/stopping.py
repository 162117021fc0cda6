"""That a crawl is to stop, why, and how long its last pages and hooks are waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from crawler.ending import End

__all__ = ["Stop"]


class Stop:
    """The end of one crawl, once it is known. `grace`: seconds for what is in flight after a signal."""

    def __init__(self, grace: float) -> None:
        self.end: End | None = None
        self._grace = grace
        self._known = asyncio.Event()
        self._interrupted = 0.0
        self._now = False
        self._leaves = False

    def because(self, end: End, *, in_flight: bool) -> bool:
        """Notes an end; True where it is the first. A graver one takes its place: a failure, or what cuts
        pages in flight short (a signal, and before any signal an end that leaves them)."""
        first = self.end is None
        if self.end is None or (self.end.code != 1 and (end.code == 1 or (in_flight and self._cuts(end)))):
            self.end = end
        self._leaves = self._leaves or end.leaves
        if end.interrupted and not self._interrupted:
            self._interrupted = time.monotonic()
        self._known.set()
        return first

    def now(self) -> None:
        """A second signal: nothing is waited for any more."""
        self._now = True

    async def known(self) -> End:
        """Waits for the end."""
        await self._known.wait()
        assert self.end is not None
        return self.end

    @property
    def impatient(self) -> bool:
        """Whether pages are waited for no more: it failed, they are to be left, a second signal, or `grace` is over."""
        if self._now or self._leaves or (self.end is not None and self.end.code == 1):
            return True
        return self._interrupted > 0 and time.monotonic() - self._interrupted > self._grace

    def _cuts(self, end: End) -> bool:
        return end.interrupted or (end.leaves and not self._interrupted)

    async def patiently(self, hook: Coroutine[Any, Any, bool]) -> bool:
        """Awaits a hook of the spider's; after a signal only within `grace`. False: it failed or was left."""
        task = asyncio.ensure_future(hook)
        while not task.done():
            await asyncio.wait([task], timeout=0.1)
            if self.impatient and (self._interrupted or self._now):
                task.cancel()
                await asyncio.wait([task])
        return not task.cancelled() and task.result()
