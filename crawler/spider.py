"""`Spider`: what a user subclasses, and the little that its methods need of the engine."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar

from yarl import URL

from crawler.arguments import convert
from crawler.contracts import Middleware, Sink, StateOp
from crawler.errors import SpiderError
from crawler.request import Request, RequestArgs
from crawler.state import State

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault
    from typing_extensions import Unpack

    from crawler.errors import FetchError
    from crawler.parse.sitemaps import SitemapEntry
    from crawler.pipelines.chain import Context, Pipeline
    from crawler.response import Response
    from crawler.settings import Settings, SettingsDict

    T = TypeVarWithDefault("T", default=Any)
else:
    T = TypeVar("T")

__all__ = ["Callback", "Errback", "Result", "Spider", "Work", "Yields", "blocking", "current_work"]

Yields: TypeAlias = AsyncIterator[Request | T | Iterable[Request | T] | AsyncIterable[Request | T]]
"""A callback's annotation: `Yields`, or `Yields[Book]` for its items."""

Result: TypeAlias = AsyncIterable[Any] | Iterable[Any] | Awaitable[Iterable[Any] | None] | None
"""What a callback may return: an (async) generator, an iterable, a coroutine of one, None."""

Callback: TypeAlias = Callable[[Any], Result]
Errback: TypeAlias = Callable[[Request, "FetchError"], Result]


class Work(Protocol):
    """What runs at the moment: a page's callback, `start`, `opened` or `closed`."""

    counters: dict[str, int]
    cookies: dict[str, bytes] | None
    state: list[StateOp]
    own: dict[str, Any]

    async def fetch(self, request: Request) -> Response:
        """A request whose answer belongs to this work."""
        ...

    def stop(self, reason: str, resumable: bool) -> None:
        """Ends the crawl after what is in flight."""
        ...

    def changed(self, name: str, where: str) -> None:
        """A public attribute of the spider was set at `where` (file:line)."""
        ...


current_work: ContextVar[Work | None] = ContextVar("crawler_work", default=None)


class Spider:
    """A crawl: where to begin, and what to make of each page.

    Class attributes describe it (`name`, `start_urls`, `sitemap_urls`, `allowed_domains`, `settings`). Annotated
    public attributes of a subclass are its arguments: `-a url=…` on the command line,
    `Site(url="…")` in Python. Other attributes are configuration; what must be remembered across
    pages goes through `self.state`.
    """

    name: ClassVar[str] = ""
    start_urls: Sequence[str] = ()
    sitemap_urls: Sequence[str] = ()
    allowed_domains: Sequence[str] = ()
    settings: ClassVar[SettingsDict] = {}
    outputs: Sequence[Sink] = ()
    middlewares: Sequence[Middleware] = ()
    pipelines: Sequence[Pipeline | Callable[[Any, Context], Any]] = ()
    log: logging.Logger
    state: State
    _settings: Settings  # those in force, for methods of ours; set before the crawl begins

    def __init__(self, **args: object) -> None:
        object.__setattr__(self, "state", State(current_work))
        object.__setattr__(self, "log", logging.getLogger(f"crawler.spider.{self.name or type(self).__name__}"))
        for name, value in convert(type(self), args).items():
            setattr(self, name, value)

    def start(self) -> AsyncIterable[Request] | Iterable[Request]:
        """The seeds. Drawn lazily and ahead of the crawl, to disk; drawn again until its end is committed."""
        return (Request(url) for url in self.start_urls)

    def parse(self, response: Response, /) -> Result:
        """Gets the responses of requests without a callback."""
        raise SpiderError(f"{type(self).__name__} has no method parse(self, response); write one or name a callback")

    def entry(self, entry: SitemapEntry, /) -> Request | None:
        """The request for a page that a sitemap of `sitemap_urls` names; None leaves it out."""
        return Request(entry.loc)

    def _sitemap(self, response: Response, /) -> Result:
        from crawler.sitemaps.reading import read_sitemap  # above this room: for the crawls that have sitemaps

        return read_sitemap(self, response)

    def opened(self) -> Awaitable[None] | None:
        """Called once per process, before anything else."""

    def closed(self, reason: str, /) -> Awaitable[None] | None:
        """Called once per process, at the end; `reason` says why it ended."""

    def failed(self, request: Request, error: FetchError, /) -> Result:
        """Called for a request that failed for good and has no errback; may yield items and requests."""
        return None

    def skipped(self, request: Request, reason: str, /) -> Result:
        """Called for a request that a rule left out (robots, domain, depth, scheme, limit)."""
        return None

    async def fetch(self, request: str | URL | Request, **args: Unpack[RequestArgs]) -> Response:
        """Asks for a page in the middle of a callback; the answer belongs to the page that asks.

        Obeys robots.txt, delays and limits like any request; follows redirects in place; is not
        deduplicated and not counted by `max_pages`. Raises FetchError (failed for good), Skipped
        (left out by a rule).
        """
        work = current_work.get()
        if work is None:
            raise RuntimeError(f"{type(self).__name__}.fetch works in the callbacks of a crawl that runs")
        made = Request(str(request), **args) if not isinstance(request, Request) else request
        return await work.fetch(made.replace(**args) if args and made is request else made)

    def stop(self, reason: str, *, resumable: bool = False) -> None:
        """Ends the crawl: pages in flight are finished and committed.

        `resumable`: the run is not over, the next one goes on (exit code 4).
        """
        work = current_work.get()
        if work is None:
            raise RuntimeError(f"{type(self).__name__}.stop works in the callbacks of a crawl that runs")
        work.stop(reason, resumable)

    def count(self, name: str, n: int = 1) -> None:
        """Adds to a number of your own, shown in stats and report; committed with the page."""
        work = current_work.get()
        if not isinstance(n, int) or abs(n) >= 1 << 53:
            raise ValueError(f"count({name!r}, {n!r:.40}): a whole number below 2**53")
        if work is not None:
            key = f"user/{name}"
            work.counters[key] = work.counters.get(key, 0) + n

    def __setattr__(self, name: str, value: object) -> None:
        """Says once, with the line, when a callback keeps memory that a restart would lose."""
        work = current_work.get()
        if work is not None and not name.startswith("_"):
            frame = inspect.currentframe()
            caller = frame.f_back if frame is not None else None
            where = f"{caller.f_code.co_filename}:{caller.f_lineno}" if caller is not None else "?"
            work.changed(name, where)
        object.__setattr__(self, name, value)


F = TypeVar("F", bound=Callable[..., Any])


def blocking(callback: F) -> F:
    """Marks a synchronous callback for the thread pool: it may block without stopping the crawl."""
    callback._crawler_blocking = True  # type: ignore[attr-defined]
    return callback
