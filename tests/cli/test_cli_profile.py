"""`crawler run --profile` as a process: the table, its sums, and whose time is counted where."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from crawler.stages import STAGES

ROOT = Path(__file__).parent.parent.parent

SPIDER = """
import threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from crawler import Response, Spider, blocking

PAGE = b"<title>x</title>" + b"".join(b"<a href=/%d>x</a>" % n for n in range(10)) + b"<p>text</p>" * {paragraphs}

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path == "/robots.txt" else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)
    def log_message(self, *args): ...

def spin(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass

def pipe(item, context):
    spin({pipeline})
    return item

class Pages(Spider):
    name = "pages"
    settings = {{"retries": 0}}
    pipelines = [pipe]
    url: str

    def start(self):
        from crawler import Request
        yield Request(self.url)

{decorator}
    {define} parse(self, response):
        spin({callback})
        for _ in range({trees}):
            response._selector = response._text = None
            response.css("title")
        yield {{"url": response.url}}
        yield response.links()
"""

SERVER = """
import runpy, sys, threading, time
module = runpy.run_path(sys.argv[1])
server = module["ThreadingHTTPServer"](("127.0.0.1", 0), module["Handler"])
print(server.server_address[1], flush=True)
server.serve_forever()
"""


class Ran:
    """What a run printed, and its stats.json."""

    def __init__(self, said: str, runs: Path) -> None:
        self.said = said
        (stats,) = runs.glob("pages/*/stats.json")
        self.stages: dict[str, float] = json.loads(stats.read_text())["stages"]
        self.rows = {
            row[0]: float(row[1].replace(",", "")) for row in re.findall(r"^  (\w+) +(-?[\d.,]+) ", said, re.M)
        }

    @property
    def largest(self) -> str:
        return max(STAGES, key=lambda name: self.stages[name])


def crawl(tmp_path: Path, *flags: str, **costs: object) -> Ran:
    spent: dict[str, object] = {
        "paragraphs": 1, "pipeline": 0, "callback": 0, "trees": 1, "define": "async def", "decorator": "", **costs,
    }  # fmt: skip
    file = tmp_path / "pages.py"
    file.write_text(SPIDER.format(**spent))
    server = subprocess.Popen([sys.executable, "-c", SERVER, file], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        command = [sys.executable, "-m", "crawler", "run", file, "-a", f"url=http://127.0.0.1:{port}/", *flags]
        done = subprocess.run(
            [*command, "--runs-dir", tmp_path / "runs"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if not name.startswith("CRAWLER_")}
            | {"PYTHONPATH": str(ROOT)},
        )
    finally:
        server.kill()
        server.wait()
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return Ran(done.stderr, tmp_path / "runs")


def test_every_stage_is_printed_and_their_sum_is_the_cpu_time(tmp_path: Path) -> None:
    ran = crawl(tmp_path, "-q", "--profile")
    assert list(ran.rows) == [*STAGES, "other", "cpu"] == list(ran.stages)
    assert ran.rows["cpu"] == pytest.approx(ran.stages["cpu"], abs=0.051)
    assert sum(ran.stages.values()) - ran.stages["cpu"] == pytest.approx(ran.stages["cpu"], abs=0.1)
    assert all(ran.stages[name] > 0 for name in STAGES), ran.stages
    assert re.search(r"^engine: [\d,]+ µs a page, \d+\.\d\d x the session", ran.said, re.M)


def test_without_it_nothing_is_printed_and_stats_json_has_it(tmp_path: Path) -> None:
    ran = crawl(tmp_path, "-q")
    assert ran.said == ""
    assert ran.stages["cpu"] > ran.stages["session"] > 0


def test_a_json_log_gets_one_object(tmp_path: Path) -> None:
    ran = crawl(tmp_path, "--profile", "--log-format", "json")
    line = json.loads(ran.said.splitlines()[-1])
    assert line["event"] == "profile"
    assert line["stages"] == ran.stages


@pytest.mark.parametrize(
    ("define", "decorator"),
    [("async def", ""), ("def", ""), ("def", "    @blocking")],
    ids=["async", "plain", "blocking"],
)
def test_a_spider_that_computes_shows_in_callback(tmp_path: Path, define: str, decorator: str) -> None:
    ran = crawl(tmp_path, callback=0.02, define=define, decorator=decorator)
    assert ran.largest == "callback"
    assert 20_000 <= ran.stages["callback"] < ran.stages["cpu"]


def test_a_pipeline_that_computes_shows_in_pipeline(tmp_path: Path) -> None:
    ran = crawl(tmp_path, pipeline=0.02)
    assert ran.largest == "pipeline"
    assert ran.stages["pipeline"] >= 20_000 > ran.stages["callback"]


def test_what_parses_within_the_callback_is_not_the_callbacks(tmp_path: Path) -> None:
    ran = crawl(tmp_path, paragraphs=20_000, trees=3)
    assert ran.largest == "parse"
    assert ran.stages["parse"] > 2 * ran.stages["decode"] > 0
    assert sum(ran.stages[name] for name in STAGES) < 1.1 * ran.stages["cpu"]  # nothing is counted twice
