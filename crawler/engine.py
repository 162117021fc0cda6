"""The loop: hand-out → ask → callback → pipelines → accept → commit.

A hand-out takes a worker permit and starts a task for the page; the page's way is `page.py`. What
may go when is the scheduler's to say, what is known the frontier's, what is durable the
committer's; here they are only brought together, and the crawl's end is found.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from crawler.asking import Asker
from crawler.callbacks import where_of
from crawler.contracts import Entry, Fetch, Fetcher, Frontier, Outcome, Recovered, StateOp
from crawler.ending import End, Limits
from crawler.errors import FetchError, StateError
from crawler.events import Event, Stopping
from crawler.flights import Flights
from crawler.hand_out import HandOut
from crawler.hooks import Hooks
from crawler.inner import InnerFetches
from crawler.middleware.retry import RetryMiddleware
from crawler.notices import Notices
from crawler.orders import Orders
from crawler.page import Page
from crawler.request import SITEMAP
from crawler.seed_domains import SeedDomains
from crawler.seeds import Seeds
from crawler.settings_values import statuses
from crawler.sitemaps.page import SitemapPage
from crawler.spider import Spider, current_work
from crawler.stages import DEDUPE, PAGE, SCHEDULE, Stages
from crawler.stopping import Stop

if TYPE_CHECKING:
    from crawler.commit import Committer
    from crawler.counts import Counts
    from crawler.fetch.cookies import Cookies
    from crawler.linking import Linker
    from crawler.near import NearDuplicates
    from crawler.pipelines import Chain
    from crawler.request import Request
    from crawler.robots import Robots
    from crawler.runs.inbox import Inbox
    from crawler.scheduler import Scheduler
    from crawler.settings import Settings
    from crawler.slots import Slots

__all__ = ["Engine"]


class Engine:
    """One crawl in this process. `run` returns how it ended; it raises only what is nobody's plan."""

    def __init__(
        self,
        spider: Spider,
        settings: Settings,
        *,
        frontier: Frontier,
        scheduler: Scheduler,
        robots: Robots,
        fetcher: Fetcher,
        cookies: Cookies,
        onion: Fetch,
        retry: RetryMiddleware,
        chain: Chain,
        linker: Linker,
        committer: Committer,
        counts: Counts,
        emit: Callable[[Event], None],
        slots: Slots,
        seeds: Iterable[str] | None,
        inbox: Inbox,
        stages: Stages,
    ) -> None:
        self.spider = spider
        self.settings = settings
        self.frontier = frontier
        self.scheduler = scheduler
        self.robots = robots
        self.fetcher = fetcher
        self.retry = retry
        self.chain = chain
        self.linker = linker
        self.committer = committer
        self.counts = counts
        self.emit = emit
        self.slots = slots
        self.stages = stages
        own = slots if spider.middlewares else None
        self.ask = Asker(onion, scheduler, emit, settings, own, stages).ask
        cookies.keep = self._keep_cookies
        self.cookies: dict[str, bytes] = {}
        """Set by answers that belong to nobody (robots.txt): they go with the next commit."""
        self.inner = InnerFetches(self)
        self.hooks = Hooks(self)
        self.seeds = Seeds(self, seeds)
        self.orders = Orders(self, inbox)
        self.limits = Limits(settings, counts)
        self.notices = Notices(counts, emit, settings.block_warning)
        self.permits = asyncio.Semaphore(settings.concurrency)
        self.wake = asyncio.Event()
        self.accepted = statuses(settings.accept_status)
        self.seed_domains = SeedDomains()
        self.hears_skipped = type(spider).skipped is not Spider.skipped
        self.paused = False
        self.open_pages = settings.open_pages  # how many pages may be open now: fewer while memory is short
        self.known = 0  # requests that were ever accepted
        self.left = 0  # pages in flight that were left: they are pending again
        self.carried: list[StateOp] = []
        """The state that an earlier run left to this one."""
        self.recheck: Callable[[Request], tuple[str, str] | None] = lambda request: None
        """The rule that leaves out a page stored under other rules (reason, detail)."""
        self.near: NearDuplicates | None = None
        """Who compares pages; None: nobody asked for it."""
        self.held: Callable[[], bool] = lambda: False
        """Whether someone downstream (a reader of `stream`) asks for a pause in handing out."""
        self.in_flight = 0
        """Pages whose callback is not finished."""
        self.flights = Flights(self._crash, self.wake.set)
        self.hand_out = HandOut(self, self._start)
        self._aside: set[asyncio.Task[None]] = set()
        self._stop = Stop(settings.grace)
        self._opened = False
        self._tasks: asyncio.TaskGroup | None = None

    # -- the run

    async def run(self, recovered: Recovered) -> End:
        """From `opened` to `closed`; the last commit is done when it returns."""
        self._restore(recovered)
        async with asyncio.TaskGroup() as tasks, self.flights:
            self._tasks = tasks
            committing = tasks.create_task(self._commit(), name="commit")
            handing_out = tasks.create_task(self._guarded(self._hand_out), name="hand-out")
            try:
                if await self._stop.patiently(self.hooks.opened()):
                    self._opened = True  # a resumed run has pages to hand out: not before `opened` is through
                    self.wake.set()
                    ordering = tasks.create_task(self._guarded(self.orders.run), name="orders")
                    draw = partial(self.seeds.draw, recovered.seeds_done)
                    drawing = tasks.create_task(self._guarded(draw), name="seeds")
                    await self._stop.known()
                    for task in (drawing, ordering):
                        task.cancel()
                    await asyncio.wait([drawing, ordering])
                await self._stop.known()
                await self._drain()
                end = await self._stop.known()  # a signal may have given it another code meanwhile
                await self._stop.patiently(self.hooks.closed(end))
                if self.committer.error is None:
                    with contextlib.suppress(Exception):  # kept in committer.error, judged below
                        await self.committer.flush()
            finally:
                handing_out.cancel()
                for task in self._aside:  # a silent robots.txt must not hold up the end, nor a fetch
                    task.cancel()
                self.committer.stop()
                await asyncio.wait([committing])
        if self.committer.error is not None:
            return End.failure(self.committer.error)
        return self.limits.judge(end)

    def _restore(self, recovered: Recovered) -> None:
        self.known = recovered.known
        self.scheduler.restore(recovered.backlog)
        for entry in recovered.returned:
            self.scheduler.give_back(entry)
        self.scheduler.restore_waits(recovered.hosts)
        if self.carried:
            self.accept(Outcome(None, "none", state=self.carried))

    async def _commit(self) -> None:
        try:
            await self.committer.run()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.stop(End.failure(error))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """A store that has failed ends the crawl in one way, whoever meets it first: its commit, a page, a refill."""
        try:
            await work()
        except StateError as error:
            self.stop(End.failure(error))

    async def _drain(self) -> None:
        """Pages in flight are finished; after a signal within `grace`. The rest stays pending."""
        while self.flights and not self._stop.impatient:
            await self.flights.wait(0.1)
        await self.flights.leave()

    # -- pages

    async def _hand_out(self) -> None:
        await self.hand_out.run(lambda origin: self._beside(self._robots(origin), f"robots {origin}"))

    def _start(self, entry: Entry, skip: str) -> None:
        """Begins what was handed out; a worker permit is taken for it."""
        if entry.id == 0:
            if skip:
                self.inner.skip(entry, skip)
                self.permits.release()
                return
            work = self.stages.drive(self._inner(entry), PAGE, self.inner.weight(entry))
            self.inner.started(entry, self._beside(work))
        elif not self.frontier.is_pending(entry):  # dropped by a command since it came into its host's window
            if not skip:
                self.scheduler.release(entry.host)
            self.permits.release()
        else:
            self.in_flight += 1
            work = self._page(entry, skip)
            self.flights.start(self.stages.drive(work, PAGE, self.stages.sample(PAGE)), entry)

    def _beside(self, work: Coroutine[Any, Any, None], name: str | None = None) -> asyncio.Task[None]:
        assert self._tasks is not None
        task = self._tasks.create_task(work, name=name)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)
        return task

    def _crash(self, error: BaseException) -> None:
        """A page's task raised: the group ends as if it were one of its own."""
        assert self._tasks is not None

        async def fall() -> None:
            raise error

        self._tasks.create_task(fall())

    async def _outcome(self, page: Page, skip: str) -> Outcome:
        try:
            return await page.finish(await page.skip(skip)) if skip else await page.work()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or (task.cancelling() and self.flights.leaving):
                self.left += 1
                raise
            while task.uncancel():  # nobody of ours cancelled the page: its own code did
                pass
            return page.unstorable(error)

    async def _inner(self, entry: Entry) -> None:
        try:
            await self.inner.work(entry)
        finally:
            self.permits.release()
            self.wake.set()

    async def _page(self, entry: Entry, skip: str) -> None:
        page = Page(self, entry) if entry.request._callback != SITEMAP else SitemapPage(self, entry)
        current_work.set(page)
        try:
            outcome = await self._outcome(page, skip)
            try:
                self.accept(outcome)
            except (TypeError, ValueError) as error:  # what the page gave cannot be stored: nothing was changed
                self.accept(page.unstorable(error))
        except StateError as error:  # as in `_guarded`; the page stays pending
            self.stop(End.failure(error))
        finally:
            self.in_flight -= 1
            page.over = True
            if page.permit:
                self.permits.release()
            self._next()

    def _next(self) -> None:
        try:
            self.hand_out.now()
        except StateError as error:  # a window is filled from the store
            self.stop(End.failure(error))

    def _keep_cookies(self, records: dict[str, bytes]) -> None:
        work = current_work.get()
        if work is None:
            self.cookies.update(records)
        else:
            work.cookies = (work.cookies or {}) | records

    async def _robots(self, origin: str) -> None:
        """A robots.txt: its host's first task, with a permit of its own."""
        for event in await self.robots.fetch(origin, self.fetcher, self.scheduler):
            self.emit(event)
        self.wake.set()

    # -- accepting

    def accept(self, outcome: Outcome) -> None:
        """An outcome enters the order of commits; what it found may be handed out from now on.

        One of a page that is not pending any more was committed already: neither log nor store sees it.
        """
        if outcome.entry is not None and outcome.entry.id and not self.frontier.is_pending(outcome.entry):
            self.counts.add({"outcomes_repeated": 1})
            return
        stages = self.stages
        before = stages.weight and stages.enter(DEDUPE)
        entries = self.frontier.accept(outcome)
        if before:
            stages.enter(SCHEDULE)
        for entry in entries:
            self.known += 1
            self._add(entry)
        if before:
            stages.leave(before)
        if outcome.entry is not None and outcome.returned is not None:
            back = outcome.entry
            back.tries, back.due = outcome.returned.tries, outcome.returned.due
            back.request = back.request._copy()
            back.request._tries = back.tries
            self.scheduler.give_back(back)
        if outcome.state:
            self.spider.state.accept(outcome.state)
        self.counts.add(outcome.counters)
        self.committer.submit(outcome)
        if outcome.entry is None:  # a page hands out by itself when it ends
            self.wake.set()

    def _add(self, entry: Entry) -> None:
        if entry.age != entry.id:
            self.scheduler.give_back(entry)
        else:
            self.scheduler.add(entry)

    def arrived(self, entries: Iterable[Entry]) -> None:
        """Entries that a store returned from its commit."""
        for entry in entries:
            self._add(entry)
        self.wake.set()

    # -- ending

    def stop(self, end: End) -> None:
        """Nothing is handed out any more; a later call with a graver end replaces the first."""
        if self._stop.because(end, in_flight=bool(self.flights)) and end.reason != "complete":
            self.emit(Stopping(end.reason))
        self.wake.set()
        if end.code == 1:
            self.inner.cancel("the crawl has failed")

    def stop_now(self) -> None:
        """A second signal: pages in flight are left; they stay pending."""
        self._stop.now()
        self.inner.cancel("the crawl was interrupted")
        self.flights.cancel()
        self.seeds.cancel()

    def stop_asked(self, reason: str, resumable: bool) -> None:
        """`self.stop` of the spider."""
        self.stop(End(f"stopped: {reason}" if reason else "stopped", 4 if resumable else 0, "", final=not resumable))

    @property
    def stopping(self) -> bool:
        """Whether nothing new is handed out any more."""
        return self._stop.end is not None

    @property
    def closed_to_pages(self) -> bool:
        """Whether only what pages in flight fetch may be handed out."""
        if self._opened and self._stop.end is None and not self.paused and not self.orders.starting:
            return self.held()
        return True

    def pages_in_flight(self) -> set[int]:
        """The ids of the pages that are worked on."""
        return self.flights.ids()

    # -- small services of a page

    def broke(self, name: str, error: BaseException) -> End:
        """The end of a crawl whose `opened` or `start` raised."""
        where = where_of(error)
        text = f"{type(error).__name__}: {error}" if not isinstance(error, FetchError) else error.message
        return End(f"{type(self.spider).__name__}.{name} failed: {text}{f' at {where}' if where else ''}", 1, "")
