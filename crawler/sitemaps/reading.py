"""What the page of a sitemap gives: requests for the pages that it names and for further sitemaps.

A sitemap is a page of the crawl with a callback of ours: it goes through robots.txt, delays and retries, and
after a kill it is read again. It is read piece by piece; what a piece names is handed over (`page.py`) before
the next one is read, and in between others have their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from crawler.callbacks import defined_at, shown
from crawler.errors import BadResponse
from crawler.parse.sitemaps import SitemapEntry, SitemapReader, sitemaps_of_robots
from crawler.request import PLAIN, SITEMAP, Request, make
from crawler.robots import text_of
from crawler.sitemaps.body import SitemapText
from crawler.sitemaps.page import SitemapPage
from crawler.spider import current_work
from crawler.urls import absolute

if TYPE_CHECKING:
    from crawler.response import Response
    from crawler.spider import Spider

__all__ = ["read_sitemap", "sitemap_request"]

_NO_ARGUMENTS: Final[Mapping[str, Any]] = {}


def sitemap_request(url: str) -> Request:
    """The request for a sitemap, or for a robots.txt that names some. Raises ValueError for what is no URL."""
    return _request(absolute(url), 0)


async def read_sitemap(spider: Spider, response: Response) -> AsyncIterator[list[Request]]:
    """The callback of a sitemap's page: its requests, some at a time.

    Pages come through `spider.entry`; an index and a robots.txt give requests for further sitemaps. Raises
    BadResponse for a page that is no sitemap, TypeError for an `entry` that gives something else than a
    request or None.
    """
    most, level = spider._settings.sitemap_entries, response.request.depth + 1
    if _is_robots(response):
        named = sitemaps_of_robots(text_of(response.body) or "", response.url)
        if not named:
            spider.log.warning("%s names no sitemap", response.url)
        yield [_request(url, level) for url in named[:most]]
        return
    text = SitemapText(response.body, response.headers.get("Content-Type", ""), spider._settings.sitemap_bytes)
    reader = SitemapReader(response.url)
    left, cut, page = most, "", current_work.get()
    for entries in _read(reader, text):
        requests: list[Request] = []
        for entry in entries:
            left -= 1
            if left < 0:
                break
            request = spider.entry(entry)
            if request is not None:
                requests.append(_checked(request, spider))
        parts, reader.parts = reader.parts, []
        requests += [_request(part.loc, level) for part in parts[: max(left, 0)]]
        left -= len(parts)
        if requests:
            yield requests
            if isinstance(page, SitemapPage):
                await page.hand_over()
        if left < 0:
            cut = f"has more than sitemap_entries = {most} entries"
            break
        await asyncio.sleep(0)
    cut = cut or text.cut
    if not reader.kind or (cut and left == most):
        why = f"it {cut}" if cut else _what(reader)
        raise BadResponse(f"it is no sitemap: {why}", request=response.request, phase="body")
    _report(spider, response.url, reader, most - max(left, 0), cut)


def _read(reader: SitemapReader, text: SitemapText) -> Iterator[Iterable[SitemapEntry]]:
    for piece in text:
        yield reader.feed(piece)
    yield reader.close(cut=bool(text.cut))


def _checked(request: object, spider: Spider) -> Request:
    if not isinstance(request, Request):
        error = TypeError(f"entry() returned {shown(request)}: it returns a Request, or None to leave the page out")
        error.where = defined_at(spider.entry)  # type: ignore[attr-defined]  # the line for the log
        raise error
    return request


def _request(url: str, level: int) -> Request:
    """For a further sitemap: its depth is its level, which `sitemap_depth` bounds; pages begin at 0."""
    return make(url, SITEMAP, _NO_ARGUMENTS, PLAIN, level)


def _is_robots(response: Response) -> bool:
    asked = response.history[0].url if response.history else response.url
    return asked.partition("?")[0].endswith("/robots.txt")


def _what(reader: SitemapReader) -> str:
    if reader.root:
        return f"its first element is <{reader.root[:50]}>"
    return f"it begins with {reader.first_bad[:50]!r}" if reader.bad else "it has no element"


def _report(spider: Spider, url: str, reader: SitemapReader, count: int, cut: str) -> None:
    """Counts what was read, and says once a sitemap what of it was not."""
    work = current_work.get()
    if work is not None:
        told = {"sitemaps": 1, "sitemap_entries": count, "skipped/bad-url": reader.bad, "sitemaps_cut": int(bool(cut))}
        for name, n in told.items():
            if n:
                work.counters[name] = work.counters.get(name, 0) + n
    if cut:
        spider.log.warning("%s %s: what comes after that is left out", url, cut)
    if reader.bad:
        spider.log.warning("%s: entries left out, as they have no URL: %d; %r", url, reader.bad, reader.first_bad)
