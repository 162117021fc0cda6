"""`-o books.sqlite`: a table per type of item (SQLite 3, https://www.sqlite.org/fileformat2.html).

A position is a number of items: rows are numbered over all tables, so going back is to take out
those with a higher number. Whether the file is the one we left is told by two numbers in its header,
which are 0 again in the finished file: `application_id`, drawn for each file that is begun, and
`user_version`, which each of our transactions sets to what the file's change counter will be; a
transaction of somebody else counts on and does not.

From flush to flush is one transaction with a rollback journal, so a process that dies leaves the
last flush and FILE.partial-journal, which the next opening applies. A program that looked into
FILE.partial meanwhile would apply it under us; the lock that a run holds on the file keeps SQLite
out of it too ("database is locked"), where there are open file description locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from crawler.errors import DiskError
from crawler.outputs.failure import OutputError, PositionLost, disk_error
from crawler.outputs.sqlite_tables import Kind, Tables

__all__ = ["SQLiteSink"]

T = TypeVar("T")
_MAGIC = b"SQLite format 3\0"
_HEADER = 100  # bytes; all numbers in it are big-endian
_CACHE_KIB = 16 * 1024  # of pages; above it they are written before their transaction ends


class _Position(msgspec.Struct, frozen=True, array_like=True):
    """What the file was: `SQLiteSink.flush` gives it as MessagePack, about 20 bytes."""

    rows: int
    columns: int
    """In all tables: one added since then cannot be taken out."""
    file: int
    """The application_id."""
    exact: bool
    """All names are as they were; else nothing tells which field a column is, and the file is made anew."""


class SQLiteSink:
    """One SQLite file (contracts.Sink). `open` raises PositionLost for a position that is no more.

    Raises DiskError when the file cannot be written or somebody else changed it, OutputError for items
    that SQLite cannot hold; after either only `close` is of use, and it leaves what was flushed.
    """

    def __init__(self, executor: Executor | None = None) -> None:
        self._executor = executor
        self._file: _File | None = None
        self._tables: Tables | None = None
        self._broken = False

    async def open(self, target: str, position: bytes | None) -> None:
        """Begins the file anew, or takes out what was written after the position."""
        await self._in_thread(self._open, Path(target), None if position is None else _decode(position))

    async def write(self, items: Sequence[Any]) -> None:
        """Adds items whose types are not known: they go to the table of dicts."""
        await self.write_typed(items, [("dict", ())] * len(items))

    async def write_typed(self, items: Sequence[Any], kinds: Sequence[Kind]) -> None:
        """Adds the items, each to its type's table."""
        await self._in_thread(self._write, items, kinds)

    async def flush(self) -> bytes:
        """Ends the transaction, synced."""
        return await self._in_thread(self._flush)

    async def close(self, complete: bool) -> None:
        """Ends the file: also an incomplete one can be read, with what was written."""
        await self._in_thread(self._close, complete)

    def _open(self, path: Path, at: _Position | None) -> None:
        file = _File(path, new=at is None)
        tables = Tables(file.connection)
        if at is not None:
            file.resume(
                lambda: at.exact and file.is_ours(at.file) and tables.cut(at.rows) and tables.columns == at.columns
            )
        self._file, self._tables = file, tables

    def _write(self, items: Sequence[Any], kinds: Sequence[Kind]) -> None:
        assert self._file is not None
        assert self._tables is not None
        with self._whole(self._file):
            self._file.begin()
            self._tables.insert(items, kinds)

    def _flush(self) -> bytes:
        assert self._file is not None
        assert self._tables is not None
        with self._whole(self._file):
            self._file.commit()
        tables = self._tables
        return msgspec.msgpack.encode(_Position(tables.rows, tables.columns, self._file.id, tables.exact))

    def _close(self, complete: bool) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if not self._broken:
                with file.explained():
                    file.finish() if complete else file.commit()
        finally:
            file.close()

    @contextlib.contextmanager
    def _whole(self, file: _File) -> Iterator[None]:
        self._broken = True  # until all has gone well
        try:
            with file.explained():
                yield
        except PositionLost:
            raise file.changed("changed by somebody else") from None
        self._broken = False

    async def _in_thread(self, call: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *args)


class _Header(NamedTuple):
    """What we need of the file's header, read beside SQLite: it sees what others did."""

    changes: int
    version: int
    id: int


