"""The inbox: commands that reach a live crawl, lie in wait for the next one, or are no commands at all."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from small_site import Site, page

from crawler import Request, Spider
from crawler.commit import Committer
from crawler.errors import AlreadyRunning, DiskError, StateError, UsageError
from crawler.frontier.inspect import contents, urls
from crawler.orders.amend import Given, amend
from crawler.runner import Crawl
from crawler.runs import RunDirectory, find
from crawler.runs.inbox import MAX_URLS, Add, Answer, Drop, Inbox, Unreadable, parts


class Walker(Spider):
    """Says which method got which page."""

    name = "walker"
    settings = {"retries": 0, "robots": False}
    base: str

    def start(self) -> Iterator[Request]:
        yield Request(f"{self.base}/hold")
        yield Request(f"{self.base}/")

    async def parse(self, response: Any) -> AsyncIterator[Any]:
        yield {"url": response.url, "by": "parse"}
        yield response.follow_all("a")

    async def special(self, response: Any) -> AsyncIterator[Any]:
        yield {"url": response.url, "by": "special"}

    async def needs(self, response: Any, word: str) -> AsyncIterator[Any]:
        yield {"url": response.url, "by": word}


class Live:
    """A crawl of `Walker` that goes on until `release`: /hold is not answered before."""

    def __init__(self, site: Site, settings: dict[str, Any]) -> None:
        self.site = site
        self.settings = settings
        self.released = asyncio.Event()
        self.run: RunDirectory

        async def hold(request: Any) -> str:
            await self.released.wait()
            return page()

        site.pages |= {"/hold": hold, "/": page("/a", "/b"), "/a": page(), "/b": page(), "/new": page()}
        site.pages |= {f"/later/{n}": page() for n in range(5)}

    def crawl(self, **more: Any) -> Crawl[Any]:
        return Crawl(Walker, args={"base": self.site.url}, settings={**self.settings, **more})

    async def __aenter__(self) -> Live:
        self._crawl = self.crawl()
        await self._crawl.__aenter__()
        self.run = find(Path(self.settings["runs_dir"]), "last")
        await until(lambda: self.site.hits["/b"] > 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.released.set()
        self.end = await self._crawl.wait()
        await self._crawl.__aexit__(None, None, None)

    def items(self) -> dict[str, str]:
        path = self.run.items
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert len({row["url"] for row in rows}) == len(rows)
        return {row["url"].removeprefix(self.site.url): row["by"] for row in rows}


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


async def give(run: RunDirectory, *commands: Any, **more: Any) -> Given:
    warnings: list[str] = []
    given = await amend(run, commands, warnings.append, **more)
    assert not warnings
    return given


def states(run: RunDirectory) -> dict[str, int]:
    return {state: n for state, n in contents(run.frontier).states.items() if n}


def skipped(run: RunDirectory) -> list[dict[str, str]]:
    return [json.loads(line) for line in run.skipped.read_text().splitlines()] if run.skipped.exists() else []


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.orders.live._POLL", 0.05)
    monkeypatch.setattr("crawler.orders.amend._LOOK", 0.01)


@pytest.fixture
def live(site: Site, fast: dict[str, Any]) -> Live:
    return Live(site, fast)


@pytest.fixture
async def rest(live: Live) -> RunDirectory:
    """A run that was stopped with /hold and five seeds more pending."""
    crawl = live.crawl(grace=0.1, concurrency=1)
    async with crawl:
        await until(lambda: live.site.hits["/hold"] > 0 and crawl.stats().known == 2)
        run = find(Path(live.settings["runs_dir"]), "last")
        crawl.stop()
        await asyncio.sleep(0)
        crawl._end_now()
        await crawl.wait()
    assert states(run) == {"pending": 2}
    return run


# -- a crawl that is at work


async def test_a_live_crawl_adds_and_says_what_it_knew_and_what_a_rule_refuses(live: Live) -> None:
    base = live.site.url
    live.settings["allowed_domains"] = ["127.0.0.1"]
    async with live as crawl:
        wanted = [f"{base}/new", f"{base}/new", f"{base}/a#part", "https://elsewhere.example/", "no url"]
        given = await give(crawl.run, Add(wanted, "special", 3))
        assert given.left == 0
        answer = given.answer
        assert (answer.added, answer.known, answer.error) == (1, 2, "")
        assert answer.refused == {"domain": 1, "bad-url": 1}
        assert "elsewhere.example is not in allowed_domains" in answer.details["domain"]
        await until(lambda: live.site.hits["/new"])
        await until(lambda: not list(Inbox(crawl.run).path.glob("*-*")))  # command and answer are gone
    assert live.items()["/new"] == "special"
    assert live.end.exit_code == 0
    assert [(row["url"], row["reason"]) for row in skipped(crawl.run) if row["reason"] == "domain"] == [
        ("https://elsewhere.example/", "domain")
    ]


@pytest.mark.parametrize(
    ("callback", "says"),
    [
        ("speical", "Walker has no callback 'speical'; did you mean special?"),
        ("needs", "Walker.needs"),
        ("start", "Walker.start"),
        ("fetch", "Walker has no callback 'fetch'"),
        ("__init__", "Walker has no callback '__init__'"),
        ("base", "Walker has no callback 'base'"),
    ],
)
async def test_a_callback_that_cannot_get_a_response_is_refused(live: Live, callback: str, says: str) -> None:
    async with live as crawl:
        given = await give(crawl.run, Add([f"{live.site.url}/new"], callback))
        assert says in given.answer.error
        assert "\n" not in given.answer.error
    assert live.site.hits["/new"] == 0


async def test_a_live_crawl_drops_what_is_pending_and_not_what_it_fetches(live: Live) -> None:
    live.settings["concurrency"] = 1  # what /hold keeps
    live.settings["delay"] = 0
    live.site.pages["/"] = page()
    crawl = live.crawl()
    async with crawl:
        await until(lambda: live.site.hits["/hold"])
        run = find(Path(live.settings["runs_dir"]), "last")
        await give(run, Add([f"{live.site.url}/later/{n}" for n in range(5)]))
        answer = (await give(run, Drop(f"{live.site.url}/later/[0-2]"))).answer
        assert (answer.dropped, answer.in_flight) == (3, 0)
        answer = (await give(run, Drop("/(hold|later/3)$", regex=True))).answer
        assert (answer.dropped, answer.in_flight) == (1, 1)
        assert (await give(run, Drop("*/later/[0-3]"))).answer.dropped == 0
        assert states(run) == {"pending": 3, "skipped": 4}
        live.released.set()
        end = await crawl.wait()
    assert [live.site.hits[f"/later/{n}"] for n in range(5)] == [0, 0, 0, 0, 1]
    assert live.site.hits["/hold"] == 1
    assert end.stats.counters["skipped/dropped"] == 4
    assert end.stats.counters["pages"] == 3
    assert (end.exit_code, states(run)) == (0, {"done": 3, "skipped": 4})
    rows = [row for row in skipped(run) if row["reason"] == "dropped"]
    assert sorted(row["url"][-1] for row in rows) == ["0", "1", "2", "3"]
    assert "by a command" in rows[0]["detail"]


async def test_what_is_accepted_and_not_committed_yet_is_dropped_too(live: Live) -> None:
    live.settings |= {"commit_seconds": 30.0, "concurrency": 2}
    live.site.pages |= {"/": page("/hold?2", "/later/1")}
    async with live.crawl() as crawl:
        await until(lambda: live.site.hits["/hold?2"])
        run = find(Path(live.settings["runs_dir"]), "last")
        assert (await give(run, Drop("*/later/1"))).answer.dropped == 1
        live.released.set()
        await crawl.wait()
    assert live.site.hits["/later/1"] == 0


async def test_a_retry_that_waits_for_its_time_is_dropped_for_good(live: Live) -> None:
    live.settings |= {"retries": 2, "retry_wait": 1.0, "retry_wait_max": 1.0}
    tries = 0

    async def down(request: Any) -> Any:
        nonlocal tries
        tries += 1
        from aiohttp import web

        return web.Response(status=503)

    live.site.pages["/a"] = down
    async with live as crawl:
        await until(lambda: states(crawl.run).get("waiting"))
        assert list(urls(crawl.run.frontier, "waiting")) == [f"{live.site.url}/a"]
        assert (await give(crawl.run, Drop("*/a"))).answer.dropped == 1
    assert (tries, states(crawl.run)["skipped"]) == (1, 1)
    assert live.end.exit_code == 0


async def test_a_long_list_passes_in_parts_while_the_crawl_works(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.runs.inbox.MAX_URLS", 40)
    ahead = 0

    def listed() -> Iterator[str]:
        nonlocal ahead
        for n in range(1000):
            yield f"{live.site.url}/list/{n}"
            ahead = max(ahead, len(Inbox(live.run).waiting()))

    live.settings["max_pages"] = 20
    async with live as crawl:
        given = await amend(crawl.run, parts(listed()), print)
        assert (given.answer.added, given.left) == (1000, 0)
        assert 0 < ahead <= 8, "no more lies there than is needed to keep the crawl busy"


async def test_a_command_that_was_taken_is_finished_before_the_crawl_ends(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue runs empty while the command's first commit is awaited."""
    waits = asyncio.Event()
    flush = Committer.flush

    async def slow(committer: Committer, *, force: bool = False) -> None:
        if live.run and asyncio.current_task().get_name() == "orders":  # type: ignore[union-attr]
            waits.set()
            await asyncio.sleep(0.3)
        await flush(committer, force=force)

    async with live as crawl:
        monkeypatch.setattr(Committer, "flush", slow)
        giving = asyncio.create_task(give(crawl.run, Drop("nothing"), Add([f"{live.site.url}/new"])))
        await waits.wait()
        live.released.set()  # the last page
        given = await giving
    assert given.answer.added == 1
    assert live.items()["/new"] == "parse"


