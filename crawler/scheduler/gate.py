"""The gate: what a page must pass before it is handed out. `Robots` is one."""

from __future__ import annotations

from typing import Final, Protocol

from crawler.contracts import Entry

__all__ = ["GO", "LATER", "WAIT", "Gate"]

GO: Final = "go"
"""The page may be sent."""
WAIT: Final = "wait"
"""Not known yet: the host sleeps until `Scheduler.wake`."""
LATER: Final = "later"
"""Not known, and not asked for either, since the gate is full: the host is put off until it is not."""


class Gate(Protocol):
    """Says whether a page may go, without waiting; it notes by itself what it must find out first."""

    @property
    def full(self) -> bool:
        """Whether as much is being found out as may be: `check` of an unknown origin would be LATER."""
        ...

    def check(self, entry: Entry) -> str:
        """GO, WAIT or LATER; anything else is the reason for which the page is skipped."""
        ...
