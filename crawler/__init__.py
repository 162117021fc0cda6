"""crawler: a web crawler framework on asyncio and aiohttp. Crash-exact, polite, fast.

The public names, stable; what is not here is private. They are imported when first used, so that
`crawler --help` does not pay for a parser and an HTTP client.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crawler.contracts import Fetch, Middleware, Sink
    from crawler.errors import (
        AlreadyRunning,
        BadRedirect,
        BadResponse,
        BadStatus,
        ConnectFailed,
        CrawlerError,
        DNSFailed,
        DropItem,
        FetchError,
        GaveUp,
        Missing,
        Refused,
        Retry,
        SettingsError,
        Skipped,
        SpiderError,
        StateError,
        TimedOut,
        TLSFailed,
        TooLarge,
        TooManyRedirects,
    )
    from crawler.parse.sitemaps import SitemapEntry
    from crawler.pipelines import Context, Pipeline
    from crawler.request import CommonArgs, Request, RequestArgs
    from crawler.response import Response
    from crawler.runner import Crawl, run, run_sync, stream
    from crawler.runs.run import Run
    from crawler.settings import Settings, SettingsDict
    from crawler.sitemaps.spider import SitemapSpider
    from crawler.spider import Callback, Errback, Result, Spider, Yields, blocking
    from crawler.state import State

__version__ = "0.1.0"

__all__ = [
    "AlreadyRunning",
    "BadRedirect",
    "BadResponse",
    "BadStatus",
    "Callback",
    "CommonArgs",
    "ConnectFailed",
    "Context",
    "Crawl",
    "CrawlerError",
    "DNSFailed",
    "DropItem",
    "Errback",
    "Fetch",
    "FetchError",
    "GaveUp",
    "Middleware",
    "Missing",
    "Pipeline",
    "Refused",
    "Request",
    "RequestArgs",
    "Response",
    "Result",
    "Retry",
    "Run",
    "Settings",
    "SettingsDict",
    "SettingsError",
    "Sink",
    "SitemapEntry",
    "SitemapSpider",
    "Skipped",
    "Spider",
    "SpiderError",
    "State",
    "StateError",
    "TLSFailed",
    "TimedOut",
    "TooLarge",
    "TooManyRedirects",
    "Yields",
    "__version__",
    "blocking",
    "run",
    "run_sync",
    "stream",
]

_HOMES = {
    "crawler.contracts": ("Fetch", "Middleware", "Sink"),
    "crawler.errors": (
        "AlreadyRunning", "BadRedirect", "BadResponse", "BadStatus", "ConnectFailed", "CrawlerError", "DNSFailed",
        "DropItem", "FetchError", "GaveUp", "Missing", "Refused", "Retry", "SettingsError", "Skipped", "SpiderError",
        "StateError", "TLSFailed", "TimedOut", "TooLarge", "TooManyRedirects",
    ),
    "crawler.pipelines": ("Context", "Pipeline"),
    "crawler.parse.sitemaps": ("SitemapEntry",),
    "crawler.request": ("CommonArgs", "Request", "RequestArgs"),
    "crawler.response": ("Response",),
    "crawler.runner": ("Crawl", "run", "run_sync", "stream"),
    "crawler.runs.run": ("Run",),
    "crawler.settings": ("Settings", "SettingsDict"),
    "crawler.sitemaps.spider": ("SitemapSpider",),
    "crawler.spider": ("Callback", "Errback", "Result", "Spider", "Yields", "blocking"),
    "crawler.state": ("State",),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'crawler' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
