"""`await self.fetch(...)`: requests whose answer belongs to the work that asked.

They are handed out like any request (a worker permit, a host permit, delay, robots) and go ahead of
new pages of their host; they are not stored, not deduplicated and not counted by `max_pages`. The
page gives its worker permit back at its first waiting fetch and takes one, before new pages, when
the last returns: with `concurrency = 1` nothing waits for itself. A retry waits in the scheduler's
timer and holds nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

from crawler.contracts import NOBODY, Entry
from crawler.errors import BadStatus, FetchError, Retry, Skipped
from crawler.events import PageFailed, PageReturned
from crawler.redirects import location_of, next_request
from crawler.spider import current_work
from crawler.urls import hostname, in_domains, registrable_domain, scheduling_host

if TYPE_CHECKING:
    from crawler.engine import Engine
    from crawler.request import Request
    from crawler.response import Response
    from crawler.spider import Work

__all__ = ["InnerFetches"]


class InnerFetches:
    """The fetches under way, each a transient entry (id 0) and the future its asker waits for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[Entry, asyncio.Future[Response]] = {}
        self._askers: dict[Entry, Work] = {}
        self._running: dict[Entry, asyncio.Task[None]] = {}
        self._ages = itertools.count(-(1 << 62))  # before all pages, and no two alike

    def __len__(self) -> int:
        return len(self._waiting)

    async def fetch(self, work: Any, request: Request) -> Response:
        """The response, redirects followed. Raises FetchError, Skipped."""
        engine = self._engine
        page = getattr(work, "entry", None)
        self._allowed(page, request)
        work.counters["fetches"] = work.counters.get("fetches", 0) + 1
        if page is not None:
            work.waiting += 1
            if work.permit:
                work.permit = False
                engine.permits.release()
                engine.wake.set()
        try:
            return await self._answer(request, page, work)
        except FetchError as error:
            work.counters["fetches_failed"] = work.counters.get("fetches_failed", 0) + 1
            source = page.request.url if page is not None else "the spider"
            status = error.response.status if isinstance(error, BadStatus) else 0
            engine.emit(
                PageFailed(
                    request.url, scheduling_host(request.url), error.kind, error.message, status, error.seconds, source
                )
            )
            raise
        finally:
            if page is not None:
                work.waiting -= 1
                if work.waiting == 0:
                    await self._take_permit(work)

    async def _take_permit(self, work: Any) -> None:
        if work.permit or work.over:
            return
        await self._engine.permits.acquire()
        if work.waiting or work.permit or work.over:  # it fetches again, or has ended, meanwhile
            self._engine.permits.release()
            self._engine.wake.set()
        else:
            work.permit = True

    async def _answer(self, request: Request, page: Entry | None, work: Work) -> Response:
        engine = self._engine
        while True:
            response = await self._send(request, page, work)
            target = location_of(response, engine.settings)
            if target is None:
                break
            request = next_request(response, target, engine.settings)
            self._allowed(page, request)
        accepted = request._options.accept_status or engine.accepted
        if response.status not in accepted and not (response.status < 400 and request._options.redirects is False):
            reason = f" {response.reason}" if response.reason else ""
            raise BadStatus(f"status {response.status}{reason}", response, seconds=response.elapsed)
        return response

    async def _send(self, request: Request, page: Entry | None, work: Work) -> Response:
        if not request.url.startswith(("http://", "https://")):
            raise Skipped("scheme", request, f"{request.url.partition(':')[0]}: is not fetched")
        key = page.key if page is not None else NOBODY  # a middleware that kills the process is charged to the asker
        entry = Entry(0, key, scheduling_host(request.url), request, next(self._ages))
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[entry] = future
        self._askers[entry] = work
        self._engine.scheduler.fetch(entry)
        self._engine.wake.set()
        try:
            return await future
        finally:
            del self._waiting[entry], self._askers[entry]
            task = self._running.pop(entry, None)
            if task is not None and future.cancelled():  # nobody waits for it: its permits go to others
                task.cancel()

    def _allowed(self, page: Entry | None, request: Request) -> None:
        """From a page to its registrable domain, else to the seeds' domains; `services` always."""
        host = hostname(request.url)
        services = self._engine.settings.services
        if in_domains(host, services):
            return
        own = {registrable_domain(hostname(page.request.url))} if page is not None else self._engine.seed_domains
        if registrable_domain(host) not in own:
            raise Skipped(
                "domain",
                request,
                f"self.fetch goes to {', '.join(sorted(own)) or 'no host yet'}; name {host} in services",
            )

    def weight(self, entry: Entry) -> int:
        """How many pages the page stands for that asked (`Stages.weight`)."""
        return getattr(self._askers.get(entry), "weight", 0)

    def started(self, entry: Entry, task: asyncio.Task[None]) -> None:
        """The engine handed an entry out: `task` works on it."""
        if entry in self._waiting:
            self._running[entry] = task

    # -- the engine's side: an entry was handed out

    async def work(self, entry: Entry) -> None:
        """One attempt of a fetch that is its host's turn."""
        future = self._waiting.get(entry)
        if future is None or future.done():
            self._engine.scheduler.release(entry.host)
            return
        current_work.set(self._askers[entry])  # this task's own context: cookies are the asker's
        try:
            response = await self._engine.ask(entry)
        except Retry as retry:
            if future.done():
                return
            if entry.tries >= self._engine.retry.retries(entry.request, retry.response):
                request, tries = entry.request, entry.tries + 1
                error = retry.error or (
                    BadStatus(f"status {retry.response.status} after {tries} tries", retry.response)
                    if retry.response is not None
                    else FetchError(f"gave up after {tries} tries: {retry.reason}", request=request, phase="fetch")
                )
                future.set_exception(error)
                return
            after = retry.after if retry.after is not None else self._engine.retry.wait(entry.tries)
            entry.tries += 1
            entry.request = entry.request._copy()
            entry.request._tries = entry.tries
            entry.due = time.time() + after
            self._engine.counts.add({"retries": 1})
            self._engine.emit(PageReturned(entry.request.url, entry.host, retry.reason, entry.tries, after))
            self._engine.scheduler.give_back(entry)
        except (FetchError, Skipped) as error:
            _fail(future, error)
        except Exception as error:  # a middleware's bug: it belongs to the callback that asked
            _fail(future, error)
        else:
            if not future.done():
                future.set_result(response)

    def skip(self, entry: Entry, reason: str, detail: str = "") -> None:
        """A rule (robots) left the fetch out at its hand-out."""
        future = self._waiting.get(entry)
        if future is not None:
            _fail(future, Skipped(reason, entry.request, detail))

    def cancel(self, reason: str) -> None:
        """Ends all that wait, with a FetchError: the crawl cannot go on."""
        for entry, future in list(self._waiting.items()):
            _fail(future, FetchError(reason, request=entry.request, phase="fetch"))


def _fail(future: asyncio.Future[Response], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
