"""A frontier of schema 1 goes on: brought up to date when it is opened, whole or not at all."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from disk_crawl import Command
from frontier_store import Store, found, given_back, key_of, pending_of, seeds
from small_site import Site

from crawler.binding import mark_of
from crawler.contracts import Outcome
from crawler.errors import StateError
from crawler.frontier import SQLiteFrontier, read_meta
from crawler.frontier.schema import APPLICATION_ID, SCHEMA

# What the first version wrote, word for word: it must not follow later changes of schema.py.
SCHEMA_1 = """
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL, log_end INTEGER NOT NULL, seeds_done INTEGER NOT NULL,
    known INTEGER NOT NULL, pending INTEGER NOT NULL
);
INSERT INTO head VALUES (1, 0, 0, 0, 0, 0);
CREATE TABLE host (id INTEGER PRIMARY KEY, name TEXT NOT NULL, stamp REAL, wait REAL);
CREATE TABLE request (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, host INTEGER NOT NULL, priority INTEGER NOT NULL,
    depth INTEGER NOT NULL, age INTEGER, parent INTEGER, body BLOB NOT NULL
);
CREATE TABLE done (
    id INTEGER PRIMARY KEY, verdict TEXT NOT NULL, status INTEGER NOT NULL, error TEXT, message TEXT,
    time REAL NOT NULL, tries INTEGER NOT NULL, visit INTEGER NOT NULL
);
CREATE TABLE returned (id INTEGER PRIMARY KEY, tries INTEGER NOT NULL, due REAL NOT NULL, visit INTEGER NOT NULL);
CREATE TABLE seen (number INTEGER PRIMARY KEY, digests BLOB NOT NULL);
CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE death (key BLOB PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
"""


def as_schema_1(path: Path) -> None:
    """Rewrites a file of today as the first version would have written it: its tables, whole keys in `seen`."""
    old = path.with_name("old")
    connection = sqlite3.connect(old, isolation_level=None)
    with contextlib.closing(connection):
        connection.executescript(SCHEMA_1)
        connection.execute("ATTACH ? AS today", (str(path),))
        for table in ("host", "request", "done", "returned", "state", "counter", "death"):
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM today.{table}")
        newer = "'seconds', 'time', 'callbacks', 'code', 'scope', 'said'"
        connection.execute(f"INSERT INTO main.meta SELECT * FROM today.meta WHERE key NOT IN ({newer})")
        connection.execute("INSERT OR REPLACE INTO main.head SELECT * FROM today.head")
        keys = b"".join(key for (key,) in connection.execute("SELECT key FROM today.request ORDER BY id"))
        connection.execute("INSERT INTO main.seen VALUES (1, ?)", (keys,))
        connection.execute(f"PRAGMA main.application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA main.user_version = 1")
        connection.execute("DETACH today")
        connection.execute("PRAGMA journal_mode = WAL")
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    old.chmod(0o600)
    old.rename(path)


@pytest.fixture
async def old(tmp_path: Path) -> Path:
    """A file of schema 1: a page that is done, one given back, two pending, state, counters, a wait."""
    path = tmp_path / "f.sqlite"
    store = await Store(SQLiteFrontier(path, durable=True)).open()
    first, second, *_ = await store.add(seeds("a", "b", "c"))
    done = Outcome(first, "done", status=200, counters={"pages": 1}, found=[found("d")])
    store.accept(done)
    store.accept(given_back(second, 1, time.time() + 500))
    await store.commit(log_end=99)
    await store.frontier.close()
    as_schema_1(path)
    assert version_of(path) == (1, ["number", "digests"])
    return path


def version_of(path: Path) -> tuple[int, list[str]]:
    """The schema's number, and the columns of `seen`."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(seen)")]
        return int(connection.execute("PRAGMA user_version").fetchone()[0]), columns


async def test_a_file_of_schema_1_goes_on(old: Path) -> None:
    store = await Store(SQLiteFrontier(old, durable=True)).open()
    recovered = store.recovered
    assert (recovered.known, recovered.pending, recovered.commit, recovered.log_end) == (4, 3, 2, 99)
    assert recovered.counters == {"pages": 1} and recovered.cookies == {}
    assert [(entry.key, entry.tries) for entry in recovered.returned] == [(key_of("b"), 1)]
    assert list(pending_of(recovered).values()) == [[3, 4]]
    frontier = store.frontier
    assert isinstance(frontier, SQLiteFrontier)
    assert frontier.known(key_of("a")) and not frontier.known(key_of("x"))
    assert frontier.mark(key_of("a")) == 0, "how it was made is not known of an old one"

    assert await store.add(seeds("a", "b", "c", "d")) == [], "all are known"
    (new,) = await store.add(seeds("x"))
    assert new.id == 5
    await frontier.close()
    assert version_of(old) == (SCHEMA, ["number", "digests", "marked"])

    again = await Store(SQLiteFrontier(old, durable=True)).open()
    assert (again.recovered.known, again.recovered.pending) == (5, 4)
    assert isinstance(again.frontier, SQLiteFrontier)
    assert [again.frontier.known(key_of(name)) for name in "abcdxy"] == [True] * 5 + [False]
    assert again.frontier.mark(key_of("x")) == mark_of(new.request._callback, new.request._kwargs) > 0
    await again.frontier.close()


async def test_reading_an_old_file_does_not_change_it(old: Path) -> None:
    """`crawler runs` and `explain` look into runs of every age."""
    before = old.read_bytes()
    assert read_meta(old).known == 4
    assert old.read_bytes() == before and version_of(old)[0] == 1


async def test_a_migration_is_whole_or_not_at_all(old: Path) -> None:
    """A kill in its middle, where one of the new tables is there and the others are not."""
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.executescript("CREATE TABLE robots (wrong)")  # so its second step fails
    before = version_of(old)
    with pytest.raises(StateError, match=str(old)):
        await SQLiteFrontier(old, durable=True).open()
    assert version_of(old) == before == (1, ["number", "digests"])
    with contextlib.closing(sqlite3.connect(old)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert "attempt" not in tables and "cookie" not in tables


async def test_the_command_goes_on_with_a_run_of_schema_1(site: Site, tmp_path: Path) -> None:
    """No page that was done is asked for again, and each item is in the output once."""
    command = Command(site, tmp_path)
    command.harm("import os; os.kill(os.getpid(), 9)")
    assert (await command.run()).code == -signal.SIGKILL
    as_schema_1(command.run_path / "frontier.sqlite")
    await command.goes_on()
    assert version_of(command.run_path / "frontier.sqlite")[0] == SCHEMA