# -- a crawl that is not there


async def test_a_run_at_rest_is_changed_at_once_and_goes_on_with_that(live: Live, rest: RunDirectory) -> None:
    base = live.site.url
    answer = (await give(rest, Add([f"{base}/new", f"{base}/later/1", f"{base}/"], "special"))).answer
    assert (answer.added, answer.known) == (2, 1)
    answer = (await give(rest, Drop("*/hold"), Drop("*/later/*"))).answer
    assert answer.dropped == 2
    assert states(rest) == {"pending": 2, "skipped": 2}
    assert not list(rest.path.glob("inbox/*-*"))
    live.released.set()
    async with live.crawl() as crawl:
        end = await crawl.wait()
    assert (end.path, end.exit_code) == (rest.path, 0)
    assert (live.site.hits["/hold"], live.site.hits["/later/1"], live.site.hits["/new"]) == (1, 0, 1)
    live.run = rest
    assert live.items() == {"/": "parse", "/a": "parse", "/b": "parse", "/new": "special"}
    assert end.stats.counters["skipped/dropped"] == 2
    with pytest.raises(UsageError, match=r"has ended \(complete\).*--resume walker/"):
        await give(rest, Add([f"{base}/more"]))


async def test_a_rule_of_the_last_process_holds_at_rest(live: Live) -> None:
    live.settings["allowed_domains"] = ["127.0.0.1"]
    crawl = live.crawl(grace=0.1)
    async with crawl:
        await until(lambda: live.site.hits["/b"])
        run = find(Path(live.settings["runs_dir"]), "last")
        crawl.stop()
        await asyncio.sleep(0)
        crawl._end_now()
        await crawl.wait()
    answer = (await give(run, Add(["https://elsewhere.example/"]))).answer
    assert (answer.added, answer.refused) == (0, {"domain": 1})
    assert [row["url"] for row in skipped(run)] == ["https://elsewhere.example/"]
    answer = (await give(run, Add([f"{live.site.url}/new"], "speical"))).answer
    assert "did you mean special?" in answer.error
    assert (await give(run, Drop("(", regex=True))).answer.error.startswith("'(' is no regular expression")


