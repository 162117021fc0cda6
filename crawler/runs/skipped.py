"""skipped.jsonl: the requests that a rule left out, once each, up to a bound; beyond it they are counted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import msgspec

from crawler.contracts import Skip
from crawler.errors import DiskError

__all__ = ["SkippedList"]


class SkippedList:
    """Appends to the file after each commit. A list for people: a kill may repeat a line, never lose one's page.

    `limit` is how many lines the file has at most, those of earlier processes included.
    """

    def __init__(self, path: Path, limit: int = 100_000) -> None:
        self._path = path
        self._left = limit - _lines(path)
        self._file: IO[bytes] | None = None

    def add(self, skips: Iterable[Skip]) -> None:
        """Writes the skips of one commit. Raises DiskError."""
        lines = []
        for skip in skips:
            if self._left <= 0:
                break
            self._left -= 1
            line = {"url": skip.url, "reason": skip.reason, "detail": skip.detail, "parent": skip.parent}
            lines.append(msgspec.json.encode({name: value for name, value in line.items() if value}) + b"\n")
        if not lines:
            return
        try:
            if self._file is None:
                self._file = open(self._path, "ab")  # noqa: SIM115 - closed with the run
            self._file.write(b"".join(lines))
            self._file.flush()
        except OSError as error:
            raise DiskError(
                f"cannot write {self._path}: {error.strerror}; make room or rights, then run the same command again: "
                "what was committed is safe"
            ) from None

    def __enter__(self) -> SkippedList:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be flushed cannot be now
                self._file.close()
            self._file = None


def _lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    except OSError:
        return 0
