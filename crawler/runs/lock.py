"""One process at a time works on the runs of a spider with its arguments; the lock says who does."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path

from crawler.errors import AlreadyRunning, StateError
from crawler.flock import FileLock

__all__ = ["Lock"]


class Lock:
    """An exclusive lock on a file; its content says who holds it. Use as a context manager."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self._what = what
        self._lock: FileLock | None = None

    def acquire(self) -> None:
        """Takes the lock. Raises AlreadyRunning with the holder's pid and host, StateError for a bad directory."""
        try:
            self._lock = FileLock(self.path)
        except BlockingIOError:
            raise AlreadyRunning(f"{self._what} is running already: {self._holder()}; wait for it or stop it") from None
        except OSError as error:
            raise StateError(
                f"cannot write in {self.path.parent}: {error.strerror}; "
                "make room or rights, or name another place with --runs-dir"
            ) from None
        note = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
        with contextlib.suppress(OSError):  # a full disk: the lock holds without its note
            os.ftruncate(self._lock.fd, 0)
            os.pwrite(self._lock.fd, json.dumps(note).encode(), 0)

    def release(self) -> None:
        """Gives the lock back; the file stays."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _holder(self) -> str:
        try:
            note = json.loads(self.path.read_bytes()[:1024])
            return f"process {note['pid']} on {note['host']}, since {note['since']}"
        except (ValueError, KeyError, OSError):
            return "by another process"

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
