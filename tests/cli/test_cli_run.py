"""`crawler run` and `crawler export` as processes, against a site in a thread of this one."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import commands
import pytest

SPIDER = """
from dataclasses import dataclass
from crawler import Response, Spider, Yields

@dataclass
class Page:
    url: str
    word: str

class Pages(Spider):
    name = "pages"
    settings = {"retries": 0}
    url: str
    word: str = "none"

    def start(self):
        from crawler import Request
        yield Request(self.url)

    async def parse(self, response: Response) -> Yields[Page]:
        yield Page(response.url, self.word)
        yield response.follow_all("a")
"""


class Pages(BaseHTTPRequestHandler):
    """/ links to /0 … /9; /wait answers when the test says so."""

    released = threading.Event()
    asked = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/wait":
            self.asked.set()
            self.released.wait(20)
        known = self.path in ("/", "/wait") or self.path[1:].isdigit()
        body = "".join(f"<a href=/{n}>{n}</a>" for n in range(10)).encode() if self.path == "/" else b"<title>x</title>"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "pages.py").write_text(SPIDER)
    return tmp_path


def crawler(work: Path, *args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return commands.run(work, *args, stdin=stdin, env=commands.environment(**env))


def items(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_with_arguments_outputs_and_settings(work: Path, url: str) -> None:
    done = crawler(work, "run", "pages.py", "-a", f"url={url}/", "-a", "word=hello", "-o", "a.jsonl", "-o", "b.csv")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert sorted(item["url"] for item in items(work / "a.jsonl")) == sorted(
        [f"{url}/", *(f"{url}/{n}" for n in range(10))]
    )
    with (work / "b.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 11
    assert {row["word"] for row in rows} == {"hello"}
    (run,) = (work / "runs/pages").glob("*/run.json")
    assert json.loads(run.read_text())["args"] == {"url": f"{url}/", "word": "hello"}


def test_layers_of_the_command(work: Path, url: str) -> None:
    (work / "config.toml").write_text(
        f'[crawler]\nmax_pages = 1\nruns_dir = "by-file"\n[spiders.pages.args]\nurl = "{url}/"\nword = "file"\n'
    )
    assert crawler(work, "run", "pages.py", "-o", "a.jsonl").returncode == 0
    assert [item["word"] for item in items(work / "a.jsonl")] == ["file"]
    assert crawler(work, "run", "pages.py", "-o", "b.jsonl", "-a", "word=flag", CRAWLER_MAX_PAGES="2").returncode == 0
    assert [item["word"] for item in items(work / "b.jsonl")] == ["flag", "flag"]
    done = crawler(
        work, "run", "pages.py", "-o", "c.jsonl", "-s", "max_pages=5", "--max-pages", "3", "--runs-dir", "by-flag",
        CRAWLER_MAX_PAGES="2",
    )  # fmt: skip
    assert done.returncode == 0
    assert len(items(work / "c.jsonl")) == 3
    assert (work / "by-file/pages").is_dir()
    assert (work / "by-flag/pages").is_dir()


def test_standard_output_is_only_items(work: Path, url: str) -> None:
    done = crawler(work, "run", "pages.py", "-a", f"url={url}/", "-o", "-")
    assert done.returncode == 0
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 11
    assert re.search(r"items +11\b", done.stderr)  # the summary


def test_quiet_says_nothing_where_nothing_is_wrong(work: Path, url: str) -> None:
    done = crawler(work, "run", "pages.py", "-a", f"url={url}/", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_seeds_from_a_list(work: Path, url: str, source: str) -> None:
    text = f"# a comment\n{url}/3\n\n{url}/4\n"
    (work / "urls.txt").write_text("\ufeff" + text if source == "file" else "")
    name = "urls.txt" if source == "file" else "-"
    done = crawler(work, "run", "pages.py", "-a", "url=x", "--urls", name, "-o", "a.jsonl", stdin=text)
    assert done.returncode == 0, done.stderr
    assert sorted(item["url"] for item in items(work / "a.jsonl")) == [f"{url}/3", f"{url}/4"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "error: Pages needs the argument url: -a url=…"),
        (["-a", "ulr=x"], "error: Pages has no argument 'ulr': did you mean url?"),
        (["-a", "url=x", "-o", "books.xyz"], "error: output 'books.xyz' ends in '.xyz'"),
        (["-a", "url=x", "-a", "url=y"], "error: -a url is given twice: 'x' and 'y'"),
    ],
)
def test_wrong_arguments_are_one_line(work: Path, args: list[str], message: str) -> None:
    done = crawler(work, "run", "pages.py", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_too_many_failures_exit_with_3(work: Path, url: str) -> None:
    assert crawler(work, "run", "pages.py", "-a", f"url={url}/gone").returncode == 3


def test_a_signal_leaves_a_run_that_goes_on_and_fresh_begins_another(work: Path, url: str) -> None:
    Pages.released.clear()
    Pages.asked.clear()
    process = commands.start(work, "run", "pages.py", "-a", f"url={url}/wait", "-s", "grace=0")
    try:
        while not Pages.asked.wait(0.1):
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        Pages.released.set()
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert crawler(work, "run", "pages.py", "-a", f"url={url}/wait", "-o", "a.jsonl").returncode == 0
    assert len(items(work / "a.jsonl")) == 1
    assert len(list((work / "runs/pages").glob("*/run.json"))) == 1
    assert crawler(work, "run", "pages.py", "-a", f"url={url}/wait", "--fresh").returncode == 0
    assert len(list((work / "runs/pages").glob("*/run.json"))) == 2


@pytest.mark.parametrize("frontier", ["sqlite", "memory"])
def test_export_writes_a_run_again(work: Path, url: str, frontier: str) -> None:
    assert crawler(work, "run", "pages.py", "-a", f"url={url}/", "--frontier", frontier).returncode == 0
    done = crawler(work, "export", "last", "-o", "a.csv", "-o", "b.json", "-s", "csv_fields=url")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    with (work / "a.csv").open(newline="") as file:
        assert [set(row) for row in csv.DictReader(file)] == [{"url"}] * 11
    assert len(json.loads((work / "b.json").read_text())) == 11
    (run,) = [path.parent for path in (work / "runs/pages").glob("*/run.json")]
    for name in (run.name, f"pages/{run.name}", str(run)):
        shown = crawler(work, "export", name, "-o", "-")
        assert len(shown.stdout.splitlines()) == 11
    assert "no run 'nothing'" in crawler(work, "export", "nothing", "-o", "-").stderr


def test_a_new_spider_runs_at_once(work: Path, url: str) -> None:
    assert crawler(work, "new", "spider", "shop", "--url", url).returncode == 0
    done = crawler(work, "run", "spiders/shop.py", "-o", "shop.jsonl")
    assert done.returncode == 0, done.stderr
    assert len(items(work / "shop.jsonl")) == 11
    assert {item["title"] for item in items(work / "shop.jsonl")} == {"", "x"}


def test_the_practice_site_is_served_until_a_signal(work: Path) -> None:
    import urllib.request

    command = [sys.executable, "-m", "crawler", "demo", "--port", "0"]
    process = subprocess.Popen(command, cwd=work, env=commands.environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = next(word for word in line.split() if word.startswith("http://"))
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
