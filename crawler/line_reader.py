"""Lines of a blocking source (a file, standard input) for the loop, as they come.

A thread of its own reads: a slow producer behind `--urls -` must not stop the crawl, and each of its
lines is taken up at once. At most a thousand lines wait.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Iterable

__all__ = ["lines_of"]

_WAITING = 1000


class _End:
    def __init__(self, error: Exception | None) -> None:
        self.error = error


async def lines_of(source: Iterable[str]) -> AsyncIterator[str]:
    """The lines one by one. Raises what reading raised."""
    lines: queue.Queue[str | _End] = queue.Queue(_WAITING)
    left = threading.Event()
    loop = asyncio.get_running_loop()
    some = asyncio.Event()

    def put(line: str | _End) -> None:
        while not left.is_set():
            try:
                lines.put(line, timeout=0.2)
            except queue.Full:
                continue
            if not some.is_set():
                loop.call_soon_threadsafe(some.set)
            return

    def read() -> None:
        error: Exception | None = None
        try:
            for line in source:
                put(line)
                if left.is_set():
                    return
        except Exception as raised:
            error = raised
        put(_End(error))

    # A daemon: nobody can wake a thread that waits for a terminal's next line.
    threading.Thread(target=read, name="lines", daemon=True).start()
    try:
        while True:
            some.clear()
            while not lines.empty():
                line = lines.get_nowait()
                if isinstance(line, _End):
                    if line.error is not None:
                        raise line.error
                    return
                yield line
            if lines.empty():
                await _set_or_there(some, lines)
    finally:
        left.set()


async def _set_or_there(some: asyncio.Event, lines: queue.Queue[str | _End]) -> None:
    """Waits for the thread's word; looks again now and then, for a line that came just before the wait."""
    while lines.empty():
        some.clear()  # a word that came for a line that was taken already would spin here without a pause
        try:
            async with asyncio.timeout(0.1):
                await some.wait()
        except TimeoutError:
            continue
