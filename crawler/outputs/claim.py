"""One writer per output file: flock(2) on the partial file itself.

It ends with its process, however that dies, leaves no extra file behind and tells two crawls of one
process apart as well. A forked child would share it, so each child of a fork closes its copy first;
programs that are started get none (O_CLOEXEC).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from pathlib import Path

from crawler.errors import AlreadyRunning
from crawler.outputs.failure import disk_error

__all__ = ["Claim"]


class Claim:
    """Holds a file, made if needed, against other writers until `release`.

    Raises AlreadyRunning when somebody holds it, DiskError when it cannot be made.
    """

    def __init__(self, path: Path, output: Path) -> None:
        self._fd = -1
        try:
            self._fd = _lock(path)
        except BlockingIOError:
            raise AlreadyRunning(
                f"another crawl is writing {output}; wait for it, stop it, or name another file"
            ) from None
        except OSError as error:
            raise disk_error(path, error) from None
        _HELD.add(self)

    def release(self) -> None:
        """Gives the file back; it stays."""
        if self._fd >= 0:
            _HELD.discard(self)
            os.close(self._fd)
            self._fd = -1


def _lock(path: Path) -> int:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
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


# The claims of this process, for the one thing that cannot be done through an object: the fork hook.
_HELD: weakref.WeakSet[Claim] = weakref.WeakSet()


def _drop_in_child() -> None:
    for claim in list(_HELD):
        with contextlib.suppress(OSError):
            os.close(claim._fd)  # the lock stays with the parent's descriptor
        claim._fd = -1


os.register_at_fork(after_in_child=_drop_in_child)
