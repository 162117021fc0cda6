"""The pages in flight: each a task of its own, so that what a callback sets in its context stays with its page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from crawler.contracts import Entry

__all__ = ["Flights"]


class Flights:
    """Used as `async with Flights(broke) as flights`: whatever is left at its end is cancelled and waited for.

    A TaskGroup does as much for twice the callbacks a task. `broke(error)` is told what a page's task
    raised: a page's own failures are outcomes, so that is a bug of ours. `all_landed()`: none is in flight now.
    """

    def __init__(self, broke: Callable[[BaseException], None], all_landed: Callable[[], None]) -> None:
        self._broke = broke
        self._all_landed = all_landed
        self._entries: dict[asyncio.Task[None], Entry] = {}
        self.leaving = False
        """Pages are cancelled by us from now on: they stay pending."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.leave()

    def __len__(self) -> int:
        return len(self._entries)

    def start(self, work: Coroutine[Any, Any, None], entry: Entry) -> None:
        """Begins the work on a page."""
        task = self._loop.create_task(work)
        self._entries[task] = entry
        task.add_done_callback(self._landed)

    def ids(self) -> set[int]:
        """The pages that are worked on."""
        return {entry.id for entry in self._entries.values()}

    def cancel(self) -> None:
        """Tells all to leave off; they stay pending."""
        self.leaving = True
        for task in self._entries:
            task.cancel()

    async def wait(self, seconds: float) -> None:
        """Waits until all have ended, but no longer than that."""
        if self._entries:
            await asyncio.wait(self._entries, timeout=seconds)

    async def leave(self) -> None:
        """Cancels what is left until all have ended: user code may catch a cancellation."""
        self.leaving = True
        while self._entries:
            self.cancel()
            await self.wait(1)

    def _landed(self, task: asyncio.Task[None]) -> None:
        del self._entries[task]
        if not self._entries:
            self._all_landed()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broke(error)
