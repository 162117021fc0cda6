"""How long a large run takes to go on: the steps of a start, and `crawler run` to its first request.

    python benchmarks/resume.py [--known 1000000] [--pending all|half]

Each store has so many known URLs, all of them pending or half, on one host and on a tenth as many hosts as
URLs. The whole command is timed until the site sees a request, which is for a robots.txt: hosts are
addresses in 127.0.0.0/8 with the port of one server here. The files are in the page cache.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

from large_store import Store, megabytes

from crawler.frontier import SQLiteFrontier
from crawler.robots import Robots
from crawler.scheduler import Scheduler
from crawler.settings import Settings

ROUNDS = 5
WIDTHS = (8, 10, 10, 6, 9, 9, 11, 8, 6, 9, 6)

SPIDER = """
from crawler import Spider

class Large(Spider):
    name = "large"
    start_urls = ["{url}/"]

    async def parse(self, response):
        yield response.follow_all("a")
"""


def row(*cells: str) -> None:
    print(*(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


async def steps(path: Path) -> None:
    """In a process of its own: prints how long each step of a start takes, and the memory after it."""
    marks = [(time.perf_counter(), megabytes())]

    def mark() -> None:
        marks.append((time.perf_counter(), megabytes()))

    frontier = SQLiteFrontier(path, durable=True)
    recovered = await frontier.open()
    mark()
    scheduler = Scheduler(settings := Settings(robots=False), frontier.bodies, gate=Robots(settings))
    scheduler.restore(recovered.backlog)
    del recovered
    assert scheduler.take() is not None
    mark()
    assert not frontier.known(bytes(16))  # waits for the seen set
    mark()
    await frontier.close()
    print(json.dumps(marks))


class Answer(BaseHTTPRequestHandler):
    """Answers everything with two links, and says when it was asked."""

    protocol_version = "HTTP/1.1"
    asked = threading.Event()

    def do_GET(self) -> None:
        Answer.asked.set()
        body = b'<a href="/one">1</a><a href="/two">2</a>' if self.path != "/robots.txt" else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Crawls that are killed leave their connections: nothing to tell."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def site() -> Iterator[int]:
    """A server on all of 127.0.0.0/8; its port."""
    server = Server(("", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def started(work: Path, *flags: str) -> tuple[float, float]:
    """Seconds from the command to the first request that the site sees, and the CPU time until then."""
    Answer.asked.clear()
    command = [sys.executable, "-m", "crawler", "run", "large.py", "--quiet", *flags]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    begin = time.perf_counter()
    with (work / "stderr").open("w+") as said, subprocess.Popen(command, cwd=work, env=env, stderr=said) as process:
        while not Answer.asked.wait(0.5):
            if process.poll() is not None:
                raise SystemExit((work / "stderr").read_text() + "the crawl asked for nothing")
        seconds = time.perf_counter() - begin
        used = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        if not flags:
            process.send_signal(signal.SIGKILL)
    return seconds, (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")


def host_at(port: int, hosts: int) -> Callable[[int], str]:
    """Neighbouring URLs are of different hosts."""

    def host(n: int) -> str:
        place = n * 2_654_435_761 % hosts
        return f"127.{1 + place // 62_500}.{1 + place // 250 % 250}.{1 + place % 250}:{port}"

    return host if hosts > 1 else lambda n: f"127.0.0.1:{port}"


async def fill(run: Path, known: int, share: int, host: Callable[[int], str]) -> None:
    store = Store(run, host, durable=False, items=False)
    await store.open()
    while store.known < known:
        await store.commit([(None, store.new(min(10_000, known - store.known), store.known * 3 // known))])
    while share == 2 and store.ended < known // 2:
        await store.commit([(page, []) for page in store.next(min(1000, known // 2 - store.ended))])
    await store.close()


async def measure(work: Path, port: int, known: int, share: int, hosts: int) -> None:
    (work / "large.py").write_text(SPIDER.format(url=f"http://127.0.0.1:{port}"))
    first = [await asyncio.to_thread(started, work, "--max-pages", "1", "--fresh") for _ in range(3)]
    run = max((work / "runs/large").glob("*/run.json"), key=lambda path: path.stat().st_mtime).parent
    await fill(run, known, share, host_at(port, hosts))
    command = [sys.executable, __file__, "--steps", str(run / "frontier.sqlite")]
    runs = [json.loads(await asyncio.to_thread(subprocess.check_output, command)) for _ in range(ROUNDS)]
    later = [await asyncio.to_thread(started, work) for _ in range(ROUNDS)]
    times = zip(*([after - before for (before, _), (after, _) in pairwise(marks)] for marks in runs), strict=True)
    grown = (statistics.median(marks[-1][1] - marks[0][1] for marks in runs)) * 1e6
    row(
        f"{hosts:,}", f"{known:,}", f"{known // share:,}",
        *(f"{statistics.median(column):.2f}" for column in times), f"{grown / known:.0f}",
        *(f"{statistics.median(column):.2f}" for starts in (first, later) for column in zip(*starts, strict=True)),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", type=int, default=1_000_000, metavar="N", help="URLs of each store")
    parser.add_argument("--pending", choices=("all", "half"), default="all", help="how many of them")
    parser.add_argument("--steps", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps:
        asyncio.run(steps(options.steps))
        return
    print(f"Python {platform.python_version()}, {platform.machine()}; seconds, medians of {ROUNDS}\n")
    row(
        "hosts",
        "known",
        "pending",
        "open",
        "hand-out",
        "seen set",
        "bytes each",
        "new run",
        "(CPU)",
        "going on",
        "(CPU)",
    )
    with site() as port:
        for hosts in (1, options.known // 10):
            with tempfile.TemporaryDirectory(prefix="resume-") as name:
                share = 1 if options.pending == "all" else 2
                asyncio.run(measure(Path(name), port, options.known, share, hosts))


if __name__ == "__main__":
    main()
