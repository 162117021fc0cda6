"""The seeds: `sitemap_urls` and `start()` (`start_urls`), or a list of URLs, drawn ahead of the crawl to disk.

At most `commit_pages` a commit and one commit at a time: ten million seeds pass through without
filling memory, and priorities among all of them count. Until the end of `start()` is committed, a
resumed run draws it again; the frontier knows the ones it has.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from crawler.callbacks import USER_ERRORS, shown, where_of
from crawler.contracts import Outcome
from crawler.errors import CrawlerError, SpiderError
from crawler.events import PageSkipped
from crawler.hooks import HookWork
from crawler.line_reader import lines_of
from crawler.request import Request
from crawler.spider import current_work

if TYPE_CHECKING:
    from crawler.ending import End
    from crawler.engine import Engine

__all__ = ["Seeds"]


class Seeds:
    """Draws the seeds of one crawl, as a task of the engine."""

    def __init__(self, engine: Engine, urls: Iterable[str] | None) -> None:
        self._engine = engine
        self._urls = urls
        self._work = HookWork(engine)
        self._cancelled = False
        self._ordinal = -1
        self._made = 0
        self._left_out = 0
        self._why = ""
        self._again = False
        self.done = False

    def note_domain(self, url: str) -> None:
        """`self.fetch` outside of a page may go to the seeds' domains."""
        self._engine.seed_domains.add(url)

    def cancel(self) -> None:
        """Draws no more; the next run begins `start()` anew."""
        self._cancelled = True

    async def draw(self, drawn_before: bool) -> None:
        """Draws to the end, unless an earlier process did. A `start()` that raises ends the crawl."""
        engine = self._engine
        self._again = engine.known > 0
        if not drawn_before:
            current_work.set(self._work)
            try:
                await self._draw()
            except USER_ERRORS as error:
                engine.stop(self._broken(error))
                return
            if self._cancelled:
                return
            self._hand_over([], done=True)
        self.done = True
        engine.wake.set()

    async def _draw(self) -> None:
        engine = self._engine
        batch: list[tuple[int, Request]] = []
        first = True
        async for request in self._each():
            if not isinstance(request, Request):
                raise SpiderError(f"start() yielded {shown(request)}: it yields Requests")
            self._ordinal += 1
            self._made += 1
            self.note_domain(request.url)
            batch.append((self._ordinal, request))
            if first or len(batch) >= engine.settings.commit_pages:
                first = False
                self._hand_over(batch)
                batch = []
                await engine.committer.flush()
                if self._cancelled or engine.committer.error is not None:
                    return
        if batch:
            self._hand_over(batch)
            await engine.committer.flush()
        if not self._made:
            raise SpiderError(self._nothing())
        if self._left_out == self._made:
            raise SpiderError(f"all seeds ({self._made}) were left out, the first by {self._why}")

    def _hand_over(self, batch: list[tuple[int, Request]], *, done: bool = False) -> None:
        engine, work = self._engine, self._work
        outcome = Outcome(None, "none", state=work.state, counters=work.counters, cookies=work.cookies, seeds_done=done)
        work.state, work.own, work.counters, work.cookies = [], {}, {}, None
        for request, skip in engine.linker.link(None, batch, outcome):
            self._left_out += 1
            self._why = self._why or f"{skip.reason}: {skip.detail} ({request.url})"
            if self._again and skip.key in engine.notices.skips:
                continue  # an earlier process has counted it
            name = f"skipped/{skip.reason}"
            outcome.counters[name] = outcome.counters.get(name, 0) + 1
            if engine.notices.first_skip(skip):
                outcome.skips.append(skip)
                engine.emit(PageSkipped(request.url, skip.reason, skip.detail))
        outcome.counters.pop("duplicates", None)  # a seed drawn again is no duplicate of the site's
        if self._again and batch and not outcome.found and not outcome.skips:
            outcome.state, outcome.counters = [], {}  # drawn again: an earlier process has committed all of it
        outcome.size = 200 * len(outcome.found)
        engine.accept(outcome)

    async def _each(self) -> AsyncIterator[Any]:
        if self._urls is not None:
            number = 0
            async for line in lines_of(self._urls):
                number += 1
                request = self._of_line(number, line)
                if request is not None:
                    yield request
            return
        if self._engine.spider.sitemap_urls:
            from crawler.sitemaps.reading import sitemap_request  # 3 ms that few crawls need

            for url in self._engine.spider.sitemap_urls:
                yield sitemap_request(url)
        started: Any = self._engine.spider.start()
        if hasattr(started, "__aiter__"):
            async for request in started:
                yield request
        elif hasattr(started, "__iter__"):
            for request in started:
                yield request
        else:
            raise SpiderError(
                f"start() returned {shown(started)}: write it with `yield Request(url)`, or `async def` with yield"
            )

    def _of_line(self, number: int, line: str) -> Request | None:
        url = line.strip()
        if not url or url.startswith("#"):
            return None
        try:
            return Request(url)
        except ValueError as error:
            self._engine.notices.warn(f"line {number} of the URL list is left out: {error}")
            self._work.counters["skipped/bad-url"] = self._work.counters.get("skipped/bad-url", 0) + 1
            return None

    def _nothing(self) -> str:
        kind = type(self._engine.spider)
        if self._urls is not None:
            return "the URL list has no URL that can be fetched"
        if kind.start.__qualname__ == "Spider.start":
            return f"{kind.__name__} has no start_urls, no sitemap_urls and no start(): there is nothing to begin with"
        return f"{kind.__name__}.start() yielded no request: there is nothing to begin with"

    def _broken(self, error: BaseException) -> End:
        from crawler.ending import End

        if isinstance(error, CrawlerError):
            return End(str(error), 1, str(error), final=False)
        where = where_of(error)
        text = f"start() failed: {type(error).__name__}: {error}{f' at {where}' if where else ''}"
        return End(text, 1, text, final=False)
