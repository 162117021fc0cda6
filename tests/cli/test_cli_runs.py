"""`crawler runs` and `crawler runs prune` as processes, on runs that other processes left."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from commands import environment, run, start

from crawler.cli import main

SPIDER = """
from crawler import Request, Spider

class Shelf(Spider):
    name = "shelf"
    settings = {"retries": 0, "commit_seconds": 0.02}
    url: str

    def start(self):
        yield Request(self.url)

    async def parse(self, response):
        yield {"url": response.url}
        yield response.follow_all("a")
"""


class Pages(BaseHTTPRequestHandler):
    """/ links to /0 and /wait, which answers when the test says so."""

    asked = threading.Event()
    released = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/wait":
            self.asked.set()
            self.released.wait(20)
        body = b"<a href=/0>0</a> <a href=/wait>w</a>" if self.path == "/" else b"<title>x</title>"
        self.send_response(404 if self.path == "/robots.txt" else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    Pages.asked.clear()
    Pages.released.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    Pages.released.set()
    server.shutdown()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "shelf.py").write_text(SPIDER)
    return tmp_path


@pytest.fixture(scope="module")
def three_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs that ended, each with the output a.jsonl: made once, copied for each test."""
    work = tmp_path_factory.mktemp("three")
    (work / "shelf.py").write_text(SPIDER)
    Pages.released.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    where = f"url=http://127.0.0.1:{server.server_address[1]}/"
    for _ in range(3):
        assert run(work, "run", "shelf.py", "-a", where, "-q", "-o", "a.jsonl").returncode == 0
    server.shutdown()
    return work


@pytest.fixture
def ran(three_runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(three_runs, tmp_path / "ran"))


def listed(work: Path, *args: str) -> list[dict[str, Any]]:
    done = run(work, "runs", "--json", *args)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_run_from_its_start_over_a_kill_and_a_signal_to_its_end(work: Path, url: str) -> None:
    words = ("run", "shelf.py", "-a", f"url={url}/", "-o", "a.jsonl", "--quiet")
    crawl = start(work, *words)
    try:
        assert Pages.asked.wait(20)
        until(lambda: listed(work)[0]["items"] == 2)
        (row,) = listed(work)
        assert (row["state"], row["pid"], row["host"]) == ("running", crawl.pid, os.uname().nodename)
        text = run(work, "runs", "shelf").stdout
        assert f"running: process {crawl.pid} on " in text
        assert max(map(len, text.splitlines())) <= 80
    finally:
        crawl.kill()
        crawl.wait()
    (row,) = listed(work, "shelf")
    assert (row["state"], row["exit_code"], row["resumable"], row["pid"]) == ("killed", None, True, None)
    assert (row["pages"], row["pending"], row["failed"]) == (2, 1, 0)
    assert row["bytes"] > 50_000

    Pages.asked.clear()
    crawl = start(work, *words)
    assert Pages.asked.wait(20)
    crawl.send_signal(signal.SIGINT)
    Pages.released.set()
    assert crawl.wait(20) == 130
    (row,) = listed(work)
    assert (row["state"], row["exit_code"], row["resumable"]) == ("interrupted", 130, True)
    assert "interrupted by SIGINT (resumable)" in run(work, "runs").stdout

    assert (work / "a.jsonl.partial").exists()
    assert run(work, "run", "shelf.py", "-a", f"url={url}/", "-o", "a.jsonl").returncode == 0
    (row,) = listed(work)
    assert (row["state"], row["exit_code"], row["reason"]) == ("ended", 0, "complete")
    assert (row["pages"], row["items"], row["pending"]) == (3, 3, 0)
    assert len((work / "a.jsonl").read_text().splitlines()) == 3


