"""What glibc's malloc is told, seen in page faults and resident memory."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from crawler.memory import keep_freed, release
from crawler.memory.ceiling import resident

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has no such setting")

SPIDER = """
import resource
from crawler import Spider

class Faults(Spider):
    name = "faults"
    start_urls = ["http://127.0.0.1:1/"]
    settings = {"retries": 0, "robots": False}

    async def parse(self, response):
        yield {}

    async def failed(self, request, error):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(500):
            b"x" * 400_000  # like a page's body: taken, written to, given back
        yield {"faults": resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before}
"""


def faults(work: Path, *flags: str) -> int:
    (work / "faults.py").write_text(SPIDER)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CRAWLER_", "MALLOC_"))}
    done = subprocess.run(
        [sys.executable, "-m", "crawler", "run", "faults.py", "--fresh", "-o", "-", *flags],
        cwd=work, env=env | {"PYTHONPATH": str(Path(__file__).parents[2])}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found: int = json.loads(done.stdout)["faults"]
    return found


def test_a_crawl_keeps_the_memory_of_a_page_for_the_next_one(tmp_path: Path) -> None:
    """At 128 KiB, where glibc begins by itself, each block of 400 KB costs its 98 page faults again and again."""
    assert faults(tmp_path, "-s", "malloc_keep=128KiB") > 500 * 90
    assert faults(tmp_path) < 500 * 10


def test_nothing_is_told_at_0() -> None:
    assert keep_freed(0) is False


def test_memory_that_nobody_uses_is_given_back() -> None:
    block = 2000  # larger than what Python's own allocator takes
    kept = [bytes(block) + b"x" for _ in range(50_000)]
    full = resident()
    del kept[:-1]  # the last one lies behind them: malloc gives nothing back by itself
    release()
    assert full - resident() > 50_000 * block // 2
