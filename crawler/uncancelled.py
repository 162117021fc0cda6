"""Work that must not be cut short: a cancelled await does not stop its thread, which would go on writing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["uncancelled"]

T = TypeVar("T")


async def uncancelled(work: Awaitable[T], hurry: Callable[[], None] | None = None) -> T:
    """Awaits `work` to its end, also when the caller is cancelled meanwhile: that is told afterwards.

    `hurry` is called when somebody wants it cut short.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
            if hurry is not None:
                hurry()
        except BaseException:
            break
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at: the cancellation is what is told
        raise cancelled
    return task.result()
