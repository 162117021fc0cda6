"""A ceiling: so much memory is used, of so much that may be. The user's own, on the process itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Ceiling", "OwnCeiling", "Reading", "resident"]

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True, frozen=True)
class Reading:
    """Bytes used, bytes allowed, and who says so: a setting's name, or a file of the kernel."""

    used: int
    limit: int
    source: str

    @property
    def share(self) -> float:
        """The used part; 1 is the ceiling."""
        return self.used / self.limit

    def __str__(self) -> str:
        return f"{self.used / 2**20:,.0f} of {self.limit / 2**20:,.0f} MiB ({self.source})"


class Ceiling(Protocol):
    """Something that limits memory."""

    def read(self) -> Reading | None:
        """How much is used now, and allowed; None while nothing is limited or known. Cheap, never raises."""
        ...


class OwnCeiling:
    """`memory_limit`: bytes that the process itself may have resident, as `ps` and `top` show it (RSS).

    A process cannot tell how much of its resident memory is used and how much was freed and is kept by
    malloc for the next page; the watch gives that back before it judges.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def read(self) -> Reading | None:
        """The resident memory now; None where the system does not say (no /proc)."""
        used = resident()
        return Reading(used, self._limit, "memory_limit") if used else None


def resident() -> int:
    """Bytes of this process that are in memory, from /proc/self/statm (proc(5)); 0: not known here."""
    try:
        with Path("/proc/self/statm").open("rb") as statm:
            return int(statm.read().split()[1]) * _PAGE
    except OSError:
        return 0
