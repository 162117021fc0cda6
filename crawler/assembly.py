"""Picks the parts, opens them in order, and sees the run to its end on disk.

The end of a run: pages drained and committed, `closed`, the last commit, outputs caught up and
flushed, "ended" committed with their cursors, outputs renamed, "published" committed. A kill
between any two of these leaves a run that the next start brings to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from crawler.arguments import convert
from crawler.canonical import CanonicalRules
from crawler.commit import Committer
from crawler.contracts import Entry, Frontier, Group
from crawler.counts import Counts, HostStats, Stats, stats_json
from crawler.durable import write_whole
from crawler.ending import End
from crawler.engine import Engine
from crawler.errors import CrawlerError, UsageError
from crawler.events import Committed, Event, Started
from crawler.events import Ended as EndedEvent
from crawler.fetch import AiohttpFetcher
from crawler.frontier import MemoryFrontier, SQLiteFrontier
from crawler.frontier.fingerprint import VERSION, Fingerprinter
from crawler.frontier.waiting import MethodsGone
from crawler.linking import Linker
from crawler.memory import keep_freed, watching
from crawler.middleware import RetryMiddleware, wrap
from crawler.near import NearDuplicates
from crawler.outputs import ItemLog, Outputs, check_target
from crawler.pipelines import Chain
from crawler.recording import Recording, carried_state, scope_settings, skipped_length
from crawler.robots import Robots
from crawler.runs.choose import Choice, Ended, Wanted, choose
from crawler.runs.directory import RunDirectory, find, spider_directory
from crawler.runs.filesystem import check_local
from crawler.runs.identity import Identity, code_digest, hash_key, is_file, key_digest, seeds_name, target_of
from crawler.runs.inbox import Inbox
from crawler.runs.intact import check_intact
from crawler.runs.lock import Lock
from crawler.runs.run import Run
from crawler.runs.skipped import SkippedList
from crawler.scheduler import Scheduler
from crawler.scope import Scope, all_domains
from crawler.settings import Settings
from crawler.settings_layers import resolve
from crawler.settings_values import statuses
from crawler.slots import Slots, read_slots
from crawler.spider import Spider
from crawler.spider_check import check_seeds, lacks, made, methods_gone
from crawler.stages import COMMIT, MeasuredThreads, Stages
from crawler.state import decode_value

if TYPE_CHECKING:
    from crawler.settings import SettingsDict

__all__ = ["Assembly"]


class Assembly:
    """One run's parts. `open` raises CrawlerError for what is wrong before the crawl begins."""

    def __init__(
        self,
        spider_class: type[Spider],
        args: dict[str, Any],
        settings: SettingsDict | Settings | None,
        outputs: Iterable[Any],
        urls: Iterable[str] | None,
        emit: Callable[[Event], None],
        *,
        run: str = "",
        retry_failed: bool = False,
    ) -> None:
        self._run: RunDirectory | None = None
        self._retry_failed = retry_failed
        if isinstance(settings, Settings):
            self.settings = settings
        else:
            self.settings = resolve(spider_class, overrides=dict(settings or {})).settings
        if run:
            self._run = find(Path(self.settings.runs_dir), run)
            if self._run.identity.spider == spider_class.name:  # `choose` says what is wrong with another's
                args = args or self._run.identity.args
        self.spider = made(spider_class, args)
        self.spider._settings = self.settings
        self._seeds = seeds_name(urls) if urls is not None else self._run.identity.seeds if self._run else ""
        self._args = convert(spider_class, args)
        self._emit = emit
        self._urls = urls
        self._targets = [*outputs, *self.settings.output, *self.spider.outputs]
        self._stack = AsyncExitStack()
        self.counts = Counts()
        self._stages = Stages()
        self.engine: Engine | None = None
        self._state = "starting"
        self._end: End | None = None
        self._choice: Choice | None = None
        for target in self._targets:
            if isinstance(target, str):
                check_target(target, self.settings)
        statuses(self.settings.accept_status)
        check_seeds(self.spider, urls is not None)
        self._domains = all_domains(spider_class.__name__, self.spider.allowed_domains, self.settings)

    # -- opening

    async def open(self) -> None:
        """Takes the lock, chooses the run, opens store, log, outputs and session."""
        stack = self._stack
        try:
            await self._open(stack)
        except BaseException:
            await stack.aclose()
            raise

    async def _open(self, stack: AsyncExitStack) -> None:
        settings, spider = self.settings, self.spider
        keep_freed(settings.malloc_keep)
        rules = CanonicalRules.from_settings(settings)
        runs_dir = Path(settings.runs_dir) if self._run is None else self._run.path.parent.parent
        if settings.frontier != "memory":
            check_local(runs_dir, settings.durability)
        spider_dir = spider_directory(runs_dir, spider.name)
        identity = Identity(
            "", spider.name, self._args, 0.0, VERSION, rules.as_dict(), code_digest(type(spider)), self._seeds,
            target=target_of(type(spider)),
        )  # fmt: skip
        stack.enter_context(Lock(spider_dir / f"{identity.digest}.lock", f"spider {spider.name!r}"))
        key = hash_key(spider_dir)
        identity = msgspec.structs.replace(identity, key=key_digest(key))
        scope = scope_settings(settings, self._domains)
        self._choice = choice = choose(spider_dir, Wanted(identity, self._run, self._retry_failed, scope), settings)
        self._recording = Recording(choice.directory.identity.id, identity.code, scope)
        self.directory = directory = choice.directory
        if choice.resumed and choice.publish_only is None:
            check_intact(directory, key, settings.durability)
        self._thread = MeasuredThreads(1, "commit", self._stages, COMMIT)
        stack.callback(self._thread.shutdown)
        self._frontier = self._new_frontier(choice)
        stack.push_async_callback(self._frontier.close)
        try:
            self._recovered = recovered = await self._frontier.open()
        except MethodsGone as error:
            raise methods_gone(spider, error, directory.path) from None
        if self._urls is not None and not is_file(self._urls):
            recovered.seeds_done = False  # whether it is the same list is not known: what it has is asked for once
        if directory.identity.seeds and self._urls is None and not recovered.seeds_done:
            raise UsageError(f"run {directory.identity.id} has not read its seeds to their end: give its --urls again")
        self._slots = Slots(None if settings.frontier == "memory" else directory.slots)
        stack.callback(self._slots.close)
        self._log = ItemLog(directory.log)  # synced by every commit, also when relaxed: docs/decisions/0005
        stack.callback(self._log.close)
        self._log.cut(recovered.log_end)
        self.counts.restore(recovered.counters, recovered.meta.get("said"))
        spider.state.data = {key: decode_value(raw) for key, raw in recovered.state.items()}
        cursors = {
            name.removeprefix("output/"): raw for name, raw in recovered.meta.items() if name.startswith("output/")
        }
        self._outputs = Outputs(directory.log, self._targets, settings, directory.path, cursors, self._stages)
        await self._outputs.start(recovered.log_end)
        stack.push_async_callback(self._outputs.close)
        self._skipped = stack.enter_context(SkippedList(directory.skipped, skipped_length(recovered.meta)))
        fetcher = await stack.enter_async_context(AiohttpFetcher(settings, stages=self._stages))
        fetcher.cookies.restore(recovered.cookies)
        self._wire(fetcher, Fingerprinter(key, rules))

    def _new_frontier(self, choice: Choice) -> Frontier:
        if self.settings.frontier == "memory":
            return MemoryFrontier()
        return SQLiteFrontier(
            choice.directory.frontier,
            durable=self.settings.durability == "strict",
            executor=self._thread,
            died=read_slots(choice.directory.slots),
            take_up=choice.take_up,
            gone=partial(lacks, self.spider) if choice.resumed and choice.publish_only is None else None,
        )

    def _wire(self, fetcher: AiohttpFetcher, fingerprinter: Fingerprinter) -> None:
        settings, spider = self.settings, self.spider
        robots = Robots(settings)
        scheduler = Scheduler(settings, self._frontier.bodies, gate=robots)
        retry = RetryMiddleware(settings)
        scope = Scope(settings, self._domains, self.counts.tally)
        self._committer = Committer(
            self._frontier, self._log, self._thread, settings,
            number=self._recovered.commit, list_skips=self._skipped.append,
            prepare=self._recording.prepare, committed=self._committed, stages=self._stages,
        )  # fmt: skip
        self.engine = Engine(
            spider, settings,
            frontier=self._frontier, scheduler=scheduler, robots=robots, fetcher=fetcher, cookies=fetcher.cookies,
            onion=wrap(fetcher, [retry, *spider.middlewares]), retry=retry, chain=Chain(spider.pipelines),
            linker=Linker(fingerprinter, scope, self._frontier, settings, self._skipped.differing, self._stages),
            committer=self._committer, counts=self.counts, emit=self.emit, slots=self._slots, seeds=self._urls,
            inbox=Inbox(self.directory), stages=self._stages,
        )  # fmt: skip
        self.engine.notices.skips = self._skipped.told
        self._recording.begin(
            self._recovered, self.counts, self._outputs, fetcher.cookies, self.engine.cookies, robots, scheduler
        )
        if settings.near_duplicates is not None:
            near = NearDuplicates(settings.near_duplicates, self._recovered.meta)
            self.engine.near = self._recording.near = near
        if self._choice is not None and self._choice.resumed:
            self.engine.recheck = scope.refuses_stored
        if self._choice is not None and self._choice.before is not None:
            self.engine.carried = carried_state(self._choice.before.frontier)
        fetcher.seed_domains = self.engine.seed_domains  # where the settings' cookies go; grows as seeds come
        for url in [*spider.start_urls, *(f"http://{domain}/" for domain in self._domains)]:
            self.engine.seeds.note_domain(url)

    def give_up(self) -> None:
        """A second signal: nothing is waited for, neither pages nor a reader of standard output."""
        if self.engine is not None:
            self.engine.stop_now()
            self._outputs.give_up()

    # -- running

    async def run(self) -> Run:
        """Crawls to the end. A failure of the disk or of an output is an end with code 1, not an exception."""
        assert self._choice is not None
        try:
            self._state = "running"
            identity = self.directory.identity
            self.emit(
                Started(
                    self.spider.name, identity.id, str(self.directory.path), self._choice.resumed, self._note_of_start()
                )
            )
            if self._choice.publish_only is not None:
                ended = self._choice.publish_only
                end = await self._settle(
                    End(ended.reason, ended.code, ended.reason, limit=ended.limit, value=ended.value)
                )
            else:
                end = await self._settle(await self._crawl())
            stats = self._write_stats(end)
            self.emit(EndedEvent(end.reason, end.code, stats_json(stats)))
        finally:
            await self._stack.aclose()
        return Run(
            identity.id,
            self.directory.path,
            self._state,
            end.reason,
            end.code,
            stats,
            self.directory.log,
            self._log.end,
        )

    def _note_of_start(self) -> str:
        """Why this run, and what was taken up again."""
        assert self._choice is not None
        note, taken = self._choice.note, getattr(self._frontier, "taken_up", 0)
        if self._retry_failed and not taken:
            return f"{note}; it has no failed request to try again"
        pages = "1 failed page is" if taken == 1 else f"{taken:,} failed pages are"
        return f"{note}; {pages} taken up again" if taken else note

    async def _crawl(self) -> End:
        assert self.engine is not None
        async with self._writing_outputs(self.engine), watching(self.settings, self.engine):
            with self._stages.running():
                return await self.engine.run(self._recovered)

    @contextlib.asynccontextmanager
    async def _writing_outputs(self, engine: Engine) -> AsyncIterator[None]:
        """The projections catch up beside the crawl; one that cannot be written ends it."""

        async def write() -> None:
            try:
                await self._outputs.run()
            except CrawlerError as error:
                engine.stop(End.failure(error))
            except BrokenPipeError:
                engine.stop(End("standard output was closed", 4, "standard output was closed", final=False))

        writing = asyncio.create_task(write(), name="outputs")
        try:
            yield
        finally:
            self._outputs.stop()
            await asyncio.wait([writing])
            if not writing.cancelled() and writing.exception() is not None:
                writing.result()

    async def _settle(self, end: End) -> End:
        """After the last page's commit: outputs, the end's record, publication."""
        if end.code == 1 and self._committer.error is not None:
            return end
        try:
            await self._outputs.finish(self._log.end)
        except BrokenPipeError:
            end = End("standard output was closed", 4, "", final=False)
        except CrawlerError as error:
            end = End.failure(error)
        try:
            record = msgspec.msgpack.encode(Ended(end.code, end.reason, end.limit, end.value))
            if not end.final or end.code not in (0, 3):
                await self._note({"stopped": record})
                return replace(end, final=False)
            await self._note({"ended": record})
            await self._outputs.publish()
            self._write_stats(end)  # before the run is over: no later start would mend it
            await self._note({"published": b"1"})
        except CrawlerError as error:
            return End.failure(error)
        return end

    def _write_stats(self, end: End) -> Stats:
        self._end, self._state = end, "ended" if end.final else "stopped"
        stats = self.stats()
        with contextlib.suppress(OSError):  # a full disk: the end has been said and committed already
            write_whole(self.directory.stats, msgspec.json.format(msgspec.json.encode(stats_json(stats))) + b"\n")
        return stats

    async def _note(self, meta: dict[str, bytes]) -> None:
        """A commit of named values alone, when the committer's task has ended."""
        number = self._committer.number + 1
        group = Group(number, [], self._log.end)
        self._recording.prepare(group)
        group.meta.update(meta)
        await self._frontier.commit(group)
        self._committer.number = number

    # -- the committer's and the faces' side

    def _committed(self, group: Group, arrived: list[Entry], seconds: float) -> None:
        assert self.engine is not None
        self._outputs.notify(group.log_end)
        items = [item for outcome in group.outcomes for item in outcome.items]
        pages = sum(1 for outcome in group.outcomes if outcome.entry is not None)
        self.emit(Committed(group.number, pages, items, seconds))
        if arrived:
            self.engine.arrived(arrived)
        self.engine.wake.set()

    def emit(self, event: Event) -> None:
        """Events for the faces; a face that raises is a bug of ours and ends the crawl."""
        self._emit(event)

    def _robots_count(self) -> dict[str, int]:
        fetched = self.engine.robots.fetched if self.engine is not None else 0
        return {"robots": fetched} if fetched else {}

    def stats(self) -> Stats:
        """The numbers at this moment."""
        counts, engine = self.counts, self.engine
        now, mean = counts.rates()
        scheduler = engine.scheduler if engine is not None else None
        end = self._end
        state = self._state
        if engine is not None and state == "running":
            state = "stopping" if engine.stopping else "paused" if engine.paused else state
        return Stats(
            spider=self.spider.name,
            run=self.directory.identity.id if self._choice else "",
            path=str(self.directory.path) if self._choice else "",
            state=state,
            reason=end.reason if end else "",
            exit_code=end.code if end else None,
            started=counts.started,
            seconds=counts.seconds,
            counters=dict(sorted({**counts.total, **self._robots_count()}.items())),
            pages_per_second=now,
            pages_per_second_mean=mean,
            pending=scheduler.pending + engine.left if scheduler and engine else 0,
            in_flight=engine.in_flight if engine else 0,
            known=engine.known if engine else 0,
            hosts=_slowest(scheduler.hosts()) if scheduler else [],
            examples=dict(counts.examples),
            outputs=self._outputs.states() if self._choice else {},
            warnings=list(counts.warnings),
            callbacks_blocked=dict(counts.blocked),
            stages=self._stages.report(counts.here.get("responses", 0)),
        )


def _slowest(hosts: Iterable[Any]) -> list[HostStats]:
    views = [
        HostStats(h.name, h.pages, h.errors, h.mean_seconds, h.in_flight, h.pending, h.waits, h.reason) for h in hosts
    ]
    return sorted(views, key=lambda view: view.mean_seconds, reverse=True)[:20]
