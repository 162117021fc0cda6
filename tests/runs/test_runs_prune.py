"""Which runs go, and which never do. The runs are real stores that no crawl had to fill."""

from __future__ import annotations

import errno
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.contracts import Group
from crawler.errors import CrawlerError
from crawler.frontier import SQLiteFrontier
from crawler.runs import Identity, Lock, RunDirectory
from crawler.runs import prune as pruning
from crawler.runs.choose import Ended
from crawler.runs.directory import all_runs
from crawler.runs.history import RunInfo, history, spider_directories
from crawler.runs.prune import Plan, Rules, carry_out, plan, sweep

DAY = 86400.0


class Shelf:
    """A runs directory; runs are named by letters, the later the newer: one hour between them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def add(self, name: str, end: Ended | None, *, spider: str = "books", **more: Any) -> RunDirectory:
        """A run with a store. `end`: None for one that was killed, code 4 for one that stopped."""
        created = more.get("created", time.time() - DAY + ord(name) * 3600.0 / 100)
        identity = Identity(name, spider, more.get("args", {}), created, 1, {})
        run = RunDirectory.create(self.root / spider, identity)
        meta = {"time": f"{more.get('last', created)}".encode(), **more.get("meta", {})}
        if end is not None:
            meta["stopped" if end.code not in (0, 3) else "ended"] = msgspec.msgpack.encode(end)
            meta["published"] = b"1" if more.get("published", True) else b""
        store = SQLiteFrontier(run.frontier, durable=False)
        await store.open()
        await store.commit(Group(1, [], 0, meta))
        await store.close()
        (run.path / "ballast").write_bytes(b"x" * more.get("size", 0))
        return run

    async def fill(self, names: str, **more: Any) -> None:
        for name in names:
            await self.add(name, ENDED, **more)

    def runs(self) -> list[RunInfo]:
        return history(spider_directories(self.root))[0]

    def plan(self, **rules: Any) -> Plan:
        return plan(self.runs(), Rules(**rules))

    def prune(self, **rules: Any) -> pruning.Done:
        return carry_out(self.plan(**rules).removals, Rules(**rules))

    @property
    def names(self) -> str:
        """The runs that are there, as one word, oldest first."""
        return "".join(info.path.name for info in reversed(self.runs()))


ENDED, BAD, STOPPED = Ended(0, "complete"), Ended(3, "half of it failed"), Ended(4, "stopped")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "runs")


def gone(plan: Plan) -> str:
    return "".join(removal.run.path.name for removal in plan.removals)


async def test_by_number_of_each_spider_and_arguments(shelf: Shelf) -> None:
    await shelf.fill("abcd")
    await shelf.fill("efg", args={"shelf": "2"})
    await shelf.fill("hi", spider="other")
    planned = shelf.plan(keep=2)
    assert gone(planned) == "abe"
    assert {removal.rule for removal in planned.removals} == {"keep"}
    assert shelf.names == "abcdefghi"  # a plan changes nothing
    done = shelf.prune(keep=2)
    assert ("".join(removal.run.path.name for removal in done.removed), shelf.names) == ("abe", "cdfghi")
    assert done.bytes == planned.bytes > 0
    assert not done.problems
    assert not list(shelf.root.glob("*/.*"))


async def test_by_the_last_sign_of_life(shelf: Shelf) -> None:
    now = time.time()
    await shelf.add("a", BAD, created=now - 40 * DAY, last=now - 2 * DAY)  # began long ago, was gone on with
    await shelf.add("b", BAD, created=now - 39 * DAY, last=now - 31 * DAY)
    await shelf.add("c", BAD, created=now - DAY)
    assert gone(shelf.plan(older_than=30 * DAY)) == "b"
    assert gone(shelf.plan(older_than=1.5 * DAY)) == "ab"
    assert gone(shelf.plan(older_than=50 * DAY)) == ""


async def test_by_size_the_oldest_first_and_no_more_than_needed(shelf: Shelf) -> None:
    await shelf.fill("abcd", size=1 << 20)
    one = shelf.plan().left // 4
    planned = shelf.plan(max_bytes=int(2.5 * one))
    assert gone(planned) == "ab"
    assert planned.left <= 2.5 * one
    assert gone(shelf.plan(max_bytes=5 * one)) == ""
    least = shelf.plan(max_bytes=0)
    assert (gone(least), [kept.why for kept in least.kept]) == ("abc", ["the newest that ended well"])
    assert least.left > 1 << 20


async def test_each_rule_says_on_its_own_what_goes(shelf: Shelf) -> None:
    now = time.time()
    await shelf.fill("abcd", created=now - DAY)
    await shelf.add("e", BAD, created=now - 9 * DAY)
    planned = shelf.plan(keep=4, older_than=5 * DAY, max_bytes=0)
    assert {removal.run.path.name: removal.rule for removal in planned.removals} == {
        "e": "keep", "a": "max_bytes", "b": "max_bytes", "c": "max_bytes",
    }  # fmt: skip
    assert gone(shelf.plan()) == ""


async def test_the_newest_that_ended_well_stays_behind_newer_ones_that_did_not(shelf: Shelf) -> None:
    await shelf.fill("ab")
    await shelf.add("c", BAD)
    await shelf.add("d", BAD)
    done = shelf.prune(keep=0)
    assert shelf.names == "b"
    assert not done.kept


async def test_one_with_a_store_stays_behind_newer_ones_without(shelf: Shelf) -> None:
    """A next run takes its state from the newest that has any."""
    await shelf.fill("abc")
    (run,) = [run for run in shelf.runs() if run.path.name == "c"]
    (run.path / "frontier.sqlite").unlink()
    stats = {"state": "ended", "reason": "complete", "exit_code": 0, "started": run.started, "seconds": 1}
    (run.path / "stats.json").write_bytes(msgspec.json.encode(stats))
    shelf.prune(keep=0)
    assert shelf.names == "bc"


async def test_what_can_go_on_stays_unless_it_is_said(shelf: Shelf) -> None:
    await shelf.add("a", STOPPED)
    await shelf.add("b", None)
    await shelf.fill("c")
    planned = shelf.plan(keep=1)
    assert gone(planned) == ""
    assert {kept.why for kept in planned.kept} == {"it can go on: --include-unfinished"}
    shelf.prune(keep=1, unfinished=True)
    assert shelf.names == "c"


async def test_what_is_not_published_stays(shelf: Shelf) -> None:
    await shelf.add("a", ENDED, published=False)
    await shelf.fill("b")
    shelf.prune(keep=0, unfinished=True)
    assert shelf.names == "ab"


async def test_what_cannot_be_read_stays_and_counts_by_its_size(shelf: Shelf) -> None:
    await shelf.fill("abc", size=1 << 20)
    (shelf.root / "books/a/run.json").write_text("{")
    (shelf.root / "books/b/frontier.sqlite").write_bytes(b"x" * 4096)
    planned = shelf.plan(keep=0, older_than=0.0, max_bytes=0, unfinished=True)
    assert gone(planned) == ""
    assert sorted(kept.run.path.name for kept in planned.kept) == ["a", "b", "c"]
    assert planned.left > 3 << 20


async def test_a_copy_and_its_original(shelf: Shelf) -> None:
    """A copy is somebody's; and it does not stand for the original, which would go then."""
    await shelf.fill("ab")
    shutil.copytree(shelf.root / "books/b", shelf.root / "books/b-before")
    planned = shelf.plan(keep=0)
    assert gone(planned) == "a"
    assert {kept.run.path.name: kept.why for kept in planned.kept} == {
        "b": "the newest that ended well",
        "b-before": "it is a copy of books/b",
    }


