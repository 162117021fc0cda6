"""What `history` says of runs, against runs that really crawled."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from small_site import Site, page

from crawler import Crawl, Response, Spider, run
from crawler.errors import UsageError
from crawler.flock import FileLock, is_held
from crawler.runs import Lock, find
from crawler.runs.choose import Ended
from crawler.runs.history import RunInfo, disk_bytes, history, spider_directories


class Books(Spider):
    name = "books"
    url: str
    shelf: str = ""

    def start(self) -> Any:
        from crawler import Request

        yield Request(self.url)

    async def parse(self, response: Response) -> Any:
        yield {"url": response.url}
        yield response.follow_all("a")
        if "bad" in response.url:
            raise ValueError("bad")


@pytest.fixture
def shop(site: Site) -> Site:
    site.pages = {"/": page("/1", "/2", "/bad", "/gone"), "/1": page(), "/2": page(), "/bad": page()}
    return site


def runs(fast: dict[str, Any], spider: str = "", limit: int | None = None) -> list[RunInfo]:
    return history(spider_directories(Path(fast["runs_dir"]), spider), limit)[0]


def edit_store(path: Path, statement: str, *values: Any) -> None:
    with sqlite3.connect(path / "frontier.sqlite") as connection:
        assert connection.execute(statement, values).rowcount == 1


async def test_a_run_that_ended(shop: Site, fast: dict[str, Any]) -> None:
    done = await run(Books, args={"url": shop.url + "/1"}, settings=fast)
    (info,) = runs(fast)
    assert (info.state, info.reason, info.exit_code, info.resumable) == ("ended", "complete", 0, False)
    assert (info.pages, info.items, info.failed, info.pending) == (1, 1, 0, 0)
    assert (info.name, info.path, info.kept) == (f"books/{done.id}", done.path, True)
    assert info.started is not None
    assert info.last is not None
    assert info.seconds is not None
    assert 0 < info.seconds < 60
    assert info.started <= info.last
    assert disk_bytes(info.path) >= sum(path.stat().st_blocks * 512 for path in info.path.iterdir())


async def test_failures_of_both_kinds_are_counted(shop: Site, fast: dict[str, Any]) -> None:
    await run(Books, args={"url": shop.url + "/"}, settings=fast)
    (info,) = runs(fast)
    assert (info.state, info.exit_code, info.pages, info.failed) == ("ended", 3, 5, 2)


async def test_a_run_that_reached_a_limit(shop: Site, fast: dict[str, Any]) -> None:
    await run(Books, args={"url": shop.url + "/"}, settings={**fast, "max_pages": 1})
    (info,) = runs(fast)
    assert (info.state, info.reason, info.exit_code) == ("limit", "limit reached: max_pages = 1", 0)
    assert info.pending == 4


async def test_a_run_that_was_stopped_goes_on_and_keeps_its_time(shop: Site, fast: dict[str, Any]) -> None:
    shop.pages["/1"] = waiting = _Waiting()
    async with Crawl(Books, args={"url": shop.url + "/"}, settings=fast) as crawl:
        await waiting.asked.wait()
        crawl.stop("for lunch")
        waiting.answer.set()
        await crawl.wait()
    (info,) = runs(fast)
    assert (info.state, info.reason, info.exit_code, info.resumable) == ("stopped", "stopped: for lunch", 4, True)
    assert info.seconds is not None
    edit_store(info.path, "UPDATE meta SET value = '1000' WHERE key = 'seconds'")
    await run(Books, args={"url": shop.url + "/"}, settings=fast)
    (after,) = runs(fast)
    assert (after.path, after.state, after.resumable) == (info.path, "ended", False)
    assert after.seconds is not None
    assert after.seconds > 1000


async def test_what_a_signal_stopped_is_interrupted(shop: Site, fast: dict[str, Any]) -> None:
    await run(Books, args={"url": shop.url + "/1"}, settings=fast)
    (info,) = runs(fast)
    record = msgspec.msgpack.encode(Ended(143, "interrupted by SIGTERM"))
    edit_store(info.path, "UPDATE meta SET value = '' WHERE key = 'ended'")
    edit_store(info.path, "UPDATE meta SET value = ? WHERE key = 'stopped'", record)
    (info,) = runs(fast)
    assert (info.state, info.exit_code, info.resumable) == ("interrupted", 143, True)


async def test_one_whose_outputs_are_not_in_place(shop: Site, fast: dict[str, Any], tmp_path: Path) -> None:
    await run(Books, args={"url": shop.url + "/1"}, settings=fast, output=str(tmp_path / "a.jsonl"))
    (info,) = runs(fast)
    assert info.outputs == (tmp_path / "a.jsonl",)
    assert info.partial == ()
    edit_store(info.path, "UPDATE meta SET value = '' WHERE key = 'published'")
    partial = tmp_path / "a.jsonl.partial"
    partial.write_text("{}")
    (info,) = runs(fast)
    assert (info.state, info.exit_code, info.resumable, info.partial) == ("unpublished", 0, False, (partial,))
    lock = FileLock(partial)
    assert info.partial == ()  # a crawl that runs is writing it
    lock.release()


async def test_one_that_was_killed(shop: Site, fast: dict[str, Any]) -> None:
    await run(Books, args={"url": shop.url + "/1"}, settings=fast)
    (info,) = runs(fast)
    edit_store(info.path, "UPDATE meta SET value = '' WHERE key = 'ended'")
    (info.path / "stats.json").unlink()
    (killed,) = runs(fast)
    assert (killed.state, killed.exit_code, killed.resumable, killed.pages) == ("killed", None, True, 1)


async def test_an_end_that_could_not_be_committed_is_taken_from_stats(shop: Site, fast: dict[str, Any]) -> None:
    """A disk that failed: stats.json says it, as long as it is of the last process that committed."""
    await run(Books, args={"url": shop.url + "/1"}, settings=fast)
    (info,) = runs(fast)
    edit_store(info.path, "UPDATE meta SET value = '' WHERE key = 'ended'")
    stats = json.loads((info.path / "stats.json").read_text())
    (info.path / "stats.json").write_text(json.dumps({**stats, "reason": "failed: disk full", "exit_code": 1}))
    (failed,) = runs(fast)
    assert (failed.state, failed.reason, failed.exit_code) == ("stopped", "failed: disk full", 1)
    assert failed.resumable
    assert failed.last is not None
    edit_store(info.path, "UPDATE meta SET value = ? WHERE key = 'time'", f"{failed.last + 60}".encode())
    (killed,) = runs(fast)
    assert (killed.state, killed.reason, killed.exit_code) == ("killed", "", None)


async def test_a_store_in_memory_leaves_only_its_end(shop: Site, fast: dict[str, Any]) -> None:
    settings = {**fast, "frontier": "memory"}
    await run(Books, args={"url": shop.url + "/1"}, settings=settings)
    await run(Books, args={"url": shop.url + "/"}, settings={**settings, "max_pages": 1})
    async with Crawl(Books, args={"url": shop.url + "/"}, settings=settings) as crawl:
        crawl.stop()
        await crawl.wait()
    stopped, limit, ended = runs(fast)
    assert (ended.state, ended.exit_code, ended.pages, ended.items) == ("ended", 0, 1, 1)
    assert (limit.state, limit.exit_code, limit.pending) == ("limit", 0, 4)
    assert (stopped.state, stopped.exit_code, stopped.resumable) == ("stopped", 4, False)
    assert not any(info.kept or info.outputs for info in (ended, limit, stopped))
    (stopped.path / "stats.json").unlink()
    killed = runs(fast)[0]
    assert (killed.state, killed.resumable, killed.pages) == ("killed", False, None)


async def test_one_that_runs(shop: Site, fast: dict[str, Any]) -> None:
    await run(Books, args={"url": shop.url + "/"}, settings=fast)
    await run(Books, args={"url": shop.url + "/", "shelf": "2"}, settings=fast)
    shop.pages["/1"] = waiting = _Waiting()
    async with Crawl(Books, args={"url": shop.url + "/"}, settings={**fast, "resume": "never"}) as crawl:
        await waiting.asked.wait()
        at_work, other, before = runs(fast)
        waiting.answer.set()
        await crawl.wait()
    assert [info.state for info in (at_work, other, before)] == ["running", "ended", "ended"]
    assert at_work.holder is not None
    assert (at_work.holder.pid, at_work.holder.host) == (os.getpid(), os.uname().nodename)
    assert (at_work.exit_code, at_work.resumable) == (None, False)
    assert runs(fast)[0].state == "ended"


async def test_the_one_at_work_is_the_one_that_was_started_last(shop: Site, fast: dict[str, Any]) -> None:
    for _ in range(2):
        await run(Books, args={"url": shop.url + "/1"}, settings={**fast, "resume": "never"})
    newer, older = runs(fast)
    for info in (newer, older):
        edit_store(info.path, "UPDATE meta SET value = '' WHERE key = 'ended'")
        (info.path / "stats.json").unlink()
    os.utime(older.path / "slots", (2e9, 2e9))  # as `--resume` of it does
    assert older.identity is not None
    with Lock(older.path.parent / f"{older.identity.digest}.lock", "books"):
        assert [info.state for info in runs(fast)] == ["killed", "running"]
    assert [info.state for info in runs(fast)] == ["killed", "killed"]


async def test_what_cannot_be_read_is_listed_with_the_reason(shop: Site, fast: dict[str, Any]) -> None:
    for _ in range(3):
        await run(Books, args={"url": shop.url + "/1"}, settings=fast)
    garbled, foreign, newer = (info.path for info in runs(fast))
    spider_dir = garbled.parent
    (garbled / "run.json").write_text("{")
    (foreign / "frontier.sqlite").write_bytes(b"no database, far from it" * 100)
    made_by = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps({**made_by, "schema": 99}))
    (spider_dir / "20200101-000000-abcd").mkdir()  # killed before its first file
    (spider_dir / "notes").mkdir()  # not ours
    (spider_dir / ".removed-20200101-000000-abcd-1234").mkdir()
    infos = {info.path.name: info for info in runs(fast)}
    assert set(infos) == {garbled.name, foreign.name, newer.name, "20200101-000000-abcd"}
    assert {info.state for info in infos.values()} == {"unreadable"}
    assert "run.json cannot be read" in infos[garbled.name].reason
    assert "is damaged or not a frontier" in infos[foreign.name].reason
    assert "newer version" in infos[newer.name].reason
    assert "has no run.json" in infos["20200101-000000-abcd"].reason


async def test_newest_first_some_of_them_and_of_one_spider(shop: Site, fast: dict[str, Any]) -> None:
    class Other(Books):
        name = "other"

    ids = [(await run(kind, args={"url": shop.url + "/1"}, settings=fast)).id for kind in (Books, Other, Books)]
    assert [info.path.name for info in runs(fast)] == ids[::-1]
    assert [info.path.name for info in runs(fast, "books")] == [ids[2], ids[0]]
    directories = spider_directories(Path(fast["runs_dir"]))
    found, count = history(directories, 1)
    assert ([info.path.name for info in found], count) == (ids[2:], 3)
    with pytest.raises(UsageError, match=r"no runs of a spider 'boks' in .*; there are books, other"):
        spider_directories(Path(fast["runs_dir"]), "boks")
    assert spider_directories(Path(fast["runs_dir"]) / "nowhere") == []


async def test_a_run_on_its_way_out_is_none_for_any_command(shop: Site, fast: dict[str, Any]) -> None:
    stays = await run(Books, args={"url": shop.url + "/1"}, settings=fast)
    goes = await run(Books, args={"url": shop.url + "/1"}, settings=fast)
    goes.path.rename(goes.path.with_name(f".removed-{goes.id}-1234"))
    assert find(Path(fast["runs_dir"]), "last").identity.id == stays.id
    with pytest.raises(UsageError):
        find(Path(fast["runs_dir"]), goes.id)


def test_looking_at_a_lock_never_gets_in_the_way_of_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    assert not is_held(path)
    ended = threading.Event()
    seen = [0, 0]

    def look() -> None:
        while not ended.is_set():
            seen[is_held(path)] += 1

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(500):
            with Lock(path, "x"):  # raises AlreadyRunning where a looker has it
                pass
    finally:
        ended.set()
        for looker in lookers:
            looker.join()
    assert min(seen) > 0


def test_a_lock_is_seen_while_it_is_held_and_not_in_a_child(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "x.lock")
    assert is_held(tmp_path / "x.lock")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"x")
        signal.pause()
    os.read(reader, 1)
    lock.release()
    try:
        assert not is_held(tmp_path / "x.lock")  # a child does not keep it
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_the_size_of_what_is_not_there() -> None:
    assert disk_bytes(Path("nothing")) == 0


class _Waiting:
    """A page that answers when the test says so."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def __call__(self, request: object) -> str:
        self.asked.set()
        await self.answer.wait()
        return page()
