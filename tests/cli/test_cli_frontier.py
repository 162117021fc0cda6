"""`crawler frontier` as processes, beside a crawl that works and on the run that it leaves."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from commands import Process, run, start

from crawler.cli import main

SPIDER = """
from crawler import Request, Spider

class Shelf(Spider):
    name = "shelf"
    settings = {"retries": 0, "commit_seconds": 0.02, "robots": False, "concurrency": 1, "grace": 0.5}
    url: str

    def start(self):
        yield Request(self.url)

    async def parse(self, response):
        yield {"url": response.url, "by": "parse"}
        yield response.follow_all("a", priority=-1)

    async def special(self, response):
        yield {"url": response.url, "by": "special"}
"""


class Pages(BaseHTTPRequestHandler):
    """/ links to /wait, which answers when the test says so, to /gone, which is 404, and to /0 … /9."""

    asked = threading.Event()
    released = threading.Event()
    hits: Counter[str] = Counter()

    def do_GET(self) -> None:
        self.hits[self.path] += 1
        if self.path == "/wait":
            self.asked.set()
            self.released.wait(30)
        links = ["/gone", "/wait", *(f"/{n}" for n in range(10))]
        body = "".join(f"<a href={link}>x</a>" for link in links).encode() if self.path == "/" else b"<title>x</title>"
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    Pages.asked.clear()
    Pages.released.clear()
    Pages.hits.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    Pages.released.set()
    server.shutdown()


@pytest.fixture
def crawl(tmp_path: Path, url: str) -> Iterator[Process]:
    """A crawl that waits for /wait with ten pages pending."""
    (tmp_path / "shelf.py").write_text(SPIDER)
    process = start(tmp_path, "run", "shelf.py", "-a", f"url={url}/", "-o", "a.jsonl", "-q")
    assert Pages.asked.wait(20)
    deadline = time.monotonic() + 20  # until the page before is committed
    while shown(tmp_path)["states"] != STATES:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


STATES = {"pending": 11, "waiting": 0, "done": 1, "redirected": 0, "failed": 1, "handled": 0, "skipped": 0}


def shown(work: Path, *args: str) -> dict[str, Any]:
    """`crawler frontier --json`, in this process where that is the same."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["frontier", "--runs-dir", str(work / "runs"), "--json", *args]) == 0
    parsed: dict[str, Any] = json.loads(out.getvalue())
    return parsed


def items(work: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in (work / "a.jsonl").read_text().splitlines()]
    assert len({row["url"] for row in rows}) == len(rows)
    return {"/" + row["url"].rpartition("/")[2]: row["by"] for row in rows}


def test_beside_a_crawl(tmp_path: Path, url: str, crawl: Process) -> None:
    frontier = shown(tmp_path)
    host = url.removeprefix("http://")
    assert frontier["hosts"] == [{"host": host, "pending": 11, "done": 1, "failed": 1, "waits": 0.0}]
    text = run(tmp_path, "frontier", "last").stdout.splitlines()
    assert text[0].endswith(": 13 requests known")
    assert [line.split() for line in text[-2:]] == [
        ["host", "pending", "done", "failed", "waits"], [host, "11", "1", "1"],
    ]  # fmt: skip

    pending = run(tmp_path, "frontier", "export").stdout.splitlines()
    assert pending == [f"{url}/wait", *(f"{url}/{n}" for n in range(10))]

    done = run(tmp_path, "frontier", "drop", "last", f"{url}/[1-9]")
    assert (done.returncode, done.stdout) == (0, "dropped 9 requests\n"), done.stderr
    done = run(tmp_path, "frontier", "drop", "wait", "--regex", "--json")
    assert json.loads(done.stdout) == {"dropped": 0, "in_flight": 1, "left": 0}

    listed = f"\ufeff# more pages\n\n  {url}/x \nhttps:///\n{url}/0\n"
    done = run(tmp_path, "frontier", "add", f"{url}/y", "--from", "-", "--callback", "special", stdin=listed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("added 2 requests, 1 known before, 1 refused by bad-url (line 4: ")
    assert done.stdout.count("\n") == 1
    done = run(tmp_path, "frontier", "add", f"{url}/z", "--callback", "speciel")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: Shelf has no callback 'speciel'; did you mean special?\n"

    Pages.released.set()
    assert crawl.wait(20) == 3, "by the page that is 404"
    assert items(tmp_path) == {"/": "parse", "/wait": "parse", "/0": "parse", "/x": "special", "/y": "special"}
    assert [Pages.hits[f"/{n}"] for n in range(1, 10)] == [0] * 9
    assert shown(tmp_path)["states"] == {**STATES, "pending": 0, "done": 5, "skipped": 9}
    (skipped,) = tmp_path.glob("runs/shelf/*/skipped.jsonl")
    reasons = Counter(json.loads(line)["reason"] for line in skipped.read_text().splitlines())
    assert reasons == {"dropped": 9, "duplicate with arguments": 1}, "/0 was known, for parse"

    done = run(tmp_path, "frontier", "add", f"{url}/late")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has ended" in done.stderr
    assert "--resume shelf/" in done.stderr
    assert done.stderr.count("\n") == 1


def test_after_a_kill(tmp_path: Path, url: str, crawl: Process) -> None:
    crawl.kill()
    crawl.wait()
    (tmp_path / "more.txt").write_text(f"{url}/x\n{url}/x\n{url}/0\n{url}/y\n")
    done = run(tmp_path, "frontier", "drop", f"{url}/?")
    assert (done.returncode, done.stdout) == (0, "dropped 10 requests\n"), done.stderr
    done = run(tmp_path, "frontier", "add", "--from", "more.txt", "--callback", "special", "--json")
    assert json.loads(done.stdout) == {"added": 2, "known": 2, "refused": {}, "left": 0}, done.stderr
    done = run(tmp_path, "frontier", "export", "-o", "urls.txt")
    assert (done.returncode, (tmp_path / "urls.txt").read_text()) == (0, f"{url}/wait\n{url}/x\n{url}/y\n")
    Pages.released.set()
    again = run(tmp_path, "run", "shelf.py", "-a", f"url={url}/", "-o", "a.jsonl", "-q")
    assert again.returncode == 3, again.stderr
    assert items(tmp_path) == {"/": "parse", "/wait": "parse", "/x": "special", "/y": "special"}
    assert Pages.hits["/"] == 1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["add"], "say what to add"),
        (["add", "last"], "say what to add"),
        (["add", "http://"], "http://"),
        (["add", "--from", "none.txt"], "--from none.txt: cannot be read"),
        (["drop", "a", "b", "c"], "in quotes"),
        (["drop", "--regex", "("], "no regular expression"),
        (["export", "--state", "lost"], "--state lost: it is one of pending"),
        (["drop", "*"], "there are no runs"),
        (["nobody"], "there are no runs"),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["frontier", *args]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert says in said.err
    assert said.err.count("\n") == 1
