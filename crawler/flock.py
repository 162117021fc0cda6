"""A lock that dies with its process and is not inherited by its children: flock(2).

flock, because it also tells two crawls of one process apart. A forked child would share it, so each
child of a fork closes its copy first; programs that are started get no copy (O_CLOEXEC).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """An exclusive lock on a file, which is made if needed; held until `release`.

    Raises BlockingIOError when somebody holds it, OSError when the file cannot be opened.
    """

    def __init__(self, path: Path, mode: int = 0o600) -> None:
        self.fd = _locked(path, mode)
        _HELD.add(self)

    def release(self) -> None:
        """Gives the lock back; the file stays."""
        if self.fd >= 0:
            _HELD.discard(self)
            os.close(self.fd)
            self.fd = -1


def _locked(path: Path, mode: int) -> int:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have renamed or removed the file between our open and our lock.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), path.stat()):
                    return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


# The locks of this process, for the one thing that cannot be done through an object: the fork hook.
_HELD: set[FileLock] = set()


def _drop_in_child() -> None:
    for lock in list(_HELD):
        with contextlib.suppress(OSError):
            os.close(lock.fd)  # the lock stays with the parent's descriptor
        lock.fd = -1


os.register_at_fork(after_in_child=_drop_in_child)
