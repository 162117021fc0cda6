"""One output as a projection of the item log: a cursor in the log, a position in the sink.

Both are recorded together with a later commit. After a crash the sink is cut back to the recorded
position and caught up from the recorded place in the log, so it has every committed item once,
whatever moment the process died at. Where the file is not the one we left, it is rebuilt.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from crawler.codec import decode_item
from crawler.contracts import Sink
from crawler.errors import CrawlerError
from crawler.outputs.append import Base, existing_header
from crawler.outputs.destination import Destination
from crawler.outputs.failure import OutputError, PositionLost, disk_error, foreign_error
from crawler.outputs.log import check_frames, read_frames
from crawler.outputs.sinks import is_csv

__all__ = ["Cursor", "MakeSink", "Projection"]

MakeSink = Callable[[tuple[str, tuple[str, ...]] | None], Sink]
"""Gives the sink; for a CSV file that is appended to, it is told (path, columns)."""

_READ_BYTES = 1024 * 1024  # of the log at a time, about (a frame is read whole)
_BATCH_BYTES = 256 * 1024  # of items to one write, about
_POSITION_BYTES = 1024


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """What is recorded of a projection, as MessagePack."""

    log: int
    """Every item before this byte of the log is in the sink."""
    sink: bytes
    """The sink's own position."""
    base: Base | None = None
    """With `--append`: what FILE was when the run began."""


class _Batch(NamedTuple):
    items: list[dict[str, Any]]
    kinds: list[tuple[str, tuple[str, ...]]]
    """Of each item: its type's name and declared fields."""


class _Chunk(NamedTuple):
    end: int
    types: list[tuple[str, tuple[str, ...]]]
    batches: list[_Batch]


