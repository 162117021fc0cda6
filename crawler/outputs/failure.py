"""What can go wrong with an output, said so that the user knows what to do."""

from __future__ import annotations

import traceback
from pathlib import Path

from crawler.errors import DiskError, StateError

__all__ = ["OutputError", "PositionLost", "disk_error", "foreign_error"]


class OutputError(StateError):
    """An output cannot take an item (a column too many, a sink that raised); the item log has it."""


class PositionLost(Exception):
    """A sink cannot go back to its position: its file is gone, shorter or another one. It is written anew."""


def disk_error(path: Path | str, error: OSError, what: str = "write") -> DiskError:
    """The operating system's refusal, with the path and the mend."""
    reason = error.strerror or str(error) or type(error).__name__
    return DiskError(
        f"cannot {what} {path}: {reason}; make room or rights, then run the same command again: "
        "what was committed is safe"
    )


def foreign_error(name: str, error: Exception) -> OutputError:
    """An exception of a sink, with the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return OutputError(f"output {name} failed: {type(error).__name__}: {error}{where}")
