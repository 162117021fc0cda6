"""The durable store of one process: a SQLite file, written by one thread in the order of commits.

The loop decides (ledger.py), the commit thread writes (transaction.py), a start reads it all back
(recovery.py). What was accepted and is not committed yet stays in memory, and `bodies` looks there
first; the rest it reads on the loop, through a connection of its own that only reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import msgspec

from crawler.contracts import Died, Entry, Group, Outcome, Recovered
from crawler.errors import DiskError, StateError
from crawler.frontier.bodies import encode_body, freeze_arguments
from crawler.frontier.deaths import charge_deaths
from crawler.frontier.hosts import Hosts
from crawler.frontier.ledger import Ledger, Record, with_again
from crawler.frontier.recovery import Contents, Meta, load, load_seen, read_entries, read_meta
from crawler.frontier.schema import connect_reader, connect_writer, damaged, refusal
from crawler.frontier.seen import SeenSet
from crawler.frontier.takeup import condition, take_up
from crawler.frontier.transaction import write_group
from crawler.frontier.waiting import MethodsGone, waiting_for
from crawler.no_gc import no_gc

__all__ = ["Meta", "SQLiteFrontier", "read_meta"]

_CALLBACKS = "callbacks"  # the named value: every method that a stored request ever named


def _file(status: os.stat_result) -> tuple[int, int]:
    """Which file it is, whatever its name."""
    return status.st_dev, status.st_ino


class SQLiteFrontier:
    """`contracts.Frontier` in the file `path`, which is made if there is none.

    `durable` syncs each commit to the disk (the setting `durability = "strict"`). `executor` has the one
    thread that opens, writes, checkpoints and closes; it is shared with the item log, so that log and
    transaction run one after the other, and it is its owner's to shut down. Without one the store has
    its own. `died` are the pages that the last process was executing when it died; they are charged with it.
    `take_up` says which failed pages are pending again (takeup.py): "failed", "callbacks" or none.
    `gone` says whether the spider lacks a method: then `open` raises MethodsGone where requests wait for it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        durable: bool,
        executor: ThreadPoolExecutor | None = None,
        died: Died | None = None,
        take_up: str = "",
        gone: Callable[[str], bool] | None = None,
    ) -> None:
        self.taken_up = 0
        """Failed pages that were made pending again when the store was opened."""
        self._path = Path(path)
        self._died = died
        self._take_up = take_up
        self._gone = gone
        self._callbacks: set[str] = set()
        self._callbacks_stored = 0
        self._durable = durable
        self._own_executor = executor is None
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="crawler-commit")
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._files: dict[Path, tuple[int, int]] = {}
        self._size = 0
        self._ledger = Ledger()
        self._hosts = Hosts()
        self._young: dict[int, Entry] = {}
        self._bodies: dict[int, bytes] = {}
        self._number = 0
        self._usable = self._closed = False
        self._known = 0  # until the seen set is loaded: how many keys it will have
        self._seen_loads: Future[None] | None = None
        self._failed: StateError | None = None

    async def open(self) -> Recovered:
        """Reads what is known: 0.5 to 0.8 s for a million pending (benchmarks/resume.py). The seen set is
        filled from the first call of `bodies` on, in the commit thread; the first look into it waits.

        Raises StateError for a file that is foreign, newer or damaged, DiskError (one of its kind) for
        one that cannot be opened.
        """
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._executor, self._open)
            self._reader = connect_reader(self._path)
        except BaseException:
            await self.close()
            raise
        self._ledger, self._hosts, self._number = found.ledger, found.hosts, found.head.commit
        self._usable = True
        head = found.head
        self._known = head.known
        if head.meta.get(_CALLBACKS):
            self._callbacks.update(msgspec.msgpack.decode(head.meta[_CALLBACKS], type=list[str]))
            self._callbacks_stored = len(self._callbacks)
        return Recovered(
            backlog=found.backlog,
            returned=found.returned,
            pending=head.pending,
            known=head.known,
            log_end=head.log_end,
            commit=head.commit,
            seeds_done=head.seeds_done,
            state=found.state,
            counters=head.counters,
            meta=head.meta,
            hosts=found.waits,
            cookies=found.cookies,
        )

    def known(self, key: bytes) -> bool:
        """Whether a request with this key was ever accepted."""
        if not self._usable:
            self._refuse()
        return key in self._seen()

    def mark(self, key: bytes) -> int:
        """How the request was made that was accepted with this key; -1: none was."""
        if not self._usable:
            self._refuse()
        return self._seen().find(key)

    def is_pending(self, entry: Entry) -> bool:
        """Whether an outcome of this entry would count: it is pending, in this visit."""
        return self._ledger.is_pending(entry.id, entry.visit)

    def accept(self, outcome: Outcome) -> list[Entry]:
        """Dedupes and numbers what the page found; all of it may be handed out now.

        Raises, before anything is changed, TypeError and ValueError for what cannot be stored.
        """
        if not self._usable:
            self._refuse()
        bodies: dict[bytes, bytes] = {}
        for found in outcome.found:  # here and not in the thread: what cannot be stored fails its own page
            if found.key not in bodies:
                freeze_arguments(found.request)
                bodies[found.key] = encode_body(found.request)
                self._callbacks.add(found.request._callback)
                if found.request._options.errback:
                    self._callbacks.add(found.request._options.errback)
        self._seen()
        entries = self._ledger.accept(outcome)
        for entry in entries:
            self._young[entry.id] = entry
            self._bodies[entry.id] = bodies[entry.key]
        return entries

    async def commit(self, group: Group) -> list[Entry]:
        """Makes a group durable, as one transaction.

        A cancelled wait leaves the transaction to run to its end. Raises DiskError when the disk fails:
        memory is ahead of it then, so nothing is tried again and only `close` is left.
        """
        if not self._usable:
            self._refuse()
        if group.number <= self._number:
            raise ValueError(f"group {group.number} comes after group {self._number}")
        records = self._ledger.take(group)
        self._number = group.number
        if len(self._callbacks) > self._callbacks_stored:
            self._callbacks_stored = len(self._callbacks)
            group.meta[_CALLBACKS] = msgspec.msgpack.encode(sorted(self._callbacks))
        writing = asyncio.get_running_loop().run_in_executor(self._executor, self._write, group, records)
        writing.add_done_callback(lambda done: self._written(records, done))
        await asyncio.shield(writing)
        return []

    def bodies(self, ids: Sequence[int]) -> list[Entry]:
        """The entries of pending ids, in the order asked."""
        if not self._usable:
            self._refuse()
        young, again, is_pending = self._young, self._ledger.again, self._ledger.is_pending
        if self._known:  # not before: it would slow down what the first request waits for
            self._load_seen()
        asked = [id for id in ids if is_pending(id)]
        stored = [id for id in asked if id not in young]
        if not stored:
            return [with_again(young[id], again.get(id)) for id in asked]
        entries = {entry.id: entry for entry in self._read(stored)}
        if len(entries) != len(set(stored)):
            raise damaged(self._path, "requests are missing from it")
        return [entries[id] if id in entries else with_again(young[id], again.get(id)) for id in asked]

    async def close(self) -> None:
        """Gives back the file and the thread. What was not committed is forgotten."""
        self._usable = False
        self.__dict__.pop("mark", None)
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._closed:
            return
        self._closed = True
        closing = asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        await asyncio.shield(closing)
        if self._own_executor:
            self._executor.shutdown()

    def _seen(self) -> SeenSet:
        """The seen set, complete. Holds the loop where it is needed before it is, once, for half a second a million."""
        if self._known:  # nobody has asked for a page
            self._load_seen()
        if self._seen_loads is not None:
            self._seen_loads.result()
            self._seen_loads = None
        if self._usable:  # asked thirty times a page: from now on without the way through here
            self.mark = self._ledger.seen.find  # type: ignore[method-assign]
        return self._ledger.seen

    def _load_seen(self) -> None:
        known, self._known = self._known, 0
        self._seen_loads = self._executor.submit(self._fill_seen, known)

    def _read(self, ids: list[int]) -> list[Entry]:
        assert self._reader is not None
        try:
            return read_entries(self._reader, ids, self._ledger, self._hosts)
        except sqlite3.Error as error:
            raise refusal(self._path, error) from error
        except (msgspec.MsgspecError, IndexError) as error:
            raise damaged(self._path, str(error)) from error

    def _written(self, records: list[Record], done: asyncio.Future[None]) -> None:
        """On the loop, also when nobody waits any more: what is durable need not be kept in memory."""
        if done.cancelled() or done.exception() is not None:
            return  # `_write` has seen to it that nothing follows
        for record in records:
            for entry in record.entries:
                del self._young[entry.id], self._bodies[entry.id]

    def _refuse(self) -> NoReturn:
        if self._failed is not None:
            raise type(self._failed)(str(self._failed))
        raise StateError(f"{self._path} is not open")

    # -- in the commit thread

    def _open(self) -> Contents:
        connection = connect_writer(self._path, durable=self._durable)
        try:
            if self._died is not None:
                charge_deaths(connection, self._died)
            self._check_methods(connection)
            if self._take_up:
                self.taken_up = take_up(connection, self._take_up)
            with no_gc():
                found = load(connection, self._path)
        except sqlite3.Error as error:
            connection.close()
            raise refusal(self._path, error) from error
        except BaseException:
            connection.close()
            raise
        self._writer = connection
        wal = self._path.with_name(self._path.name + "-wal")
        self._files = {path: _file(path.stat()) for path in (self._path, wal) if path.exists()}
        return found

    def _fill_seen(self, known: int) -> None:
        assert self._writer is not None
        try:
            load_seen(self._writer, self._ledger.seen, known)
        except sqlite3.Error as error:
            raise self._fail(refusal(self._path, error)) from error
        except ValueError as error:
            raise self._fail(damaged(self._path, str(error))) from error

    def _check_methods(self, connection: sqlite3.Connection) -> None:
        """Before anything is changed. Looks through what is pending only where the file may hold such a name."""
        if self._gone is None:
            return
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (_CALLBACKS,)).fetchone()
        if row is not None and not any(self._gone(name) for name in msgspec.msgpack.decode(row[0], type=list[str])):
            return
        waiting = waiting_for(connection, self._gone, condition(self._take_up) if self._take_up else "")
        if waiting:
            raise MethodsGone(waiting)

    def _write(self, group: Group, records: list[Record]) -> None:
        assert self._writer is not None
        if self._failed is not None:  # an earlier group, while this one waited
            self._refuse()
        try:
            self._check_files()
            write_group(self._writer, group, records, self._bodies, self._hosts)
        except (sqlite3.Error, OSError) as error:
            raise self._fail(DiskError(str(refusal(self._path, error)))) from error
        except DiskError as error:
            raise self._fail(error) from None
        except BaseException as error:  # a bug of ours: memory is ahead of the disk all the same
            self._fail(StateError(f"{self._path}: an earlier commit failed ({error!r})"))
            raise

    def _fail(self, error: StateError) -> StateError:
        self._failed, self._usable = error, False
        self.__dict__.pop("mark", None)
        return error

    def _close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(sqlite3.Error):  # a last checkpoint may fail; the next start makes it
                self._writer.close()
            self._writer = None

    def _check_files(self) -> None:
        """SQLite would write on into a file that nobody finds again, or over a hole. Raises DiskError."""
        for path, file in self._files.items():
            try:
                status = path.stat()
                what = "" if _file(status) == file else "replaced by another file"
            except FileNotFoundError:
                what = "removed"
            if not what and path == self._path:
                what = "cut short" if status.st_size < self._size else ""  # by itself it only grows
                self._size = status.st_size
            if what:
                raise DiskError(
                    f"{path} was {what} under us; nothing more is written. Put the right file back and run the same "
                    "command again, or begin anew with --fresh"
                )
