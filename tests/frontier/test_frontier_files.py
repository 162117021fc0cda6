"""The durable store's file: which ones are refused, what a failing disk does, what a kill leaves."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from frontier_store import Store, key_of, pending_of, seeds

from crawler.contracts import Group
from crawler.errors import DiskError, StateError
from crawler.frontier import SQLiteFrontier, read_meta
from crawler.state import decode_value

Reopen = Callable[[], Awaitable[Store]]


# -- files


async def test_the_file_is_its_owners_alone(durable: Reopen, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        await (await durable()).add(seeds("a"))
        files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(old)
    assert files == {"f.sqlite": 0o600, "f.sqlite-wal": 0o600, "f.sqlite-shm": 0o600}


@pytest.mark.parametrize("durable_setting", [True, False])
async def test_strict_syncs_each_commit(tmp_path: Path, durable_setting: bool) -> None:
    store = await Store(SQLiteFrontier(tmp_path / "f", durable=durable_setting)).open()
    try:
        frontier = store.frontier
        level = frontier._executor.submit(  # type: ignore[attr-defined]
            lambda: frontier._writer.execute("PRAGMA synchronous").fetchone()[0]  # type: ignore[attr-defined]
        ).result()
    finally:
        await frontier.close()
    assert level == (2 if durable_setting else 1)


async def refused(path: Path, message: str, kind: type[StateError] = StateError) -> None:
    before = path.read_bytes() if path.is_file() else None
    frontier = SQLiteFrontier(path, durable=True)
    with pytest.raises(kind, match=message) as raised:
        await frontier.open()
    assert str(path) in str(raised.value)
    assert (path.read_bytes() if path.is_file() else None) == before


async def test_a_foreign_file_is_refused_and_left(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"these are my notes, not a database\n" * 100)
    await refused(text, "not a frontier")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    await refused(other, "another program's")
    with pytest.raises(StateError, match="another program's"):
        read_meta(other)


async def test_a_newer_schema_is_refused(durable: Reopen, tmp_path: Path) -> None:
    path = tmp_path / "f.sqlite"
    await (await durable()).frontier.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    await refused(path, "newer crawler .schema 99")
    with pytest.raises(StateError, match="newer crawler"):
        read_meta(path)


@pytest.mark.parametrize("where", ["middle", "first rows", "half missing"])
async def test_a_damaged_file_is_refused_and_left(durable: Reopen, tmp_path: Path, where: str) -> None:
    path = tmp_path / "f.sqlite"
    store = await durable()
    await store.add(seeds(*map(str, range(3000))))
    await store.frontier.close()
    raw = bytearray(path.read_bytes())
    if where == "half missing":
        raw = raw[: len(raw) // 8192 * 4096]
    else:
        at = len(raw) // 2 if where == "middle" else 4096
        raw[at : at + 40_000] = os.urandom(40_000)
    path.write_bytes(raw)
    await refused(path, "damaged")


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM request WHERE id = 2",
        "DELETE FROM seen",
        "UPDATE seen SET digests = substr(digests, 1, 20)",
        "INSERT INTO done SELECT id, 'done', 200, NULL, NULL, 0, 0, 0 FROM request WHERE id = 2",
        "DELETE FROM head",
        "DROP TABLE done",
        "INSERT INTO returned VALUES (1, 0, 0, 0); UPDATE request SET body = x'93'",
        "INSERT INTO state VALUES ('x', x'c1')",
    ],
)
async def test_a_file_that_contradicts_itself_is_refused(durable: Reopen, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "f.sqlite"
    store = await durable()
    await store.add(seeds("a", "b", "c"))
    await store.frontier.close()
    with sqlite3.connect(path) as connection:
        connection.executescript(damage)
    connection.close()
    await refused(path, "damaged")


async def test_an_empty_file_is_new(tmp_path: Path) -> None:
    path = tmp_path / "f.sqlite"
    path.touch()  # what a process leaves that is killed before the tables were there
    assert read_meta(path).commit == 0
    store = await Store(SQLiteFrontier(path, durable=True)).open()
    assert len(await store.add(seeds("a"))) == 1
    await store.frontier.close()


async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    await refused(tmp_path / "missing" / "f.sqlite", "cannot be opened", DiskError)
    with pytest.raises(StateError):
        read_meta(tmp_path / "missing.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_read_meta_in_a_directory_without_the_right_to_write(durable: Reopen, tmp_path: Path) -> None:
    store = await durable()
    await store.commit(log_end=7)
    await store.frontier.close()
    tmp_path.chmod(0o500)
    try:
        assert read_meta(tmp_path / "f.sqlite").log_end == 7
    finally:
        tmp_path.chmod(0o700)


# -- a failing disk


async def fails_for_good(store: Store, message: str) -> None:
    """The next commit is refused with a DiskError, and so is everything after it, but close."""
    store.accept(seeds("never"))
    with pytest.raises(DiskError, match=message):
        await store.commit()
    with pytest.raises(DiskError, match=message):
        store.frontier.accept(seeds("later"))
    with pytest.raises(DiskError, match=message):
        store.frontier.known(key_of("never"))
    with pytest.raises(DiskError, match=message):
        store.frontier.bodies([1])
    with pytest.raises(DiskError, match=message):
        await store.frontier.commit(Group(99, [], 0))


async def test_a_full_disk_stops_the_store_and_keeps_what_was_committed(durable: Reopen, tmp_path: Path) -> None:
    store = await durable()
    await store.add(seeds("a"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "f.sqlite-wal").stat().st_size + 5000, hard))
    try:
        store.accept(seeds(*map(str, range(2000))))
        await fails_for_good(store, "f.sqlite.*(full|failed).*committed is safe")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    recovered = (await durable()).recovered  # there is room again
    assert (recovered.known, recovered.commit) == (1, 1)


@pytest.mark.parametrize("removed", [True, False])
async def test_a_file_taken_away_under_us(durable: Reopen, tmp_path: Path, removed: bool) -> None:
    store = await durable()
    await store.add(seeds("a"))
    path = tmp_path / "f.sqlite"
    path.rename(tmp_path / "moved")
    if not removed:
        path.write_bytes((tmp_path / "moved").read_bytes())
    await fails_for_good(store, "removed under us" if removed else "replaced by another file")
    path.unlink(missing_ok=True)


async def test_groups_that_wait_behind_a_failed_one_are_not_written(tmp_path: Path) -> None:
    path, away = tmp_path / "f.sqlite", tmp_path / "away"
    with ThreadPoolExecutor(1) as thread:
        store = await Store(SQLiteFrontier(path, durable=True, executor=thread)).open()
        begin = threading.Event()
        thread.submit(begin.wait)
        path.rename(away)
        store.accept(seeds("a"))
        first = asyncio.create_task(store.commit())
        await asyncio.sleep(0)
        thread.submit(away.rename, path)  # the second one would find nothing wrong
        store.accept(seeds("b"))
        second = asyncio.create_task(store.commit())
        await asyncio.sleep(0)
        begin.set()
        results = await asyncio.gather(first, second, return_exceptions=True)
        await store.frontier.close()
    assert [type(result) for result in results] == [DiskError, DiskError]
    assert read_meta(path).known == 0


# -- killed

WRITER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from frontier_store import Store, found
from crawler.contracts import Outcome, StateOp
from crawler.frontier import SQLiteFrontier

async def main():
    store = await Store(SQLiteFrontier(sys.argv[1], durable=False)).open()
    number = store.recovered.commit
    while True:
        number += 1
        pages = [store.accept(Outcome(None, "none", found=[found(f"{number}/{i}") for i in range(20)]))]
        for entry in pages[0][:10]:
            store.accept(Outcome(entry, "done", counters={"pages": 1}, state=[StateOp("add", "n", 1)]))
        await store.commit(log_end=number * 100)
        print(number, flush=True)

asyncio.run(main())
"""


