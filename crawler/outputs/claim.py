"""One writer per output file: a lock on the partial file itself, which leaves no extra file behind."""

from __future__ import annotations

from pathlib import Path

from crawler.errors import AlreadyRunning
from crawler.flock import FileLock
from crawler.outputs.failure import disk_error

__all__ = ["claim"]


def claim(path: Path, output: Path) -> FileLock:
    """Holds the partial file of an output against other writers until it is released.

    Raises AlreadyRunning when somebody holds it, DiskError when it cannot be made.
    """
    try:
        return FileLock(path, 0o666)
    except BlockingIOError:
        raise AlreadyRunning(f"another crawl is writing {output}; wait for it, stop it, or name another file") from None
    except OSError as error:
        raise disk_error(path, error) from None
