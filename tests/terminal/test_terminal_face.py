"""Faces without a terminal: lines, JSON, quiet; and what every face does."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from terminal_fakes import FakeCrawl, done, ended, ended_stats, failed, make_stats, started

from crawler import events
from crawler.settings import Settings
from crawler.terminal import Face, faces
from crawler.terminal.lines import progress_text


def made(stream: io.StringIO, **settings: Any) -> Face:
    return faces(Settings(**settings), "books", stream=stream)


def log_of(path: Path) -> str:
    return (path / "crawl.log").read_text()


async def crawled(tmp_path: Path, *said: events.Event, **settings: Any) -> list[str]:
    """The lines that a short crawl with these events prints."""
    stream = io.StringIO()
    face = made(stream, **settings)
    face(started(tmp_path))
    beside = asyncio.create_task(face.run(FakeCrawl()))
    await asyncio.sleep(0)
    for event in said:
        face(event)
    face(ended())
    await beside
    return stream.getvalue().splitlines()


def test_the_progress_line() -> None:
    assert progress_text(make_stats()) == (
        "books: 1,240 pages (124/s), 1,020 items, 14 queued, 32 in flight, 15 errors, 3 retries"
    )
    first = make_stats(counters={"pages": 1}, state="paused", pages_per_second=0.5)
    assert progress_text(first) == (
        "books (paused): 1 page (30/min), 0 items, 14 queued, 32 in flight, 0 errors, 0 retries"
    )


async def test_a_thousand_pages_print_no_line_each(tmp_path: Path) -> None:
    pages = [done(f"http://h/{n}") for n in range(1000)]
    returned = [events.PageReturned(f"http://h/{n}", "h", "status 503", 1, 1.0) for n in range(100)]
    skipped = [events.PageSkipped(f"http://off/{n}", "domain") for n in range(100)]
    lines = await crawled(tmp_path, *pages, *returned, *skipped)
    assert len(lines) == 11  # the start and ten of summary
    assert "run r1 begins" in lines[0] and lines[1].startswith("books: complete")
    assert log_of(tmp_path).count("\n") == 2


async def test_each_failure_is_one_line_there_and_in_the_log(tmp_path: Path) -> None:
    lines = await crawled(tmp_path, *(failed(f"http://h/{n}") for n in range(50)))
    for number in range(50):
        assert sum(f"http://h/{number}: " in line for line in lines) == 1
    assert log_of(tmp_path).count("no answer within 60 s") == 50


async def test_progress_comes_again_and_again_until_the_end(tmp_path: Path) -> None:
    stream = io.StringIO()
    face, crawl = made(stream, progress_seconds=0.01), FakeCrawl()
    face(started(tmp_path))
    beside = asyncio.create_task(face.run(crawl))
    async with asyncio.timeout(20):
        while stream.getvalue().count(" in flight, ") < 3:
            await asyncio.sleep(0.005)
    face(ended())
    await beside
    assert "books: 1,241 pages (124/s)" in stream.getvalue()
    asked, printed = crawl.asked, stream.getvalue()
    await asyncio.sleep(0.05)
    assert (crawl.asked, stream.getvalue()) == (asked, printed)


async def test_no_progress_where_none_is_wanted(tmp_path: Path) -> None:
    for settings in ({"progress_seconds": 0.0}, {"progress_seconds": 0.001, "quiet": True}):
        crawl = FakeCrawl()
        face = made(io.StringIO(), **settings)
        face(started(tmp_path))
        beside = asyncio.create_task(face.run(crawl))
        await asyncio.sleep(0.05)
        face(ended())
        await beside
        assert crawl.asked == 0


async def test_quiet_prints_failures_only_and_the_log_has_all(tmp_path: Path) -> None:
    lines = await crawled(tmp_path, done(), failed(), events.Stopping("x"), quiet=True)
    assert [line[9:] for line in lines] == ["warning http://shop.example/a: no answer within 60 s"]
    log = log_of(tmp_path)
    assert "run r1 begins" in log and "stopping: x" in log and "ended: complete" in log


async def test_quiet_says_an_end_that_is_not_well(tmp_path: Path) -> None:
    stream = io.StringIO()
    face = made(stream, quiet=True)
    face(started(tmp_path))
    face(ended(ended_stats("failed: disk full", 1)))
    assert stream.getvalue()[9:] == "error   ended: failed: disk full (exit code 1)\n"


async def test_the_level_holds_on_screen_and_in_the_log(tmp_path: Path) -> None:
    lines = await crawled(tmp_path, done(), failed(), log_level="error")
    assert not any(line.endswith("shop.example/a: no answer within 60 s") or "begins" in line for line in lines)
    assert "shop.example/a" not in log_of(tmp_path)
    lines = await crawled(tmp_path, done(), failed(), log_level="debug")
    assert any("200 http://shop.example/b" in line for line in lines)
    assert "200 http://shop.example/b" in log_of(tmp_path)


async def test_json_is_one_object_a_line_to_the_end(tmp_path: Path) -> None:
    said = [json.loads(line) for line in await crawled(tmp_path, failed("http://h/\u2028\x1b"), log_format="json")]
    assert [one["event"] for one in said] == ["started", "page_failed", "ended"]
    assert all((one["spider"], one["run"]) == ("books", "r1") for one in said)
    end = said[-1]
    assert (end["exit_code"], end["reason"], end["stats"]["counters"]["pages"]) == (0, "complete", 1240)
    logged = [json.loads(line) for line in log_of(tmp_path).splitlines()]
    assert [one["event"] for one in logged] == ["started", "page_failed", "ended"]


async def test_json_progress_has_numbers(tmp_path: Path) -> None:
    stream = io.StringIO()
    face = made(stream, progress_seconds=0.01, log_format="json")
    face(started(tmp_path))
    beside = asyncio.create_task(face.run(FakeCrawl()))
    async with asyncio.timeout(20):
        while '"progress"' not in stream.getvalue():
            await asyncio.sleep(0.005)
    face(ended())
    await beside
    said = next(one for line in stream.getvalue().splitlines() if (one := json.loads(line))["event"] == "progress")
    names = ("pages", "items", "pending", "in_flight", "errors", "retries", "pages_per_second")
    assert [said[name] for name in names] == [1241, 1020, 14, 32, 15, 3, 124.3]


async def test_the_spiders_log_reaches_screen_and_file_and_nothing_is_left(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    stream = io.StringIO()
    face = made(stream)
    beside = asyncio.create_task(face.run(FakeCrawl()))
    await asyncio.sleep(0)
    logging.getLogger("crawler.spider.books").info("said early")
    face(started(tmp_path))
    logging.getLogger("crawler.spider.books").info("said later")
    face(ended())
    await beside
    logging.getLogger("crawler.spider.books").info("said too late")
    for text in (stream.getvalue(), log_of(tmp_path)):
        assert text.count("said early") == text.count("said later") == 1 and "too late" not in text
    logger = logging.getLogger("crawler")
    assert (logger.handlers, logger.level, logging.getLogger().handlers) == ([], logging.NOTSET, before)


async def test_a_crawl_that_breaks_leaves_nothing_behind(tmp_path: Path) -> None:
    face = made(io.StringIO())
    beside = asyncio.create_task(face.run(FakeCrawl()))
    await asyncio.sleep(0)
    face(started(tmp_path))
    face(failed())
    assert logging.getLogger("crawler").handlers
    beside.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await beside
    assert beside.cancelled() and not logging.getLogger("crawler").handlers
    assert "no answer within 60 s" in log_of(tmp_path)


async def test_run_after_the_end_ends_at_once(tmp_path: Path) -> None:
    face = made(io.StringIO())
    face(started(tmp_path))
    face(ended())
    async with asyncio.timeout(20):
        await face.run(FakeCrawl())
    assert not logging.getLogger("crawler").handlers


async def test_a_log_that_cannot_be_written_is_said_and_the_crawl_goes_on(tmp_path: Path) -> None:
    lines = await crawled(tmp_path / "missing", failed())
    assert sum("crawl.log cannot be written" in line for line in lines) == 1
    assert any("books: complete" in line for line in lines)


async def test_a_reader_that_leaves_silences_the_face_only(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    face = faces(Settings(), "books", stream=stream)
    for event in (started(tmp_path), failed(), ended()):
        face(event)
    assert "ended: complete" in log_of(tmp_path)
    with contextlib.suppress(BrokenPipeError):
        stream.close()


async def test_an_ascii_stream_gets_escapes(tmp_path: Path) -> None:
    raw = io.BytesIO()
    face = faces(Settings(), "books", stream=io.TextIOWrapper(raw, "ascii"))
    for event in (started(tmp_path), failed(message="東京"), ended()):
        face(event)
    assert b"\\u6771\\u4eac" in raw.getvalue() and b"complete" in raw.getvalue()


def test_without_a_terminal_rich_is_not_even_imported() -> None:
    code = (
        "import sys; from crawler.terminal import faces; from crawler.settings import Settings; "
        "faces(Settings(), 'x'); print('rich' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize("settings", [{}, {"log_format": "json"}, {"quiet": True}])
async def test_all_goes_to_standard_error(
    tmp_path: Path, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    face = faces(Settings(**settings), "books", stdout_is_data=True)
    for event in (started(tmp_path), failed(), ended()):
        face(event)
    out, err = capsys.readouterr()
    assert out == "" and "no answer within 60 s" in err