async def test_what_lies_in_the_inbox_at_a_start_comes_first(live: Live, rest: RunDirectory) -> None:
    inbox = Inbox(rest)
    inbox.put(Drop("*/hold"))
    inbox.put(Add([f"{live.site.url}/hold?again", f"{live.site.url}/new"], "special"))
    name = inbox.put(Drop("*/hold?again"))
    live.site.hits.clear()
    async with live.crawl() as crawl:
        end = await crawl.wait()
    assert (end.path, end.exit_code) == (rest.path, 0)
    assert live.site.hits["/hold"] + live.site.hits["/hold?again"] == 0, "dropped before anything was handed out"
    assert live.site.hits["/new"] == 1
    answer = inbox.take_answer(name)
    assert answer is not None
    assert answer.dropped == 1


async def test_what_lies_in_the_inbox_comes_before_what_is_given_at_rest(live: Live, rest: RunDirectory) -> None:
    inbox = Inbox(rest)
    first = inbox.put(Add([f"{live.site.url}/later/1"]))
    assert (await give(rest, Drop("*/later/*"))).answer.dropped == 1
    answer = inbox.take_answer(first)
    assert answer is not None
    assert answer.added == 1


async def test_a_command_that_was_committed_and_not_answered_changes_nothing_more(
    live: Live, rest: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox(rest)
    name = inbox.put(Add([f"{live.site.url}/later/1", f"{live.site.url}/later/2"]))
    dropping = inbox.put(Drop("*/later/1"))

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "answer", killed)
        with pytest.raises(KeyboardInterrupt):
            await give(rest)
    assert inbox.waiting() == [name, dropping]
    await give(rest)
    answers = [inbox.take_answer(each) for each in (name, dropping)]
    assert [(a.added, a.known, a.dropped) for a in answers if a is not None] == [(0, 2, 0), (0, 0, 1)]
    assert states(rest) == {"pending": 3, "skipped": 1}


