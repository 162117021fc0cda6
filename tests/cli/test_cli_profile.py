"""`crawler run --profile` as a process: the table, its sums, and whose time is counted where."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import commands
import pytest

from crawler.stages import STAGES

SPIDER = """
import time
from crawler import Spider, blocking

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


class Handler(BaseHTTPRequestHandler):
    """Every page has ten links and `paragraphs`."""

    paragraphs = 1

    def do_GET(self) -> None:
        page = b"<title>x</title>" + b"".join(b"<a href=/%d>x</a>" % n for n in range(10))
        page += b"<p>text</p>" * self.paragraphs
        self.send_response(404 if self.path == "/robots.txt" else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


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


@pytest.fixture
def crawl(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Crawls with a spider whose parts cost what is said."""

    def crawl(*flags: str, paragraphs: int = 1, **costs: object) -> Ran:
        monkeypatch.setattr(Handler, "paragraphs", paragraphs)
        spent = {"pipeline": 0, "callback": 0, "trees": 1, "define": "async def", "decorator": "", **costs}
        (tmp_path / "pages.py").write_text(SPIDER.format(**spent))
        done = commands.run(tmp_path, "run", "pages.py", "-a", f"url={url}", *flags)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        return Ran(done.stderr, tmp_path / "runs")

    return crawl


def test_every_stage_is_printed_and_their_sum_is_the_cpu_time(crawl: Callable[..., Ran]) -> None:
    ran = crawl("-q", "--profile")
    assert list(ran.rows) == [*STAGES, "other", "cpu"] == list(ran.stages)
    assert ran.rows["cpu"] == pytest.approx(ran.stages["cpu"], abs=0.051)
    assert sum(ran.stages.values()) - ran.stages["cpu"] == pytest.approx(ran.stages["cpu"], abs=0.1)
    assert all(ran.stages[name] > 0 for name in STAGES), ran.stages
    assert re.search(r"^engine: [\d,]+ µs a page, \d+\.\d\d x the session", ran.said, re.M)


def test_without_it_nothing_is_printed_and_stats_json_has_it(crawl: Callable[..., Ran]) -> None:
    ran = crawl("-q")
    assert ran.said == ""
    assert ran.stages["cpu"] > ran.stages["session"] > 0


def test_a_json_log_gets_one_object(crawl: Callable[..., Ran]) -> None:
    ran = crawl("--profile", "--log-format", "json")
    line = json.loads(ran.said.splitlines()[-1])
    assert line["event"] == "profile"
    assert line["stages"] == ran.stages


@pytest.mark.parametrize(
    ("define", "decorator"),
    [("async def", ""), ("def", ""), ("def", "    @blocking")],
    ids=["async", "plain", "blocking"],
)
def test_a_spider_that_computes_shows_in_callback(crawl: Callable[..., Ran], define: str, decorator: str) -> None:
    ran = crawl(callback=0.02, define=define, decorator=decorator)
    assert ran.largest == "callback"
    assert 20_000 <= ran.stages["callback"] < ran.stages["cpu"]


def test_a_pipeline_that_computes_shows_in_pipeline(crawl: Callable[..., Ran]) -> None:
    ran = crawl(pipeline=0.02)
    assert ran.largest == "pipeline"
    assert ran.stages["pipeline"] >= 20_000 > ran.stages["callback"]


def test_what_parses_within_the_callback_is_not_the_callbacks(crawl: Callable[..., Ran]) -> None:
    ran = crawl(paragraphs=20_000, trees=3)
    assert ran.largest == "parse"
    assert ran.stages["parse"] > 2 * ran.stages["decode"] > 0
    assert sum(ran.stages[name] for name in STAGES) < 1.1 * ran.stages["cpu"]  # nothing is counted twice
