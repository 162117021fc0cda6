"""What is said once: left-out requests, blocking callbacks, memory kept where a restart loses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crawler.events import Event, Warned

if TYPE_CHECKING:
    from crawler.contracts import Skip
    from crawler.counts import Counts

__all__ = ["Notices"]

_SKIPS = 100_000  # beyond so many different ones they are only counted


class Notices:
    """Remembers what was said. `block_warning` in seconds; 0 says nothing of blocking."""

    def __init__(self, counts: Counts, emit: Callable[[Event], None], block_warning: float) -> None:
        self._counts = counts
        self._emit = emit
        self._block_warning = block_warning
        self.skips: set[bytes] = set()
        """The page keys of requests that were listed as left out."""
        self._attributes: set[str] = set()

    def warn(self, message: str, url: str = "") -> None:
        """Says something once, in log and summary."""
        if self._counts.warn(message):
            self._emit(Warned(message, url))

    def first_skip(self, skip: Skip) -> bool:
        """Whether a left-out request is seen for the first time; beyond a bound nothing is."""
        if skip.key in self.skips or len(self.skips) >= _SKIPS:
            return False
        self.skips.add(skip.key)
        return True

    def stepped(self, name: str, seconds: float) -> None:
        """A callback held the loop for so long in one step."""
        if self._block_warning and seconds > self._block_warning:
            blocked = self._counts.blocked
            if name not in blocked:
                self.warn(
                    f"{name} held the event loop for {seconds:.2f} s: nothing else ran meanwhile; "
                    "mark it @blocking, or await what it waits for"
                )
            blocked[name] = max(seconds, blocked.get(name, 0.0))

    def attribute_changed(self, name: str, where: str) -> None:
        """A callback keeps memory on the spider that a restart would lose."""
        if name not in self._attributes:
            self._attributes.add(name)
            kept = f"self.state[{name!r}] is kept"
            self.warn(f"self.{name} is set in a callback at {where}: it is lost at a restart; {kept}")
