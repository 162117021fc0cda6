"""`Crawl`, `run`, `run_sync`, `stream`: a spider and settings become a run.

Nothing here is global: several crawls go side by side in one loop, each with its own parts, and no
config file, environment variable or signal handler is touched unless asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, cast

from crawler.assembly import Assembly
from crawler.counts import Stats
from crawler.ending import End
from crawler.events import Committed, Event, Listener
from crawler.no_gc import rare_gc
from crawler.runs.run import Run
from crawler.terminal.face import Face
from crawler.terminal.keeper import LogKeeper

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from crawler.contracts import Sink
    from crawler.settings import Settings, SettingsDict
    from crawler.spider import Spider

    T = TypeVar("T", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["Crawl", "run", "run_blocking", "run_sync", "stream"]


class Crawl(Generic[T]):
    """The handle of one crawl.

    `async with Crawl(Books) as crawl: run = await crawl.wait()`, or `async for item in crawl` for
    the items, each after its commit. Left early, the crawl stops gracefully and can be resumed.

    `settings` is a Settings, or a dict of the ones that differ from the defaults (the spider's own
    come in between). `output` is a file name or a sink, or several. `urls` replaces the spider's
    seeds. `run` names the run to go on with (id, spider/id, path, "last"), with its arguments where none
    are given; `retry_failed` takes up its failed requests again (without `run`, those of the last one).
    Raises CrawlerError (its subclasses) for what is wrong before the crawl begins.
    """

    def __init__(
        self,
        spider: type[Spider] | str,
        *,
        args: Mapping[str, object] | None = None,
        settings: SettingsDict | Settings | None = None,
        output: str | Sink | Sequence[str | Sink] = (),
        items: type[T] | None = None,
        urls: Iterable[str] | None = None,
        run: str = "",
        retry_failed: bool = False,
        listeners: Sequence[Listener] = (),
        signals: bool = False,
    ) -> None:
        if isinstance(spider, str):
            from crawler.loading import load

            spider = load(spider)
        outputs = [output] if isinstance(output, str) or not isinstance(output, Sequence) else list(output)
        self._listeners = [*listeners]
        keeps_log = any(isinstance(listener, Face) for listener in listeners)
        self._signals = signals
        self._assembly = Assembly(
            spider, dict(args or {}), settings, outputs, urls, self._emit, run=run, retry_failed=retry_failed
        )
        if not keeps_log:
            self._listeners.append(LogKeeper(self._assembly.settings, spider.name))
        self._task: asyncio.Task[Run] | None = None
        self._items: deque[Any] = deque()
        self._more = asyncio.Event()
        self._reading: bool | None = None  # None: nobody has said yet whether items are read
        self._interrupted = 0
        self._handlers = contextlib.ExitStack()
        self._stop_early: End | None = None

    async def __aenter__(self) -> Crawl[T]:
        self._handlers.enter_context(self._handling_signals())
        try:
            await self._assembly.open()
        except BaseException:
            self._handlers.close()
            raise
        if self._assembly.engine is not None:
            self._assembly.engine.held = self._reader_is_behind
        if self._stop_early is not None:  # a signal while all was being opened
            self._end(self._stop_early)
        self._task = asyncio.create_task(self._run(), name="crawl")
        self._task.add_done_callback(lambda _: self._more.set())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        assert self._task is not None
        if not self._task.done():
            self._end(End("left early", 4, "left early", final=False))
        while not self._task.done():
            try:
                await asyncio.shield(self._task)
            except asyncio.CancelledError:
                if self._task.cancelled():
                    break
                self._end_now()
            except BaseException:
                break
        if kind is None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def wait(self) -> Run:
        """Waits for the end. Raises what broke the crawl only when it is a bug of ours."""
        assert self._task is not None, "use `async with Crawl(...) as crawl`"
        if self._reading is None:
            self._reading = False
            self._items.clear()
        return await asyncio.shield(self._task)

    async def __aiter__(self) -> AsyncIterator[T]:
        assert self._task is not None, "use `async with Crawl(...) as crawl`"
        if self._reading is False:
            raise RuntimeError("read the items from the beginning: `async for` before `wait`, and without a long pause")
        self._reading = True
        while True:
            while self._items:
                yield cast("T", self._items.popleft())
                if len(self._items) == _BEHIND // 2:
                    self._wake()
            if self._task.done():
                self._task.result()
                return
            self._more.clear()
            await self._more.wait()

    def stop(self, reason: str = "") -> None:
        """Ends the crawl: what is in flight is finished and committed; the next run goes on."""
        self._end(End(f"stopped: {reason}" if reason else "stopped", 4, "", final=False))

    def pause(self) -> None:
        """Hands out nothing more until `resume`."""
        self._paused(True)

    def resume(self) -> None:
        """Goes on after `pause`."""
        self._paused(False)

    def stats(self) -> Stats:
        """The numbers at this moment."""
        return self._assembly.stats()

    # -- inside

    async def _run(self) -> Run:
        with self._handlers:
            return await self._assembly.run()

    def _emit(self, event: Event) -> None:
        if self._reading is not False and isinstance(event, Committed):
            self._items.extend(record.item for record in event.items)
            self._more.set()
            if self._reading is None and len(self._items) > _BEHIND:
                self._reading = False
                self._items.clear()
        for listener in self._listeners:
            listener(event)

    def _reader_is_behind(self) -> bool:
        return self._reading is True and len(self._items) > _BEHIND

    def _wake(self) -> None:
        if self._assembly.engine is not None:
            self._assembly.engine.wake.set()

    def _paused(self, paused: bool) -> None:
        if self._assembly.engine is not None:
            self._assembly.engine.paused = paused
            self._assembly.engine.wake.set()

    def _end(self, end: End) -> None:
        if self._assembly.engine is not None:
            self._assembly.engine.stop(end)
        else:
            self._stop_early = end

    def _end_now(self) -> None:
        self._assembly.give_up()

    @contextlib.contextmanager
    def _handling_signals(self) -> Any:
        if not self._signals:
            yield
            return
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)  # leaves Python's own handlers,
                if handler is not None:  # which are not those of whoever embeds the crawl
                    signal.signal(number, handler)

    def _signalled(self, number: signal.Signals) -> None:
        self._interrupted += 1
        if self._interrupted == 1:
            self._end(End.signal(number.name, 128 + number))
        elif self._interrupted == 2:
            self._end_now()
        else:  # some code does not let itself be cancelled; what is committed is safe in any case
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


_BEHIND = 10_000  # items that wait for a reader of the stream before handing out pauses


async def run(spider: type[Spider] | str, **crawl: Any) -> Run:
    """Runs a spider to its end; takes the arguments of `Crawl`."""
    async with Crawl(spider, **crawl) as handle:
        return await handle.wait()


def run_sync(spider: type[Spider] | str, **crawl: Any) -> Run:
    """`run` for code without an event loop."""
    return run_blocking(Crawl(spider, **crawl))


def run_blocking(crawl: Crawl[Any], beside: Callable[[Crawl[Any]], Awaitable[None]] | None = None) -> Run:
    """Runs a prepared crawl in a loop of its own; uvloop where it is installed and wanted.

    `beside` is run next to it (a view of it) and cancelled when the crawl has ended.
    """

    async def main() -> Run:
        async with crawl:
            watching = asyncio.ensure_future(beside(crawl)) if beside is not None else None
            try:
                return await crawl.wait()
            finally:
                if watching is not None:
                    watching.cancel()
                    await asyncio.wait([watching])
                    if not watching.cancelled():
                        watching.result()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:  # a notebook's cell, a web handler: the crawl gets a thread and a loop of its own
        with ThreadPoolExecutor(1, thread_name_prefix="crawl") as thread:
            return thread.submit(_run_in_new_loop, main, crawl).result()
    return _run_in_new_loop(main, crawl)


def _run_in_new_loop(main: Callable[[], Coroutine[Any, Any, Run]], crawl: Crawl[Any]) -> Run:
    factory = None
    if crawl._assembly.settings.uvloop:
        with contextlib.suppress(ImportError):
            import uvloop

            factory = uvloop.new_event_loop
    try:
        with rare_gc(), asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())
    except RuntimeError as error:
        # Ctrl-C in the moment before our handlers are there: uvloop cannot close the loop it has just begun.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


async def stream(spider: type[Spider] | str, **crawl: Any) -> AsyncIterator[Any]:
    """The items of a crawl, each after its commit; leaving the loop stops the crawl, resumable."""
    async with Crawl(spider, **crawl) as handle:
        async for item in handle:
            yield item
