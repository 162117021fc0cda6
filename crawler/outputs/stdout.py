"""`-o -`: JSON lines on standard output, for a pipe. Only what this process commits."""

from __future__ import annotations

import asyncio
import io
import os
import select
import sys
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from crawler.outputs.jsonlines import JSONLines

__all__ = ["StdoutSink"]

_PIECE = 4096  # a pipe that polls as writable takes so much without blocking (PIPE_BUF)
_TURN = 0.2  # seconds between looks at whether we should give up


class StdoutSink:
    """Writes to standard output (contracts.Sink). Raises BrokenPipeError when the reader has gone.

    A slow reader is waited for, in the sink's own thread; `give_up` ends that wait, and what was not
    taken by then is not printed.
    """

    def __init__(self, executor: Executor | None = None) -> None:
        self._executor = executor
        self._format = JSONLines()
        self._given_up = False

    async def open(self, target: str, position: bytes | None) -> None:
        """Standard output has no position to go back to."""

    async def write(self, items: Sequence[Any]) -> None:
        """Prints the items."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._write, items)

    async def flush(self) -> bytes:
        """Nothing is held back."""
        return b""

    async def close(self, complete: bool) -> None:
        """Standard output stays open: it is not ours."""

    def give_up(self) -> None:
        """Stops waiting for a reader that does not read."""
        self._given_up = True

    def _write(self, items: Sequence[Any]) -> None:
        content = self._format.encode(items)
        stream = sys.stdout
        stream.flush()
        try:
            fd = stream.fileno()
        except (io.UnsupportedOperation, AttributeError):  # a notebook's, a test's
            stream.write(content.decode())
            stream.flush()
            return
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        view = memoryview(content)
        while view and not self._given_up:
            if not poll.poll(_TURN * 1000):
                continue
            try:
                view = view[os.write(fd, view[:_PIECE]) :]
            except BlockingIOError:  # somebody made it non-blocking, and took the room before us
                continue
