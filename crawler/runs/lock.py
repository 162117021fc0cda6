"""One process at a time: a lock that dies with its process and is not inherited by its children.

flock(2), because it also tells two crawls of one process apart. A forked child would share it, so
each child of a fork closes its copy first; programs that are started get no copy (O_CLOEXEC).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from pathlib import Path

from crawler.errors import AlreadyRunning, StateError

__all__ = ["Lock"]


class Lock:
    """An exclusive lock on a file; its content says who holds it. Use as a context manager."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self._what = what
        self._fd = -1

    def acquire(self) -> None:
        """Takes the lock. Raises AlreadyRunning with the holder's pid and host, StateError for a bad directory."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"cannot write in {self.path.parent}: {error.strerror}") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _read(fd)
            os.close(fd)
            raise AlreadyRunning(f"{self._what} is running already: {holder}; wait for it or stop it") from None
        _HELD.add(self)
        self._fd = fd
        note = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
        with contextlib.suppress(OSError):  # a full disk: the lock holds without its note
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(note).encode(), 0)

    def release(self) -> None:
        """Gives the lock back; the file stays."""
        if self._fd >= 0:
            _HELD.discard(self)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def _read(fd: int) -> str:
    try:
        note = json.loads(os.pread(fd, 1024, 0))
        return f"process {note['pid']} on {note['host']}, since {note['since']}"
    except (ValueError, KeyError, OSError):
        return "by another process"


# The locks of this process, for the one thing that cannot be done through an object: the fork hook.
_HELD: set[Lock] = set()


def _drop_in_child() -> None:
    for lock in list(_HELD):
        with contextlib.suppress(OSError):
            os.close(lock._fd)  # flock stays with the parent's descriptor
        lock._fd = -1


os.register_at_fork(after_in_child=_drop_in_child)