def write_and_kill(path: Path, commits: int) -> int:
    """The number of the last commit that was acknowledged before the SIGKILL, `commits` from its start at least."""
    command = [sys.executable, "-c", WRITER, str(path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        numbers = [process.stdout.readline() for _ in range(commits)]
        process.kill()
        numbers += process.stdout.read().splitlines()
    return int(numbers[-1])


async def test_killed_at_any_moment_everything_acknowledged_is_there_and_nothing_half(
    durable: Reopen, tmp_path: Path
) -> None:
    for rounds in (1, 5, 40):  # kills in different ages of the file
        last = write_and_kill(tmp_path / "f.sqlite", rounds)
        store = await durable()
        recovered = store.recovered
        n = recovered.commit
        assert last <= n <= last + 1
        assert (recovered.log_end, recovered.known, recovered.pending) == (n * 100, n * 20, n * 10)
        assert recovered.counters == {"pages": n * 10} and decode_value(recovered.state["n"]) == n * 10
        ids = [id for chain in pending_of(recovered).values() for id in chain]
        assert len(store.frontier.bodies(ids)) == n * 10
        assert all(store.frontier.known(key_of(f"{n}/{i}")) for i in range(20))
        assert not store.frontier.known(key_of(f"{n + 1}/0"))
        await store.frontier.close()
