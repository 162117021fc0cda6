"""Every error that a user can meet, as one tree.

CrawlerError                      has .exit_code; the door prints it as one line
├── UsageError            (2)     the command, a setting or the spider's file is wrong
│   ├── SettingsError             a key, a type or a value; names file and key
│   └── SpiderError               a spider's file or class; names file and line
├── StateError            (1)     a run's directory or files cannot be used
│   └── DiskError                 full, read-only, edited under us: says which path
├── AlreadyRunning        (75)    another process holds this run
└── FetchError                    a request failed for good: .request .phase .seconds
    ├── ConnectFailed             no connection: refused, unreachable
    │   ├── DNSFailed             the name has no address
    │   └── TLSFailed             certificate or handshake
    ├── TimedOut                  no answer within a limit; the message says which
    ├── BadResponse               what came is not HTTP, or was cut short
    ├── TooLarge                  the body or the headers went over a limit
    ├── TooManyRedirects          more hops than `redirects`
    ├── BadRedirect               Location missing, malformed or of a scheme we do not fetch
    ├── BadStatus                 a status outside `accept_status`: .response
    ├── GaveUp                    a callback raised Retry until its tries were used up
    ├── ProcessDied               the process was killed on this page `max_deaths` times
    └── Refused                   we will not ask this address

Skipped       not an error: the request was not sent, .reason says by which rule
Retry         raised by a callback or a middleware: try this page again
DropItem      raised by a pipeline: leave this item out
Missing       a ValueError: one() found nothing for .query on .url
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crawler.request import Request
    from crawler.response import Response

__all__ = [
    "AlreadyRunning",
    "BadRedirect",
    "BadResponse",
    "BadStatus",
    "ConnectFailed",
    "CrawlerError",
    "DNSFailed",
    "DiskError",
    "DropItem",
    "FetchError",
    "GaveUp",
    "Missing",
    "ProcessDied",
    "Refused",
    "Retry",
    "SettingsError",
    "Skipped",
    "SpiderError",
    "StateError",
    "TLSFailed",
    "TimedOut",
    "TooLarge",
    "TooManyRedirects",
    "UsageError",
]


class CrawlerError(Exception):
    """Base of all our errors. `exit_code` is what the process ends with when nobody catches it."""

    exit_code = 1


class UsageError(CrawlerError):
    """What the user wrote cannot be done: the message names the thing, the place and the mend."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting's key, type or value is wrong."""


class SpiderError(UsageError):
    """A spider's file or class is wrong."""


class StateError(CrawlerError):
    """A run's directory or one of its files cannot be used."""


class DiskError(StateError):
    """A write to disk failed; what was committed before is safe."""


class AlreadyRunning(CrawlerError):
    """Another process works on the same run; the message has its pid and host."""

    exit_code = 75


class FetchError(CrawlerError):
    """A request failed for good.

    `phase` is where: dns, connect, tls, send, headers, body, redirect, status, process.
    `seconds` is how long the attempt had taken.
    """

    def __init__(self, message: str, *, request: Request | None = None, phase: str = "", seconds: float = 0.0) -> None:
        super().__init__(message)
        self.message = message
        self.request = request
        self.phase = phase
        self.seconds = seconds

    @property
    def kind(self) -> str:
        """The name that counts and reports group by."""
        return type(self).__name__


class ConnectFailed(FetchError):
    """No connection could be made."""


class DNSFailed(ConnectFailed):
    """The host's name has no address."""


class TLSFailed(ConnectFailed):
    """The TLS handshake failed or the certificate is not trusted."""


class TimedOut(FetchError):
    """No answer within a time limit."""


class BadResponse(FetchError):
    """What came is not HTTP, or it was cut short."""


class TooLarge(FetchError):
    """The body or the headers are larger than a limit."""


class TooManyRedirects(FetchError):
    """More hops than `redirects` allows."""


class BadRedirect(FetchError):
    """A redirect without a usable Location."""


class BadStatus(FetchError):
    """A status outside `accept_status`; the page is in `response`."""

    def __init__(self, message: str, response: Response, *, seconds: float = 0.0) -> None:
        super().__init__(message, request=response.request, phase="status", seconds=seconds)
        self.response = response


class GaveUp(FetchError):
    """A callback or a middleware raised `Retry` until the tries were used up."""


class ProcessDied(FetchError):
    """The process died again and again while this page's code was executing; it is not tried any more."""


class Refused(FetchError):
    """An address we will not connect to."""


class Skipped(Exception):
    """A request that was not sent, by rule and not by error.

    `reason` is one of: robots, domain, depth, scheme, limit, trap, scope, duplicate.
    """

    def __init__(self, reason: str, request: Request | None = None, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.request = request
        self.detail = detail


class Retry(Exception):
    """Try this page again: `after` seconds from now (None: the retry policy says when)."""

    def __init__(self, after: float | None = None, reason: str = "") -> None:
        super().__init__(reason or "retry")
        if after is not None and (not isinstance(after, int | float) or not 0 <= after < math.inf):
            raise ValueError(f"Retry(after={after!r}): seconds, at least 0; a reason is given as reason=")
        self.after = after
        self.reason = reason
        self.error: FetchError | None = None  # what the fetch ended with, when a middleware asks
        self.response: Response | None = None


class DropItem(Exception):
    """Leave this item out of the output; it is counted by `reason`."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "dropped")
        self.reason = reason or "dropped"


class Missing(ValueError):
    """`one()` found nothing: `query` on the page `url`."""

    def __init__(self, query: str, url: str, detail: str = "") -> None:
        super().__init__(detail or f"nothing matches {query!r} on {url}")
        self.query = query
        self.url = url


def of_page(error: FetchError | Skipped, request: Request) -> FetchError:
    """What `self.fetch` raised and nobody caught, as a failure of the page that asked."""
    if isinstance(error, FetchError):
        asked = error.request.url if error.request is not None else ""
        if asked and asked != request.url and asked not in error.message:
            error.message = f"{error.message} (fetching {asked})"
        return error
    asked = error.request.url if error.request is not None else "a request"
    return FetchError(f"fetching {asked} was skipped by {error}", request=request, phase="fetch")