async def test_links_are_not_followed(shelf: Shelf, tmp_path: Path) -> None:
    await shelf.fill("abc")
    elsewhere = tmp_path / "elsewhere"
    (shelf.root / "books/a").rename(elsewhere)
    (shelf.root / "books/a").symlink_to(elsewhere)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    (shelf.root / "books/b/link").symlink_to(precious)
    shelf.prune(keep=0)
    assert shelf.names == "ac"
    assert (elsewhere / "frontier.sqlite").exists()
    assert (precious / "file").exists()
    moved = tmp_path / "moved"
    await shelf.fill("de")
    (shelf.root / "books").rename(moved)
    (shelf.root / "books").symlink_to(moved)
    assert {kept.why for kept in shelf.plan(keep=0).kept} >= {"books is a symbolic link"}
    shelf.prune(keep=0)
    assert shelf.names == "acde"


async def test_outputs_stay(shelf: Shelf, tmp_path: Path) -> None:
    inside = shelf.root / "books/b/export.csv"
    await shelf.add("a", STOPPED, meta={f"output/{tmp_path}/a.csv": b"-", f"output/my.Sink {tmp_path}/s.db": b"-"})
    await shelf.add("b", ENDED, meta={f"output/{inside}": b"-"})
    await shelf.fill("c")
    inside.write_text("x")
    for name in ("a.csv", "a.csv.partial", "s.db.partial"):
        (tmp_path / name).write_text("x")
    done = shelf.prune(keep=0, unfinished=True)
    assert shelf.names == "bc"
    assert sorted(done.partial) == [tmp_path / "a.csv.partial", tmp_path / "s.db.partial"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.csv.partial", "runs", "s.db.partial"]


async def test_nothing_but_runs_is_touched(shelf: Shelf) -> None:
    await shelf.fill("abc")
    (shelf.root / "books/hash.key").write_bytes(b"k" * 32)
    (shelf.root / "books/notes").mkdir()
    (shelf.root / "notes.txt").write_text("x")
    shelf.prune(keep=1, older_than=0.0, max_bytes=0, unfinished=True)
    lock = next((shelf.root / "books").glob("*.lock")).name
    assert sorted(path.name for path in (shelf.root / "books").iterdir()) == sorted(["c", "hash.key", lock, "notes"])
    assert (shelf.root / "notes.txt").exists()


async def test_nothing_goes_while_a_crawl_of_the_same_kind_runs(shelf: Shelf) -> None:
    await shelf.fill("abc")
    await shelf.fill("de", args={"shelf": "2"})
    runs = {run.path.name: run for run in shelf.runs()}
    identity = runs["a"].identity
    assert identity is not None
    planned = shelf.plan(keep=1)
    with Lock(shelf.root / f"books/{identity.digest}.lock", "spider 'books'"):
        done = carry_out(planned.removals, Rules(keep=1))
    assert shelf.names == "abce"
    assert {kept.run.path.name for kept in done.kept} == {"a", "b"}
    assert all("is running already: process" in kept.why for kept in done.kept)
    (shelf.root / "books/c/frontier.sqlite").unlink()  # the newest has not ended
    with Lock(shelf.root / f"books/{identity.digest}.lock", "spider 'books'"):
        planned = shelf.plan(keep=0)
    assert gone(planned) == ""
    assert {kept.run.path.name: kept.why for kept in planned.kept} == {
        "a": "a crawl of the same spider and arguments is running",
        "b": "the newest that ended well",
        "c": "it is running",
        "e": "the newest that ended well",
    }


async def test_what_protects_is_looked_at_again_under_the_lock(shelf: Shelf) -> None:
    """Between the plan and its doing a crawl went on with b, whose limit was raised: a is what is left of good ones."""
    await shelf.fill("ab")
    await shelf.add("c", BAD)
    planned = shelf.plan(keep=0)
    assert gone(planned) == "ac"
    shutil.rmtree(shelf.root / "books/b")
    await shelf.add("b", None)
    done = carry_out(planned.removals, Rules(keep=0))
    assert shelf.names == "ab"
    assert [(kept.run.path.name, kept.why) for kept in done.kept] == [("a", "the newest that ended well")]


async def test_another_prune_was_faster(shelf: Shelf) -> None:
    await shelf.fill("abc")
    planned = shelf.plan(keep=1)
    shelf.prune(keep=1)
    done = carry_out(planned.removals, Rules(keep=1))
    assert not (done.removed or done.kept or done.problems)


async def test_a_prune_that_dies_leaves_no_half_run_and_the_next_one_sweeps(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shelf.fill("abc")
    spider_dir = shelf.root / "books"

    def die(path: Path) -> None:
        (path / "frontier.sqlite").unlink()
        raise OSError(errno.EIO, "the disk died")

    with monkeypatch.context() as dying:
        dying.setattr(shutil, "rmtree", die)
        done = shelf.prune(keep=1)
    assert len(done.problems) == 2
    assert "is no run any more" in done.problems[0]
    assert not done.removed
    assert shelf.names == "c"
    assert [run.identity.id for run in all_runs(spider_dir)] == ["c"]
    left = sorted(spider_dir.glob(".removed-*"))
    assert [path.name[:11] for path in left] == [".removed-a-", ".removed-b-"]
    (spider_dir / ".removed-link").symlink_to(spider_dir / "c")
    assert sweep([spider_dir]) == []
    assert not any(path.exists() for path in left)
    assert shelf.names == "c"


async def test_a_crawl_may_begin_while_files_are_deleted(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    await shelf.fill("abc")
    identity = shelf.runs()[0].identity
    assert identity is not None
    remove, free = shutil.rmtree, []

    def look_and_remove(path: Path) -> None:
        try:
            with Lock(shelf.root / f"books/{identity.digest}.lock", "books"):
                free.append(path.name)
        except CrawlerError:
            pass
        remove(path)

    monkeypatch.setattr(shutil, "rmtree", look_and_remove)
    shelf.prune(keep=1)
    assert len(free) == 2
