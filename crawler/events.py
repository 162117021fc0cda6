"""What the engine says while it works: small dataclasses. Faces listen; nothing depends on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crawler.contracts import ItemRecord

__all__ = [
    "CallbackFailed",
    "Committed",
    "Ended",
    "Event",
    "HostParked",
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


@dataclass(slots=True, frozen=True)
class Event:
    """Base of all events."""


@dataclass(slots=True, frozen=True)
class Started(Event):
    """The run begins; `resumed` says whether it goes on after an earlier process."""

    spider: str
    run: str
    path: str
    resumed: bool
    note: str = ""


@dataclass(slots=True, frozen=True)
class PageDone(Event):
    """A page was fetched and its callback finished."""

    url: str
    host: str
    status: int
    seconds: float
    bytes: int
    items: int
    requests: int
    verdict: str


@dataclass(slots=True, frozen=True)
class PageFailed(Event):
    """A request failed for good. One line of the log."""

    url: str
    host: str
    kind: str
    message: str
    status: int = 0
    seconds: float = 0.0
    source: str = ""
    """For `self.fetch` inside a page: that page's URL."""


@dataclass(slots=True, frozen=True)
class PageReturned(Event):
    """A page goes back to be tried again at `due` (epoch seconds)."""

    url: str
    host: str
    reason: str
    tries: int
    after: float


@dataclass(slots=True, frozen=True)
class PageSkipped(Event):
    """A request was left out by a rule."""

    url: str
    reason: str
    detail: str = ""


@dataclass(slots=True, frozen=True)
class CallbackFailed(Event):
    """The spider's code raised; `where` is file:line of the user's code, `traceback` starts there."""

    url: str
    callback: str
    error: str
    where: str
    traceback: str = ""


@dataclass(slots=True, frozen=True)
class ItemDropped(Event):
    """A pipeline dropped an item."""

    url: str
    reason: str


@dataclass(slots=True, frozen=True)
class HostWaits(Event):
    """A host asked us to wait, or its robots.txt cannot be had for now."""

    host: str
    seconds: float
    reason: str


@dataclass(slots=True, frozen=True)
class HostParked(Event):
    """A host is left for a later run."""

    host: str
    until: float
    reason: str


@dataclass(slots=True, frozen=True)
class Committed(Event):
    """A group is on the disk."""

    number: int
    pages: int
    items: list[ItemRecord]
    seconds: float


@dataclass(slots=True, frozen=True)
class Warned(Event):
    """Something the user should know, once."""

    message: str
    url: str = ""


@dataclass(slots=True, frozen=True)
class Stopping(Event):
    """Nothing is handed out any more; what is in flight is finished."""

    reason: str


@dataclass(slots=True, frozen=True)
class Ended(Event):
    """The run is over; `stats` are the numbers of stats.json."""

    reason: str
    exit_code: int
    stats: dict[str, Any]


Listener = Callable[[Event], None]
