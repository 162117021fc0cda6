"""Which page is charged when the process dies: the one whose code was executing, none that waited."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import commands
import pytest
from small_site import Site, page

from crawler.errors import StateError
from crawler.frontier import SQLiteFrontier
from crawler.frontier.recovery import load
from crawler.frontier.schema import connect_writer
from crawler.slots import Slots, read_slots

SPIDER = """
import asyncio, os, signal
from crawler import Spider, blocking
class Dying(Spider):
    name = "dying"
    start_urls = ["SITE/"]
    settings = {"commit_seconds": 0.01, "robots": False}
    async def parse(self, response):
        yield {"url": response.url}
        yield response.follow("/waits", self.waits)
        yield response.follow("/thread", self.thread)
        await asyncio.sleep(0.3)
        yield response.follow("/dies", self.dies)
    async def waits(self, response):
        await asyncio.sleep(WAIT)
        yield {"url": response.url}
    @blocking
    def thread(self, response):
        if "HOW" == "thread":
            os.kill(os.getpid(), signal.SIGKILL)
        return [{"url": response.url}]
    async def dies(self, response):
        await asyncio.sleep(0.01)
        if "HOW" == "callback":
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"url": response.url}
    def failed(self, request, error):
        self.count(error.kind)
"""


def deaths(path: Path) -> dict[str, int]:
    """URL to deaths, as a start would read them now."""
    (run,) = [found.parent for found in path.glob("runs/dying/*/run.json")]
    connection = connect_writer(run / "frontier.sqlite", durable=True)
    with contextlib.closing(connection):
        contents = load(connection, run / "frontier.sqlite")
        urls = dict(connection.execute("SELECT key, body FROM request"))
    return {str(urls[key]): n for key, n in contents.ledger.deaths.items()}


@pytest.mark.parametrize(("how", "page_"), [("callback", "dies"), ("thread", "thread")])
async def test_three_deaths_and_the_rest_unharmed(tmp_path: Path, site: Site, how: str, page_: str) -> None:
    for path in ("/", "/waits", "/thread", "/dies"):
        site.pages[path] = page()
    source = SPIDER.replace("SITE", site.url).replace("HOW", how)
    (tmp_path / "dying.py").write_text(source.replace("WAIT", "30"))
    for n in range(1, 5):
        if n == 4:
            (tmp_path / "dying.py").write_text(source.replace("WAIT", "0"))
        done = await asyncio.to_thread(commands.run, tmp_path, "run", "dying.py", "-q")
        assert done.returncode == (-signal.SIGKILL if n < 4 else 3), done.stderr
    assert f"{site.url}/{page_}: the process died while on this page (3 times)" in done.stderr
    (run,) = (tmp_path / "runs/dying").glob("*/run.json")
    lines = (run.parent / "items.jsonl").read_text().split()
    rest = {"/", "/waits", "/thread", "/dies"} - {f"/{page_}"}
    assert sorted(lines) == sorted(f'{{"url":"{site.url}{path}"}}' for path in rest)
    charged = deaths(tmp_path)
    assert list(charged.values()) == [3] and page_ in next(iter(charged)), "and none of those that waited"


def test_a_process_is_charged_once(tmp_path: Path) -> None:
    """A kill while the deaths are charged, before the slots are those of a new process."""
    slots = Slots(tmp_path / "slots")
    slots.memory[slots.first : slots.last] = b"k" * 16  # and the process is gone: nobody closes anything
    died = read_slots(tmp_path / "slots")
    assert died.keys == [b"k" * 16]

    async def charge() -> int:
        store = SQLiteFrontier(tmp_path / "f", durable=True, died=read_slots(tmp_path / "slots"))
        await store.open()
        n = store._ledger.deaths[b"k" * 16]
        await store.close()
        return n

    assert [asyncio.run(charge()) for _ in range(3)] == [1, 1, 1]
    again = Slots(tmp_path / "slots")
    again.enter(b"k" * 16)
    assert read_slots(tmp_path / "slots").epoch != died.epoch
    assert asyncio.run(charge()) == 2
    last = Slots(tmp_path / "slots")
    last.enter(b"k" * 16)
    last.close()
    last.leave()
    assert asyncio.run(charge()) == 2, "what ends in order has died on no page"


def test_slots_are_cleared_and_threads_have_their_own(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "slots")

    async def main() -> None:
        inside = asyncio.Event()

        def thread(key: bytes) -> list[bytes]:
            slots.enter(key)
            try:
                return read_slots(tmp_path / "slots").keys
            finally:
                slots.leave()

        assert slots.during(b"l" * 16, lambda: thread(b"l" * 16)) == [b"l" * 16] * 2  # the loop's and one of a thread
        assert await asyncio.to_thread(thread, b"t" * 16) == [b"t" * 16]
        inside.set()

    asyncio.run(main())
    assert read_slots(tmp_path / "slots").keys == []
    assert (tmp_path / "slots").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_not_ours_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "slots"
    Slots(path).close()
    whole = path.read_bytes()
    newer = whole[:8] + b"\x09" + whole[9:]
    for content in (b"", b"text", whole[:-1], newer):
        path.write_bytes(content)
        with pytest.raises(StateError, match=r"slots (is|was)"):
            read_slots(path)
        assert path.read_bytes() == content