def test_the_table(ran: Path) -> None:
    spider_dir = ran / "runs/shelf"
    (spider_dir / "20200101-000000-abcd").mkdir()
    done = run(ran, "runs")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["run", "state"]
    assert lines[1].split() == ["started", "duration", "exit", "pages", "items", "failed", "pending", "size"]
    *good, broken = lines[2::2]
    assert [line.removesuffix("  ended") for line in good] == [row["run"] for row in listed(ran)][:-1]
    assert re.search(r" 0 +3 +3 +0 +0 +[\d.]+ [KM]iB$", lines[3])
    assert re.match(r"shelf/20200101-000000-abcd  unreadable: ", broken)
    assert lines[-1].split()[:2] == ["2020-01-01", "00:00"]
    assert max(map(len, lines)) <= 80
    some = run(ran, "runs", "--limit", "1")
    assert len(some.stdout.splitlines()) == 4
    assert some.stderr == "1 of 4 runs; all: --limit 0\n"
    wrong = run(ran, "runs", "shelv")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no runs of a spider 'shelv' in runs: give a spider's name; there are shelf" in wrong.stderr


def test_where_nothing_ever_ran(work: Path) -> None:
    assert run(work, "runs").stderr == "no runs in runs\n"
    assert listed(work) == []


def test_pruning(ran: Path) -> None:
    names = [row["run"] for row in listed(ran)]
    shown = run(ran, "runs", "prune", "--keep", "1", "--dry-run")
    assert shown.returncode == 0
    assert [line.split()[0] for line in shown.stdout.splitlines()] == names[:0:-1]
    assert re.fullmatch(r"2 runs, [\d,.]+ [KM]iB, would be removed\n", shown.stderr)
    refused = run(ran, "runs", "prune", "--keep", "1")
    assert refused.returncode == 2
    assert "give --yes, or --dry-run" in refused.stderr
    assert [row["run"] for row in listed(ran)] == names
    done = run(ran, "runs", "prune", "shelf", "--keep", "1", "--yes", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert [removed["run"] for removed in result["removed"]] == names[:0:-1]
    assert result["bytes"] == sum(removed["bytes"] for removed in result["removed"]) > 0
    assert [row["run"] for row in listed(ran)] == names[:1]
    assert (ran / "runs/shelf/hash.key").exists()
    assert len((ran / "a.jsonl").read_text().splitlines()) == 3
    again = run(ran, "runs", "prune", "--keep", "1")  # nothing to ask about
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "nothing to remove\n")


def test_what_pruning_says_of_mistakes(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(work)

    def refused(*args: str) -> str:
        assert main(["runs", "prune", *args]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
        return said.err

    assert "say which runs go: --keep N, --older-than 30d or --max-size 10GB" in refused()
    assert "--older-than: '3 weeks' is no number (endings: ms s m min h d)" in refused("--older-than", "3 weeks")
    assert "--max-size 1e999: it is too large" in refused("--max-size", "1e999")
    assert "--max-size -1GB: it must be at least 0" in refused("--max-size", "-1GB")
    assert "see `crawler runs prune --help`" in refused("--keep", "many")


@pytest.mark.parametrize(("answer", "left"), [("n", 3), ("y", 1)])
def test_on_a_terminal_it_asks(ran: Path, answer: str, left: int) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "crawler", "runs", "prune", "--keep", "1"],
        cwd=ran, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while b"[y/N]" not in said:
        assert select.select([ours], [], [], 20)[0], said
        said += os.read(ours, 4096)
    assert re.search(rb"remove 2 runs, [\d,.]+ [KM]iB\? \[y/N\]", said)
    os.write(ours, answer.encode() + b"\n")
    assert process.wait(20) == 0
    os.close(ours)
    assert len(listed(ran)) == left


def test_help_shows_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage: crawler runs [OPTIONS] [SPIDER]" in text
    assert "--json" in text
    assert "prune" in text
    assert "Example: crawler runs books" in text
    assert main(["runs", "prune", "--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage: crawler runs prune [OPTIONS] [SPIDER]" in text
    assert "Example: crawler runs prune" in text


def test_a_spider_may_have_the_name_of_a_command(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(work)
    (work / "runs/prune/20200101-000000-abcd").mkdir(parents=True)
    assert main(["runs", "--json", "--", "prune"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["run"] == "prune/20200101-000000-abcd"