class Projection:
    """One output. `name` is unique in the run; `record` is false where there is nothing to go back to.

    Its calls come one after the other, and none is cancelled. They raise DiskError for a file that
    cannot be written, OutputError for items that do not fit or a sink that failed, BrokenPipeError
    for a standard output that was closed, StateError for a log that was changed.
    """

    def __init__(
        self,
        name: str,
        log: Path,
        make_sink: MakeSink,
        *,
        destination: Destination | None = None,
        executor: Executor | None = None,
        ours: bool = True,
        record: bool = True,
    ) -> None:
        self.name = name
        self.destination = destination
        self.position = 0
        self.flushed = 0
        """The log up to here is durable in the sink."""
        self.cursor: bytes | None = None
        """The latest that may be recorded."""
        self.error: CrawlerError | BrokenPipeError | None = None
        self.published = False
        self._log = log
        self._make_sink = make_sink
        self._executor = executor
        self._ours = ours
        self._record = record
        self._sink: Sink | None = None
        self._describe: Callable[[str, tuple[str, ...]], None] | None = None
        self._described: set[tuple[str, tuple[str, ...]]] = set()

    @property
    def sink(self) -> Sink | None:
        """The sink, once it is open."""
        return self._sink

    async def open(self, recorded: bytes | None, log_end: int, *, append: bool = False) -> None:
        """Begins, or goes on from a recorded cursor. Raises also AlreadyRunning and SettingsError."""
        cursor = _decode_cursor(recorded, log_end)
        target, header, there = "", None, False
        with self._explained():
            if self.destination is not None:
                target = str(self.destination.partial)
                header, there = await self._in_thread(self._take, cursor, append)
                if not there:
                    cursor = Cursor(0, b"", cursor.base) if cursor is not None else None
            sink = self._make_sink(header)
            self._sink = sink
            self._describe = getattr(sink, "describe", None)
            try:
                position = cursor.sink if cursor is not None and cursor.sink else None
                if position is None and there:
                    await self._check_log(log_end)
                await sink.open(target, position)
                self.position = cursor.log if cursor is not None and position is not None else 0
            except PositionLost:
                await sink.close(False)
                await self._check_log(log_end)
                self._sink = sink = self._make_sink(header)
                self._describe = getattr(sink, "describe", None)
                await sink.open(target, None)
                self.position = 0
        if not self._record:
            self.position = log_end  # what earlier processes committed, they have printed
        await self.flush()

    async def step(self, log_end: int) -> None:
        """Brings the next stretch of the log into the sink, up to `log_end`."""
        sink = self._sink
        assert sink is not None
        with self._explained():
            chunk = await self._in_thread(self._read, log_end)
            for kind in chunk.types:
                if self._describe is not None and kind not in self._described:
                    self._describe(*kind)
                    self._described.add(kind)
            write_typed = getattr(sink, "write_typed", None)
            for batch in chunk.batches:
                await (sink.write(batch.items) if write_typed is None else write_typed(batch.items, batch.kinds))
        self.position = chunk.end if chunk.end > self.position else log_end  # a log without items is its head alone

    async def catch_up(self, log_end: int) -> None:
        """Brings all of the log up to `log_end` into the sink."""
        while self.position < log_end:
            await self.step(log_end)

    async def flush(self) -> Cursor:
        """Makes durable what was written; the cursor may be recorded from then on."""
        assert self._sink is not None
        with self._explained():
            position = await self._sink.flush()
            if len(position) > _POSITION_BYTES:
                raise OutputError(f"its position is {len(position)} bytes long; at most {_POSITION_BYTES} are kept")
        self.flushed = self.position
        base = self.destination.base if self.destination is not None else None
        cursor = Cursor(self.position, position, base)
        if self._record:
            self.cursor = msgspec.msgpack.encode(cursor)
        return cursor

    async def finish(self, log_end: int) -> None:
        """All of the log is in the sink, durable."""
        await self.catch_up(log_end)
        if self.flushed != self.position:
            await self.flush()

    async def publish(self) -> None:
        """Ends the file and puts it in FILE's place. After `finish`, and after the run's end was committed."""
        sink = self._sink
        assert sink is not None
        with self._explained():
            self._sink = None
            await sink.close(True)
            if self.destination is not None:
                await self._in_thread(self.destination.publish, getattr(sink, "body", 0))
        self.published = True

    async def close(self) -> None:
        """Gives everything back. Unpublished, FILE keeps its earlier content and the partial file stays."""
        sink, self._sink = self._sink, None
        if sink is not None:
            with contextlib.suppress(Exception):  # the run's end has been decided; the file can be rebuilt
                await sink.close(False)
        if self.destination is not None:
            await self._in_thread(self.destination.release)

    async def _check_log(self, log_end: int) -> None:
        """Before the sink is emptied to be written anew: it may be the last copy that can be read."""
        await self._in_thread(check_frames, self._log, log_end)

    def _take(self, cursor: Cursor | None, append: bool) -> tuple[tuple[str, tuple[str, ...]] | None, bool]:
        destination = self.destination
        assert destination is not None
        there = destination.open(cursor.base if cursor is not None else None, append=append)
        header = None
        if destination.base is not None and self._ours and is_csv(destination.path):
            columns = existing_header(destination.path, destination.base, gzip=destination.gzip)
            header = None if columns is None else (str(destination.path), columns)
        return header, there

    def _read(self, log_end: int) -> _Chunk:
        types: dict[tuple[str, tuple[str, ...]], None] = {}
        batches: list[_Batch] = []
        end, room = self.position, 0
        for frame in read_frames(self._log, self.position, log_end):
            types.update(dict.fromkeys(frame.types))
            for record in frame.records:
                if room <= 0:
                    batches.append(_Batch([], []))
                    room = _BATCH_BYTES
                batches[-1].items.append(decode_item(record.raw))
                batches[-1].kinds.append(frame.types[record.type])
                room -= len(record.raw)
            end = frame.end
            if end - self.position >= _READ_BYTES:
                break
        return _Chunk(end, list(types), batches)

    async def _in_thread(self, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *args)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OutputError as error:
            raise OutputError(f"output {self.name}: {error}") from None
        except (CrawlerError, PositionLost):
            raise
        except OSError as error:
            if isinstance(error, BrokenPipeError) and self.name == "-":
                raise
            if not self._ours:
                raise foreign_error(self.name, error) from error
            raise disk_error(self.destination.partial if self.destination else self.name, error) from None
        except Exception as error:
            raise foreign_error(self.name, error) from error


def _decode_cursor(recorded: bytes | None, log_end: int) -> Cursor | None:
    if not recorded:
        return None
    try:
        cursor = msgspec.msgpack.decode(recorded, type=Cursor)
    except msgspec.MsgspecError:
        return None  # of another version: the output is rebuilt
    return cursor if cursor.log <= log_end else None
