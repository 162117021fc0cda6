"""Files that are there whole, also after a power cut: the two moves that everything on disk is made of."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["sync_directory", "write_whole"]


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Writes a file so that it is there whole or not at all; `mode` as for open(2). Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)  # half a file would only take room on a disk that has none
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes names in a directory durable: create and rename are only that after it is synced."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
