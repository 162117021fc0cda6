"""A lock that dies with its process and is not inherited by its children: flock(2).

flock, because it also tells two crawls of one process apart. A forked child would share it, so each
child of a fork closes its copy first; programs that are started get no copy (O_CLOEXEC).

An flock can be tried, never looked at, and who tries it holds it for an instant, in which a crawl that
starts would be refused. So the holder also puts an open file description lock on the file (fcntl(2),
F_OFD_SETLK), which dies with the same descriptor and which F_OFD_GETLK tells of without taking anything.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from pathlib import Path

__all__ = ["FileLock", "is_held"]


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


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock on a file; False where there is no such file. Takes nothing.

    It sees holders in other containers too, which /proc/locks does not. Raises OSError for a file that
    cannot be opened.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if _LOOK is None:
            return not _try_for_an_instant(fd)
        kind: int = struct.unpack(_RANGE, fcntl.fcntl(fd, _LOOK, _WHOLE_FILE))[0]
        return kind != fcntl.F_UNLCK
    finally:
        os.close(fd)


# struct flock (type, whence, start, length, pid) in the machine's own layout; length 0 is the whole file.
_RANGE = "hhqqi0q"
_WHOLE_FILE = struct.pack(_RANGE, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_LOOK: int | None = getattr(fcntl, "F_OFD_GETLK", None)  # Linux; elsewhere the lock is tried
_MARK: int | None = getattr(fcntl, "F_OFD_SETLK", None)


def _mark(fd: int) -> None:
    """What `is_held` looks at. A file system without such locks leaves its holders unseen, not unlocked."""
    if _MARK is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, _MARK, _WHOLE_FILE)


def _try_for_an_instant(fd: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    return False


def _locked(path: Path, mode: int) -> int:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have renamed or removed the file between our open and our lock.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), path.stat()):
                    _mark(fd)
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
