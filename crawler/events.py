"""What the engine says while it works: small structs. Faces listen; nothing depends on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from crawler.contracts import ItemRecord

__all__ = [
    "CallbackFailed",
    "Committed",
    "Ended",
    "Event",
    "HostParked",
    "HostSlowed",
    "HostWaits",
    "ItemDropped",
    "PageDone",
    "PageFailed",
    "PageReturned",
    "PageSkipped",
    "Started",
    "Stopping",
    "Warned",
]


class Event(msgspec.Struct, frozen=True, gc=False):
    """Base of all events."""


class Started(Event, frozen=True, gc=False):
    """The run begins; `resumed` says whether it goes on after an earlier process."""

    spider: str
    run: str
    path: str
    resumed: bool
    note: str = ""


class PageDone(Event, frozen=True, gc=False):
    """A page was fetched and its callback finished."""

    url: str
    host: str
    status: int
    seconds: float
    bytes: int
    items: int
    requests: int
    verdict: str


class PageFailed(Event, frozen=True, gc=False):
    """A request failed for good. One line of the log."""

    url: str
    host: str
    kind: str
    message: str
    status: int = 0
    seconds: float = 0.0
    source: str = ""
    """For `self.fetch` inside a page: that page's URL."""


class PageReturned(Event, frozen=True, gc=False):
    """A page goes back to be tried again at `due` (epoch seconds)."""

    url: str
    host: str
    reason: str
    tries: int
    after: float


class PageSkipped(Event, frozen=True, gc=False):
    """A request was left out by a rule."""

    url: str
    reason: str
    detail: str = ""


class CallbackFailed(Event, frozen=True, gc=False):
    """The spider's code raised; `where` is file:line of the user's code, `traceback` starts there."""

    url: str
    callback: str
    error: str
    where: str
    traceback: str = ""


class ItemDropped(Event, frozen=True, gc=False):
    """A pipeline dropped an item."""

    url: str
    reason: str


class HostWaits(Event, frozen=True, gc=False):
    """A host asked us to wait, or its robots.txt cannot be had for now."""

    host: str
    seconds: float
    reason: str


class HostSlowed(Event, frozen=True, gc=False):
    """The throttle leaves a host alone for some seconds, and then asks it less: `at_once` requests, `gap` seconds
    apart (0: no gap)."""

    host: str
    seconds: float
    reason: str
    at_once: int
    gap: float


class HostParked(Event, frozen=True, gc=False):
    """A host is left for a later run."""

    host: str
    until: float
    reason: str


class Committed(Event, frozen=True, gc=False):
    """A group is on the disk."""

    number: int
    pages: int
    items: list[ItemRecord]
    seconds: float


class Warned(Event, frozen=True, gc=False):
    """Something the user should know, once."""

    message: str
    url: str = ""


class Stopping(Event, frozen=True, gc=False):
    """Nothing is handed out any more; what is in flight is finished."""

    reason: str


class Ended(Event, frozen=True, gc=False):
    """The run is over; `stats` are the numbers of stats.json."""

    reason: str
    exit_code: int
    stats: dict[str, Any]


Listener = Callable[[Event], None]
