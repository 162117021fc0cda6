"""skipped.jsonl: the requests that a rule left out, once each, up to a bound; beyond it they are counted.

Each line is one object: `url`, `reason`, `detail`, `parent` (the page it was on) and `key`, the page key
in hexadecimal digits. The file is written before the transaction of its commit, which records its
length, and cut back to that at a start: as exact as the items, but that a power cut may take its end.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from crawler.contracts import Skip
from crawler.errors import DiskError

__all__ = ["OTHER_ARGUMENTS", "SkippedList"]

OTHER_ARGUMENTS = "duplicate with arguments"
"""The reason of a link to a known page that names another callback or other arguments."""

_LIMIT = 100_000  # lines


class _Line(msgspec.Struct, omit_defaults=True):
    url: str
    reason: str
    detail: str = ""
    parent: str = ""
    key: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


class SkippedList:
    """The writer. `recorded` is the length of the last commit, in bytes; None where none was recorded.

    `told` and `differing` are the page keys that it has lines of: of those left out, and of links with
    other arguments. Raises DiskError.
    """

    def __init__(self, path: Path, recorded: int | None = None) -> None:
        self.told: set[bytes] = set()
        self.differing: set[bytes] = set()
        self._path = path
        self._fd = -1
        self._left = _LIMIT
        try:
            self.length = self._take_up(recorded)
        except OSError as error:
            raise self._refused(error, "read") from None

    def append(self, skips: Iterable[Skip]) -> int:
        """Writes the skips of one commit; the file's length after them, in bytes."""
        lines = []
        for skip in skips:
            if self._left <= 0:
                break
            self._left -= 1
            lines.append(_encode(_Line(skip.url, skip.reason, skip.detail, skip.parent, skip.key.hex())) + b"\n")
        if lines:
            try:
                if self._fd < 0:
                    self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
                view = memoryview(b"".join(lines))
                while view:
                    written = os.pwrite(self._fd, view, self.length)
                    view, self.length = view[written:], self.length + written
            except OSError as error:
                raise self._refused(error, "write") from None
        return self.length

    def __enter__(self) -> SkippedList:
        return self

    def __exit__(self, *error: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take_up(self, recorded: int | None) -> int:
        """Cuts off what was not committed, and reads who is listed."""
        if not self._path.exists():
            return 0
        length = self._path.stat().st_size
        if recorded is not None and recorded < length:
            os.truncate(self._path, recorded)
            length = recorded
        with self._path.open("rb") as file:
            for raw in file:
                try:
                    line = _decode(raw)
                    key = bytes.fromhex(line.key)
                except ValueError:  # a list for people, who may have edited it
                    continue
                self._left -= 1
                if key:
                    (self.differing if line.reason == OTHER_ARGUMENTS else self.told).add(key)
        return length

    def _refused(self, error: OSError, what: str) -> DiskError:
        return DiskError(
            f"cannot {what} {self._path}: {error.strerror}; make room or rights, then run the same command again: "
            "what was committed is safe"
        )
