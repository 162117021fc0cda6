"""The frontier's file: its tables, how it is made and recognised, what its errors mean.

Rows are appended and never searched for by anything but their number, so there is no index besides
the tables themselves: on the hot path one costs five to ten times the insert. What is looked up by
key is in memory (`seen`), and `explain` may scan.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from crawler.errors import DiskError, StateError

__all__ = ["APPLICATION_ID", "SCHEMA", "connect_reader", "connect_writer", "damaged", "refusal", "transaction"]

APPLICATION_ID = 0x6372776C  # "crwl"; file(1) and SQLite's own tools show it
SCHEMA = 2
"""`PRAGMA user_version`. A file of a higher one was written by a newer crawler and is refused, one of a
lower one is brought up to date when it is opened for writing (`MIGRATIONS`)."""

TABLES = """
-- One row: what the last commit left. `number` is that commit's, `log_end` the item log's valid bytes.
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL, log_end INTEGER NOT NULL, seeds_done INTEGER NOT NULL,
    known INTEGER NOT NULL, pending INTEGER NOT NULL
);
INSERT INTO head VALUES (1, 0, 0, 0, 0, 0);

-- Scheduling hosts; `wait` seconds from the epoch second `stamp` on it may be asked.
CREATE TABLE host (id INTEGER PRIMARY KEY, name TEXT NOT NULL, stamp REAL, wait REAL);

-- Every request ever accepted, in that order. `age` is NULL where it is the id; `parent` is the id of
-- the page that yielded it, NULL for seeds; `body` as in bodies.py.
CREATE TABLE request (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, host INTEGER NOT NULL, priority INTEGER NOT NULL,
    depth INTEGER NOT NULL, age INTEGER, parent INTEGER, body BLOB NOT NULL
);

-- What became of a request; one that has no row here is pending. `time` is the commit's epoch second.
CREATE TABLE done (
    id INTEGER PRIMARY KEY, verdict TEXT NOT NULL, status INTEGER NOT NULL, error TEXT, message TEXT,
    time REAL NOT NULL, tries INTEGER NOT NULL, visit INTEGER NOT NULL
);

-- Pending requests that were given back: attempts made, not before `due` (epoch seconds).
CREATE TABLE returned (id INTEGER PRIMARY KEY, tries INTEGER NOT NULL, due REAL NOT NULL, visit INTEGER NOT NULL);

-- The keys that each commit brought, one after the other: read at a start far faster than rows.
-- As in seen.py: 15 bytes of a key and its mark; where `marked` is 0, all 16 bytes of the key.
CREATE TABLE seen (number INTEGER PRIMARY KEY, digests BLOB NOT NULL, marked INTEGER NOT NULL);

CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- How often the process died while it was on the page of this key.
CREATE TABLE death (key BLOB PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
"""

SINCE_2 = """
-- Attempts that did not end their request: what `explain` tells of it beside its row in `done`.
CREATE TABLE attempt (
    id INTEGER NOT NULL, visit INTEGER NOT NULL, try INTEGER NOT NULL, time REAL NOT NULL, reason TEXT NOT NULL
);

-- The cookies of each session, as in fetch/cookies.py. Secret, as the whole file is.
CREATE TABLE cookie (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- robots.txt as it was answered at the epoch second `time`: HTTP status (0: none came), body by zlib.
CREATE TABLE robots (
    origin TEXT PRIMARY KEY, time REAL NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
"""

MIGRATIONS = {1: "ALTER TABLE seen ADD COLUMN marked INTEGER NOT NULL DEFAULT 0;" + SINCE_2}
"""What brings a file of that version to the next one."""


def connect_writer(path: Path, *, durable: bool) -> sqlite3.Connection:
    """The one connection that writes, on a file that is made if there is none (owner-only, mode 0600).

    `durable` syncs each commit; without it a power cut may undo the last ones, never tear one.
    Raises StateError for a file that is not ours, DiskError for one that cannot be made or opened.
    """
    try:
        _make_file(path)
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=256, timeout=5.0)
    except (OSError, sqlite3.Error) as error:
        raise refusal(path, error) from error
    try:
        _adopt(connection, path, durable)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise refusal(path, error) from error
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, beside a writer or without one. Its transactions must be short:
    an open one keeps the log of SQLite from being checkpointed. Raises StateError."""
    try:
        try:
            return _read_only(path, "mode=ro")
        except sqlite3.OperationalError:
            if not path.exists() or path.with_name(path.name + "-wal").exists():
                raise
            # a file at rest in a directory that we may not write to: there is nobody to share it with
            return _read_only(path, "immutable=1")
    except sqlite3.Error as error:
        raise refusal(path, error) from error


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is executed inside, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors have rolled back already
            connection.execute("ROLLBACK")
        raise


def refusal(path: Path, error: Exception) -> StateError:
    """The error that a person gets, from one of SQLite or the system: path, reason, what to do."""
    name = str(getattr(error, "sqlite_errorname", ""))
    if name in ("SQLITE_NOTADB", "SQLITE_ERROR") or name.startswith("SQLITE_CORRUPT"):  # ERROR: a table is missing
        return damaged(path, str(error))
    if name == "SQLITE_FULL":
        return DiskError(f"{path}: the disk is full; make room and start again: what was committed is safe")
    if name.startswith("SQLITE_READONLY"):
        return DiskError(f"{path} cannot be written ({error}); give this user the right to, and start again")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return DiskError(f"{path} is locked by another program that writes to it; end that one and start again")
    if name.startswith("SQLITE_CANTOPEN") or isinstance(error, OSError):
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return DiskError(f"{path} cannot be opened ({reason}); is its directory there, and writable for this user?")
    return DiskError(f"{path}: the disk failed ({error}); see to it, and start again: what was committed is safe")


def _read_only(path: Path, how: str) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?{how}"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=5.0)
    try:
        _recognise(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def damaged(path: Path, reason: str) -> StateError:
    """The refusal of a file that cannot be what we wrote."""
    return StateError(
        f"{path} is damaged or not a frontier ({reason}); it was left as it is. "
        "Restore it from a copy, or begin a new run with --fresh"
    )


def _make_file(path: Path) -> None:
    """Before SQLite does, since it would make the file as readable as the umask allows."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # the file's name is as durable as its content
    finally:
        os.close(directory)


def _adopt(connection: sqlite3.Connection, path: Path, durable: bool) -> None:
    new = not _recognise(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
    # All or nothing: a process that is killed in here leaves an empty file, which is new again, or the old one.
    if new:
        marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA};"
        connection.executescript(f"BEGIN IMMEDIATE; {TABLES} {SINCE_2} {marks} COMMIT;")
        return
    for version in range(_pragma(connection, "user_version"), SCHEMA):
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[version]} PRAGMA user_version = {version + 1}; COMMIT;")


def _recognise(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is a frontier (False: an empty file). Raises StateError for another's and a newer one."""
    application = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    if application == APPLICATION_ID:
        if version > SCHEMA:
            raise StateError(
                f"{path} was written by a newer crawler (schema {version}, this one reads {SCHEMA}): "
                "install that version, or start a new run"
            )
        return True
    if application or version or connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
        raise StateError(
            f"{path} is another program's database, not a frontier; it was left as it is. "
            "Put the right file back, or begin a new run with --fresh"
        )
    return False


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