class _File:
    """The file and its one connection. Blocking calls; for one thread at a time."""

    def __init__(self, path: Path, *, new: bool) -> None:
        self.path = path
        self.id = 0
        self._size = 0
        with contextlib.ExitStack() as undo, self.explained():
            self._fd = _descriptor(path, new=new)
            undo.callback(os.close, self._fd)
            # nolock: SQLite's own locks would meet the one that the run already holds on FILE.partial.
            uri = f"{path.absolute().as_uri()}?nolock=1"
            # Calls come from the executor's threads, one after the other.
            self.connection = sqlite3.connect(uri, isolation_level=None, check_same_thread=False, uri=True)
            undo.callback(self.connection.close)
            for pragma in ("locking_mode = EXCLUSIVE", "synchronous = FULL", f"cache_size = -{_CACHE_KIB}"):
                self.connection.execute(f"PRAGMA {pragma}")
            if new:
                self.id = 1 + secrets.randbelow((1 << 31) - 1)
                self.begin()
                self.connection.execute(f"PRAGMA application_id = {self.id}")
                self.commit()
            self._undo = undo.pop_all()

    def resume(self, go_back: Callable[[], bool]) -> None:
        """Lets the last transaction end as it should have, then goes back in one of its own.

        Raises PositionLost, the file closed, where `go_back` says that it cannot.
        """
        with contextlib.ExitStack() as undo, self.explained():
            undo.callback(self.close)
            self.begin()
            if not go_back():
                raise PositionLost(f"{self.path} is another file now")
            self.commit()
            undo.pop_all()

    def is_ours(self, file: int) -> bool:
        """Whether it is the file of this id, and our transaction was the last one; called in a transaction."""
        header = self._header()
        if header is None or header.id != file or header.version != header.changes & 0x7FFFFFFF:
            return False
        self.id = file
        return True

    def begin(self) -> None:
        """Makes sure that a transaction has begun."""
        if not self.connection.in_transaction:
            self.connection.execute("BEGIN EXCLUSIVE")

    def commit(self) -> None:
        """Ends the transaction, if there is one, synced. Raises DiskError when the file is not as we left it."""
        self._check()
        if self.connection.in_transaction:
            header = self._header()
            after = 1 if header is None else header.changes + 1  # page 1 is written once a transaction
            self.connection.execute(f"PRAGMA user_version = {after & 0x7FFFFFFF}")
            self.connection.execute("COMMIT")
            self._check()
            self._size = os.fstat(self._fd).st_size

    def finish(self) -> None:
        """The last transaction: only items are left in the file. Raises DiskError when FILE is in use."""
        target = self.path.with_suffix("") if self.path.suffix == ".partial" else self.path
        for ending in ("-wal", "-journal"):
            beside = _beside(target, ending)
            if target != self.path and beside.exists():
                # It belongs to the FILE that ours is to replace; SQLite would apply it to ours.
                raise DiskError(
                    f"{beside} says that another program has {target} open, or died with it: close that program or "
                    f"remove {beside.name}, then run the same command again"
                )
        self._check()
        self.begin()
        self.connection.execute("PRAGMA application_id = 0")
        self.connection.execute("PRAGMA user_version = 0")
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """Gives the file back; a transaction that has not ended never was."""
        self._undo.close()

    def changed(self, how: str) -> DiskError:
        """What to say of a file that somebody else has touched."""
        return DiskError(f"{self.path} was {how} while it was written; run the same command again")

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Errors of the disk as DiskError, PositionLost for a file that is none of SQLite's; others pass through."""
        try:
            yield
        except sqlite3.Error as error:
            name = str(getattr(error, "sqlite_errorname", ""))
            if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
                raise disk_error(self.path, OSError(0, str(error))) from None
            if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
                raise PositionLost(f"{self.path} cannot be read: {error}") from None
            if name.startswith("SQLITE_TOOBIG"):
                raise OutputError("an item is larger than SQLite takes: write .jsonl") from None
            raise

    def _check(self) -> None:
        """Raises DiskError when somebody else changed or removed the file."""
        own = os.fstat(self._fd)
        how = ""
        try:
            if not os.path.samestat(own, self.path.stat()):
                how = "replaced by another file"
        except FileNotFoundError:
            how = "removed"
        header = self._header()
        if not how and self._size and (own.st_size < self._size or header is None or header.id != self.id):
            how = "changed by somebody else"
        if how:
            raise self.changed(how)

    def _header(self) -> _Header | None:
        raw = os.pread(self._fd, _HEADER, 0)
        if len(raw) < _HEADER or not raw.startswith(_MAGIC):
            return None
        return _Header(*(int.from_bytes(raw[at : at + 4]) for at in (24, 60, 68)))


def _descriptor(path: Path, *, new: bool) -> int:
    try:  # a journal of what was there before goes by itself: SQLite drops one that lies beside an empty file
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_TRUNC if new else 0), 0o666)
    except FileNotFoundError:
        if new:
            raise
        raise PositionLost(f"{path} is gone") from None


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _decode(position: bytes) -> _Position:
    try:
        return msgspec.msgpack.decode(position, type=_Position)
    except msgspec.MsgspecError:
        raise PositionLost("the position is of another version") from None
