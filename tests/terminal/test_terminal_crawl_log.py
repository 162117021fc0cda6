from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from pathlib import Path

import pytest

from crawler.terminal.crawl_log import CrawlLog
from crawler.terminal.line import Line


def line(text: str) -> Line:
    return Line(logging.INFO, "log", text)


def made(told: list[str], *, json: bool = False) -> CrawlLog:
    return CrawlLog("books", json=json, failed=told.append)


def messages(path: Path) -> list[str]:
    return [text.split(" ", 3)[3].strip() for text in (path / "crawl.log").read_text().splitlines()]


async def test_lines_from_before_the_directory_was_known_come_first(tmp_path: Path) -> None:
    log = made([])
    log.write(line("early"))
    log.open(str(tmp_path), "r1")
    log.write(line("later"))
    log.close()
    log.write(line("too late"))
    assert messages(tmp_path) == ["early", "later"]


async def test_a_run_that_goes_on_appends(tmp_path: Path) -> None:
    for text in ("one", "two"):
        log = made([])
        log.open(str(tmp_path), "r1")
        log.write(line(text))
        log.close()
    assert messages(tmp_path) == ["one", "two"]


async def test_lines_are_on_the_disk_soon_without_being_closed(tmp_path: Path) -> None:
    log = made([])
    log.open(str(tmp_path), "r1")
    log.write(line("waiting"))
    async with asyncio.timeout(20):
        while not messages(tmp_path):
            await asyncio.sleep(0.05)
    log.write(line("and another"))  # the timer is set again
    async with asyncio.timeout(20):
        while len(messages(tmp_path)) < 2:
            await asyncio.sleep(0.05)
    log.close()


async def test_threads_write_whole_lines(tmp_path: Path) -> None:
    log = made([])
    log.open(str(tmp_path), "r1")
    threads = [
        threading.Thread(target=lambda name=name: [log.write(line(f"{name} {n}")) for n in range(200)])
        for name in "abc"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert sorted(messages(tmp_path)) == sorted(f"{name} {n}" for name in "abc" for n in range(200))


async def test_json_form_and_strange_characters(tmp_path: Path) -> None:
    log = made([], json=True)
    log.open(str(tmp_path), "r1")
    log.write(line("東京"))
    log.close()
    said = json.loads((tmp_path / "crawl.log").read_text("utf-8"))
    assert (said["message"], said["spider"], said["run"]) == ("東京", "books", "r1")


async def test_a_log_that_cannot_be_opened_is_said_once_and_harms_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    log = made(told)
    log.write(line("early"))
    log.open(str(tmp_path / "missing"), "r1")
    for _ in range(3):
        log.write(line("x"))
    log.close()
    assert len(told) == 1 and "crawl.log cannot be written (No such file or directory)" in told[0]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
async def test_a_full_disk_is_said_once_and_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "crawl.log").symlink_to("/dev/full")
    told: list[str] = []
    log = made(told)
    log.open(str(tmp_path), "r1")
    for n in range(5_000):  # more than the buffer holds
        log.write(line(f"line {n}" * 5))
    log.flush()
    log.close()
    assert len(told) == 1 and "No space left on device" in told[0]