async def test_a_crawl_that_ends_before_it_answers_leaves_the_rest_to_who_asked(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped while commands lie in its inbox: they are carried out where it left the run."""
    monkeypatch.setattr("crawler.orders.live._POLL", 60)
    base = live.site.url
    crawl = live.crawl(grace=0.1)
    async with crawl:
        await until(lambda: live.site.hits["/b"])
        run = find(Path(live.settings["runs_dir"]), "last")
        giving = asyncio.create_task(give(run, *(Add([f"{base}/later/{n}"]) for n in range(5))))
        await until(lambda: len(Inbox(run).waiting()) == 5)
        crawl.stop()
        await asyncio.sleep(0)
        crawl._end_now()
        end = await crawl.wait()
    given = await giving
    assert (given.answer.added, given.left, end.exit_code) == (5, 0, 4)
    assert f"5 of the commands in {Inbox(run).path} are not carried out" in " ".join(end.stats.warnings)
    assert states(run)["pending"] == 6


async def test_who_gets_no_answer_is_told_that_the_command_lies_there(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.orders.live._POLL", 60)
    async with live as crawl:
        given = await give(crawl.run, Add([f"{live.site.url}/new"]), patience=0.2)
        assert (given.left, len(Inbox(crawl.run).waiting())) == (1, 1)


async def test_another_run_of_the_same_spider_and_arguments_is_not_taken_for_this_one(
    live: Live, rest: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.orders.amend._STARTING", 0.1)
    live.settings["resume"] = "never"
    async with live as crawl:
        assert crawl.run.path != rest.path
        with pytest.raises(AlreadyRunning, match="works on another run"):
            await give(rest, Drop("*"))
    assert states(rest) == {"pending": 2}


# -- what is no command


async def test_what_is_no_command_is_set_aside_and_said(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async with live as crawl:
        inbox = Inbox(crawl.run)
        garbage = inbox.put(Drop("x"))  # a name of ours; its content is replaced before anybody looks
        (inbox.path / "notes.txt").write_text("hello")
        (inbox.path / "a.cmd").write_bytes(b"\x80")
        (inbox.path / f"{garbage}.cmd").write_bytes(b"\x93garbage")
        newer = {"command": "add", "urls": [], "version": 2}
        (inbox.path / f"{'1' * 19}-{'0' * 8}.cmd").write_bytes(msgspec.msgpack.encode(newer))
        (inbox.path / f"{'2' * 19}-{'0' * 8}.cmd").mkdir()
        os.mkfifo(inbox.path / f"{'3' * 19}-{'0' * 8}.cmd")
        (inbox.path / f"{'4' * 19}-{'0' * 8}.cmd").symlink_to("/etc/hostname")
        await until(lambda: len(list(inbox.path.glob("*.bad"))) == 7)
        assert (await give(crawl.run, Add([f"{live.site.url}/new"]))).answer.added == 1, "it goes on listening"
        with pytest.raises(StateError, match="set it aside"):
            inbox.take_answer(garbage)
    warnings = "\n".join(live.end.stats.warnings)
    for file in ("notes.txt", "a.cmd", f"{garbage}.cmd"):
        assert f"{inbox.path / file} is set aside as {file}.bad" in warnings
    assert "newer version of crawler" in warnings
    assert live.end.exit_code == 0


async def test_an_inbox_that_others_may_write_to_is_not_read(live: Live, rest: RunDirectory) -> None:
    inbox = Inbox(rest)
    inbox.put(Add([f"{live.site.url}/new"]))
    assert (inbox.path.stat().st_mode & 0o777, next(inbox.path.glob("*.cmd")).stat().st_mode & 0o777) == (0o700, 0o600)
    inbox.path.chmod(0o777)
    with pytest.raises(StateError, match="nobody else may write"):
        inbox.put(Drop("x"))
    live.released.set()
    async with live.crawl() as crawl:
        end = await crawl.wait()
    assert live.site.hits["/new"] == 0
    assert "no commands are taken" in " ".join(end.stats.warnings)
    assert end.exit_code == 0


async def test_an_answer_that_cannot_be_written_does_not_repeat_the_command(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(inbox: Inbox, name: str, answer: Answer) -> None:
        raise OSError(28, "No space left on device")

    async with live as crawl:
        monkeypatch.setattr(Inbox, "answer", full)
        await give(crawl.run, Drop("*/hold"), patience=0.4)
    said = [text for text in live.end.stats.warnings if "not answered" in text]
    assert len(said) == 1
    assert "No space left" in said[0]


# -- the directory itself


def test_commands_keep_their_order_and_their_content(tmp_path: Path) -> None:
    inbox = Inbox(RunDirectory(tmp_path, None))  # type: ignore[arg-type]  # only its path is used
    commands = [Add(["https://a.example/é"], "parse_x", -3), Drop("*", regex=True), Add(["b:\udc80"[:2]])]
    names = [inbox.put(command) for command in commands]
    assert inbox.waiting() == names == sorted(names)
    assert [inbox.read(name) for name in names] == commands
    inbox.answer(names[1], Answer(dropped=3, refused={"domain": 2}))
    assert inbox.waiting() == [names[0], names[2]]
    assert inbox.take_answer(names[1]) == Answer(dropped=3, refused={"domain": 2})
    assert inbox.take_answer(names[1]) is None
    assert inbox.take_answer(names[0]) is None


def test_an_answered_command_is_cleared_away(tmp_path: Path) -> None:
    """A kill between the answer and the removal of the command."""
    inbox = Inbox(RunDirectory(tmp_path, None))  # type: ignore[arg-type]
    name = inbox.put(Drop("*"))
    content = (inbox.path / f"{name}.cmd").read_bytes()
    inbox.answer(name, Answer(dropped=1))
    (inbox.path / f"{name}.cmd").write_bytes(content)
    assert inbox.waiting() == []
    assert inbox.take_answer(name) == Answer(dropped=1)
    assert not (inbox.path / f"{name}.cmd").exists()


def test_a_look_costs_a_stat_and_misses_nothing(tmp_path: Path) -> None:
    inbox, sender = (Inbox(RunDirectory(tmp_path, None)) for _ in range(2))  # type: ignore[arg-type]
    inbox.changed()
    assert not inbox.changed()
    sender.put(Drop("a"))
    assert inbox.changed()
    before = inbox.path.stat()
    sender.put(Drop("b"))  # in the same tick of the file system's clock
    os.utime(inbox.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert inbox.changed()
    assert not inbox.changed()


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    inbox = Inbox(RunDirectory(tmp_path, None))  # type: ignore[arg-type]
    name = inbox.put(Add(["x" * 5_000_000]))
    with pytest.raises(Unreadable, match="larger than"):
        inbox.read(name)


def test_a_list_is_cut_by_number_and_by_size() -> None:
    assert [len(part.urls) for part in parts(iter(["u"] * (2 * MAX_URLS + 1)))] == [MAX_URLS, MAX_URLS, 1]
    assert [len(part.urls) for part in parts(iter(["u" * 600_000] * 5))] == [2, 2, 1]
    assert list(parts(iter([]))) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    inbox = Inbox(RunDirectory(tmp_path / "file", None))  # type: ignore[arg-type]
    with pytest.raises(DiskError, match="cannot write in"):
        inbox.put(Drop("*"))
