"""Fail points: a process is gone at its n-th step, for certain.

A step is a moment beside something that a crawl does to its files, and has a name. Between two steps
nothing is done to the disk but by the file system and SQLite themselves; the random kills test these.
"""

from __future__ import annotations

import inspect
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crawler.assembly import Assembly
from crawler.frontier import sqlite, transaction
from crawler.outputs import Outputs, log
from crawler.outputs.log import ItemLog

_Place = tuple[Any, str, str]  # owner, name of a function of it, before or after

_TORN = "in the middle of the log's write"

_COMMIT: dict[str, _Place] = {
    "before the log's write": (ItemLog, "append", "before"),
    "before the log's sync": (log, "_datasync", "before"),
    "after the log's sync": (log, "_datasync", "after"),
    "before the transaction": (sqlite, "write_group", "before"),
    "after the requests": (transaction, "_requests", "after"),
    "in the middle of the transaction": (transaction, "_write_state", "before"),
    "before the transaction's end": (transaction, "_write", "after"),
    "after the transaction": (sqlite, "write_group", "after"),
}
_END: dict[str, _Place] = {
    "before the outputs are brought to their end": (Outputs, "finish", "before"),
    "before the end is noted": (Assembly, "_note", "before"),
    "after the end is noted": (Assembly, "_note", "after"),
    "before the outputs are published": (Outputs, "publish", "before"),
    "after the outputs were published": (Outputs, "publish", "after"),
}
_FILES: dict[str, _Place] = {
    "before a directory is made": (Path, "mkdir", "before"),
    "before a sync": (os, "fsync", "before"),
    "before a link": (os, "link", "before"),
    "before a file is cut": (os, "ftruncate", "before"),
    "before a rename": (Path, "replace", "before"),
    "after a rename": (Path, "replace", "after"),
}
_PLACES = {**_COMMIT, **_END, **_FILES}

COMMIT = [*_COMMIT, _TORN]
"""The steps of a commit."""
END = list(_END)
"""The steps of a run's end, but for the outputs' own."""
FILES = list(_FILES)
"""Whatever is made: the run's directory, run.json, hash.key, slots, the heads of the files, the outputs."""


class Steps:
    """Counts steps; at the wanted one the process is gone. `at` 0: none is; each is told."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._count = 0
        self._lock = threading.Lock()

    def step(self, name: str) -> None:
        with self._lock:  # the loop's thread, the commit thread, those of the outputs
            self._count += 1
            if self._at in (0, self._count):
                os.write(2, f"step {self._count}: {name}\n".encode())
            if self._at == self._count:
                os.kill(os.getpid(), signal.SIGKILL)

    def beside(self, name: str, owner: Any, function: str, when: str) -> None:
        """A step before or after each call of a function."""
        real: Callable[..., Any] = getattr(owner, function)

        def call(*args: Any, **kwargs: Any) -> Any:
            if when == "before":
                self.step(name)
            result = real(*args, **kwargs)
            if when == "after":
                self.step(name)
            return result

        async def wait(*args: Any, **kwargs: Any) -> Any:
            if when == "before":
                self.step(name)
            result = await real(*args, **kwargs)
            if when == "after":
                self.step(name)
            return result

        setattr(owner, function, wait if inspect.iscoroutinefunction(real) else call)

    def tear(self) -> None:
        """Half of what is to be written to the log, a step, then all of it."""
        real = log._write_all

        def write(fd: int, content: bytes, position: int) -> None:
            real(fd, content[: len(content) // 2], position)
            self.step(_TORN)
            real(fd, content, position)

        log._write_all = write


def arm(at: int, names: Sequence[str]) -> None:
    """This process is killed at its `at`-th step of these names; 0: at none, and tells them."""
    steps = Steps(at)
    for name in names:
        if name == _TORN:
            steps.tear()
        else:
            steps.beside(name, *_PLACES[name])
