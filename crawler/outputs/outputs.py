"""All outputs of a run: they catch up with the item log beside the crawl and never hold up a commit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from crawler.contracts import Sink
from crawler.errors import CrawlerError, StateError
from crawler.outputs.destination import Destination
from crawler.outputs.failure import OutputError
from crawler.outputs.filesink import FileSink
from crawler.outputs.jsonlines import JSONLines
from crawler.outputs.projection import MakeSink, Projection
from crawler.outputs.sinks import Header, check_target, file_sink
from crawler.outputs.stdout import StdoutSink
from crawler.stages import OUTPUT, MeasuredThreads, Stages
from crawler.uncancelled import uncancelled

if TYPE_CHECKING:
    from crawler.settings import Settings

__all__ = ["Outputs"]

T = TypeVar("T")
_FLUSH_BYTES = 8 * 1024 * 1024  # of the log that are written again after a crash, at most ...
_FLUSH_SECONDS = 2.0  # ... and as much time, since each flush is a sync
_ITEMS = "items.jsonl"

_log = logging.getLogger("crawler.outputs")


class Outputs:
    """The outputs of one run.

    `targets` are file names (the ending says the format), "-" for JSON lines on standard output, and
    sinks; a sink with a `target` attribute is given that file's partial name and has it renamed, as
    ours. `run_dir` gets items.jsonl (None: none). `cursors` are what the store recorded of earlier
    processes: outputs named there go on, also when they are not among the targets.

    The order of calls: `start`, `run` (a task of its own, ended by `stop`), `finish`, `publish`,
    `close`. Raises SettingsError for a target that we cannot write. No call is cut short by
    cancellation, since that would not stop the threads that write.
    """

    def __init__(
        self,
        log: Path,
        targets: Iterable[str | Sink],
        settings: Settings,
        run_dir: Path | None,
        cursors: Mapping[str, bytes],
        stages: Stages | None = None,
    ) -> None:
        self._stages = stages = stages if stages is not None else Stages()
        self._log = log
        self._settings = settings
        self._recorded = dict(cursors)
        self._end = 0
        self._stopping = False
        self._closed = False
        self._projections: dict[str, Projection] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        targets = [*targets, *(name for name in cursors if name.startswith("/"))]
        for target in targets:
            if isinstance(target, str):
                check_target(target, settings)
        self._executor = MeasuredThreads(len(targets) + 1, "output", stages, OUTPUT)  # one is busy at a time
        if run_dir is not None:
            self._add(_ITEMS, self._items_sink, Destination(run_dir / _ITEMS, in_place=True))
        for target in targets:
            if isinstance(target, str):
                self._add_file(target)
            else:
                self._add_sink(target)

    async def start(self, log_end: int) -> None:
        """Opens all, from what was recorded; the log is committed up to `log_end`.

        Raises AlreadyRunning (another run writes a file), SettingsError, DiskError, OutputError.
        """
        self._end = log_end
        await uncancelled(self._open_all())

    def notify(self, log_end: int) -> None:
        """A commit is durable: the log may be read up to here."""
        self._end = log_end
        for wake in self._wakes.values():
            wake.set()

    async def run(self) -> None:
        """Keeps all outputs caught up until `stop`.

        Raises DiskError, StateError or SettingsError of the first that cannot go on, BrokenPipeError
        when standard output was closed. An output that items do not fit is left behind with a line in
        the log; the others go on, and `finish` raises its OutputError.
        """
        drive = self._stages.drive
        tasks = [asyncio.create_task(drive(self._drive(p), OUTPUT), name=f"output {p.name}") for p in self._working()]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            self.stop()
            await uncancelled(asyncio.wait(tasks))
        for error in [task.exception() for task in tasks]:
            if error is not None:
                raise error

    def stop(self) -> None:
        """Ends `run` after what is being written."""
        self._stopping = True
        for wake in self._wakes.values():
            wake.set()

    def give_up(self) -> None:
        """Stops waiting for a reader of standard output that does not read (the second signal)."""
        for projection in self._projections.values():
            if isinstance(projection.sink, StdoutSink):
                projection.sink.give_up()

    async def finish(self, log_end: int) -> None:
        """Brings all outputs to the log's end, durable. Raises the worst of what went wrong with any."""
        self._end = log_end
        self._stopping = True
        await uncancelled(self._all(lambda projection: projection.finish(log_end)), self.give_up)
        self._raise()

    async def publish(self) -> None:
        """Puts every file in its place. Raises like `finish`; those that could be published are."""
        await uncancelled(self._all(Projection.publish))
        self._raise()

    async def close(self) -> None:
        """Gives everything back; files that were not published stay as FILE.partial."""
        self.stop()
        self.give_up()
        await uncancelled(self._close_all())

    def cursors(self) -> dict[str, bytes]:
        """What may be recorded now, by output name: a file's absolute path, or another name of ours."""
        return {name: p.cursor for name, p in self._projections.items() if p.cursor is not None}

    def states(self) -> dict[str, str]:
        """What became of each output: writing, complete, "partial: PATH" or "failed: …"."""
        return {_shown(projection): self._state(projection) for projection in self._projections.values()}

    # -- making

    def _add(self, name: str, make: MakeSink, destination: Destination | None = None, **options: bool) -> None:
        if any(p.destination and destination and p.destination.path == destination.path for p in self._working()):
            return  # the same file, named twice
        self._projections[name] = Projection(
            name, self._log, make, destination=destination, executor=self._executor, **options
        )
        self._wakes[name] = asyncio.Event()

    def _add_file(self, target: str) -> None:
        if target == "-":
            if "-" not in self._projections:
                self._add("-", lambda header: StdoutSink(self._executor), record=False)
            return
        destination = Destination(Path(target))

        def make(header: Header | None) -> Sink:
            return file_sink(destination.path, self._settings.csv_fields, header, self._executor)

        self._add(str(destination.path), make, destination)

    def _add_sink(self, sink: Sink) -> None:
        kind = f"{type(sink).__module__}.{type(sink).__qualname__}"
        target = getattr(sink, "target", "")
        if target:
            destination = Destination(Path(target))
            # Not the path alone: a recorded path goes on by its ending, without the sink.
            self._add(f"{kind} {destination.path}", lambda header: sink, destination, ours=False)
            return
        same = sum(name.split("#")[0] == kind for name in self._projections)
        self._add(f"{kind}#{same + 1}" if same else kind, lambda header: sink, ours=False)

    def _items_sink(self, header: Header | None) -> Sink:
        return FileSink(JSONLines(), executor=self._executor)

    # -- working

    def _working(self) -> list[Projection]:
        return [projection for projection in self._projections.values() if projection.error is None]

    async def _open_all(self) -> None:
        try:
            for name, projection in self._projections.items():
                append = self._settings.append and name != _ITEMS
                await projection.open(self._recorded.get(name), self._end, append=append)
        except BaseException:
            await self._close_all()
            raise

    async def _drive(self, projection: Projection) -> None:
        """One output beside the crawl: catches up, and flushes now and then."""
        wake, flushed = self._wakes[projection.name], time.monotonic()
        try:
            while not self._stopping:
                wake.clear()
                if projection.position < self._end:
                    await projection.step(self._end)
                behind = projection.position - projection.flushed
                due = flushed + _FLUSH_SECONDS - time.monotonic()
                if behind >= _FLUSH_BYTES or (behind and due <= 0):
                    await projection.flush()
                    flushed = time.monotonic()
                elif projection.position >= self._end:
                    await _wait(wake, due if behind else None)
        except OutputError as error:
            projection.error = error
            _log.error("%s", error)
        except (CrawlerError, BrokenPipeError) as error:
            projection.error = error
            raise

    async def _all(self, do: Callable[[Projection], Awaitable[None]]) -> None:
        await asyncio.gather(*(self._try(projection, do) for projection in self._working()))

    async def _try(self, projection: Projection, do: Callable[[Projection], Awaitable[None]]) -> None:
        try:
            await do(projection)
        except (CrawlerError, BrokenPipeError) as error:
            projection.error = error

    def _raise(self) -> None:
        """A disk that fails is worse than an output that does not fit, and that than a closed pipe."""
        errors = [projection.error for projection in self._projections.values() if projection.error is not None]
        for kind in (StateError, CrawlerError, BrokenPipeError):
            for error in errors:
                if isinstance(error, kind) and (kind is not StateError or not isinstance(error, OutputError)):
                    raise error

    async def _close_all(self) -> None:
        if self._closed:
            return
        self._closed = True
        for projection in self._projections.values():
            await projection.close()
        self._executor.shutdown(wait=True)

    def _state(self, projection: Projection) -> str:
        destination = projection.destination
        if projection.error is not None:
            return f"failed: {projection.error}"
        if projection.published:
            return "complete"
        if self._stopping and destination is not None:
            return f"partial: {destination.partial}"
        return "writing"


def _shown(projection: Projection) -> str:
    return str(projection.destination.path) if projection.destination is not None else projection.name


async def _wait(wake: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return
