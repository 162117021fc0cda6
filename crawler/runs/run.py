"""`Run`: what a crawl leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from crawler.counts import Stats

__all__ = ["Run"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """A run that came to its end, or to a stop.

    `state` is "ended" or "stopped" (resumable); `exit_code` as in docs/exit-codes.md.
    """

    id: str
    path: Path
    state: str
    reason: str
    exit_code: int
    stats: Stats
    log: Path
    log_end: int

    def items(self, type: type[T] | Any = Any) -> Iterator[T]:
        """The items of the whole run, earlier processes included, read from its log.

        `type` is what they are decoded to (a dataclass, a Struct, dict). Raises msgspec.ValidationError
        where an item does not fit it, StateError where the log was changed.
        """
        from crawler.outputs.log import read_frames

        for frame in read_frames(self.log, 0, self.log_end):
            for record in frame.records:
                yield msgspec.msgpack.decode(record.raw, type=type)
