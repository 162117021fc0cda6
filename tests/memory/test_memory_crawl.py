"""Crawls that take too much memory, by the command: they slow down, end with 4 and go on."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from small_site import Site

ROOT = Path(__file__).parents[2]
MIB = 2**20
LIMIT = 220 * MIB
PAGES = 60
EACH = 6 * MIB

SPIDER = f"""
import asyncio, gc, os
from crawler import Request, Spider

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

class Hog(Spider):
    name = "hog"
    url: str
    how: str = "keep"

    async def start(self):
        for n in range({PAGES}):
            yield Request(f"{{self.url}}/{{n}}")
        if self.how == "keep":
            yield Request(self.url + "/waits", priority=1)

    async def opened(self):
        self.kept = []
        if self.how == "garbage":
            gc.disable()
        if self.how == "nearly":
            self.kept.append(b"x" * (int(0.88 * {LIMIT}) - resident()))
            await asyncio.sleep(1.5)  # longer than the longest pause between two looks

    async def parse(self, response):
        if self.how == "keep":
            self.kept.append(b"x" * {EACH})
        if self.how == "garbage":
            circle = [b"x" * {EACH}]
            circle.append(circle)
        yield {{"url": response.url}}
"""

SCOPE = ["systemd-run", "--scope", "--quiet", "--collect", "-p", f"MemoryMax={LIMIT}", "-p", "MemorySwapMax=0", "--"]
CEILINGS = [
    pytest.param([], ["-s", f"memory_limit={LIMIT}"], "memory_limit", id="own"),
    pytest.param(
        SCOPE, [], "memory.max", id="control group",
        marks=pytest.mark.skipif(
            not Path("/run/systemd/system").is_dir() or os.geteuid() != 0,
            reason="a control group of its own comes from systemd, for root",
        ),
    ),
]  # fmt: skip


@pytest.fixture
def pages(site: Site, tmp_path: Path) -> Site:
    async def answer(request: web.Request) -> str:
        await asyncio.sleep(0.05)
        return "a page"

    for n in range(PAGES):
        site.pages[f"/{n}"] = answer
    (tmp_path / "hog.py").write_text(SPIDER)
    return site


async def crawl(work: Path, url: str, *args: str, before: list[str] | None = None) -> tuple[int, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("CRAWLER_")}
    command = [*(before or []), sys.executable, "-m", "crawler", "run", "hog.py", "-a", f"url={url}", *args]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=work,
        env=env | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(("before", "limit", "source"), CEILINGS)
async def test_out_of_memory_it_ends_and_a_higher_limit_goes_on(
    pages: Site, tmp_path: Path, before: list[str], limit: list[str], source: str
) -> None:
    answered = asyncio.Event()

    async def waits(request: web.Request) -> str:
        await answered.wait()
        return "late"

    pages.pages["/waits"] = waits
    patient = ["--concurrency", "4", "-s", "timeout=1000", "-s", "timeout_sock_read=1000"]
    code, said = await crawl(tmp_path, pages.url, *limit, *patient, "-o", "a.jsonl", before=before)
    assert code == 4, said
    assert "Traceback" not in said
    assert "of 220 MiB (" in said and source in said
    assert "raise the limit or lower concurrency, and run it again to go on" in said
    assert not (tmp_path / "a.jsonl").exists()
    assert 0 < sum(pages.hits[f"/{n}"] for n in range(PAGES)) < PAGES
    assert pages.hits["/waits"] == 1  # in flight when it ended: nobody waited for it
    answered.set()

    code, said = await crawl(tmp_path, pages.url, "-s", "memory_limit=4GB", "-o", "a.jsonl")
    assert code == 0, said
    assert "it had stopped (memory is out" in said
    items = [json.loads(line)["url"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert sorted(items) == sorted(f"{pages.url}/{n}" for n in [*range(PAGES), "waits"])


async def test_garbage_does_not_end_a_crawl(pages: Site, tmp_path: Path) -> None:
    limit = f"memory_limit={LIMIT}"
    code, said = await crawl(tmp_path, pages.url, "-a", "how=garbage", "--concurrency", "4", "-s", limit)
    assert code == 0, said
    assert "memory is out" not in said


async def test_fewer_pages_are_in_flight_while_memory_is_short(pages: Site, tmp_path: Path) -> None:
    args = ["--concurrency", "16", "-s", "concurrency_per_host=16"]
    code, said = await crawl(tmp_path, pages.url, *args, "-a", "how=nearly", "-s", f"memory_limit={LIMIT}")
    assert code == 0, said
    assert "memory is short" in said
    assert 2 <= pages.peak <= 10
    code, said = await crawl(tmp_path, pages.url, *args, "-a", "how=free", "-s", "memory_limit=4GB")
    assert code == 0 and "memory is short" not in said
    assert pages.peak == 16


async def test_a_limit_below_what_the_program_itself_needs(pages: Site, tmp_path: Path) -> None:
    code, said = await crawl(tmp_path, pages.url, "-s", "memory_limit=20MB")
    assert code == 4, said
    assert "memory is out" in said and "Traceback" not in said
