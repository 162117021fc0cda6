"""How long a start takes: until the help is there, until a site sees the first request, until all is over.

    python benchmarks/startup.py [--rounds 15]

Each row is the median of the rounds, which are interleaved; processes of their own, as a shell starts them.
CPU is user and system time of the whole process. `robots.txt` and `page` are the seconds from the start of the
process until a server of this machine was asked for them. `fresh` begins a new run, `second` finds one that
has ended, `of 1000` a directory with a thousand of them. `aiohttp alone` imports it, fetches the page and ends.

Bytecode lies in a directory of its own and was written by a first round, as it is where a package is installed.
`uncompiled` shows what a start costs that finds none and may write none (an image made with `--no-compile`).
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SPIDER = """
from crawler import Response, Spider, Yields

class One(Spider):
    name = "one"
    start_urls = ["{url}"]

    async def parse(self, response: Response) -> Yields[dict]:
        yield {{"title": response.css("h1::text").get()}}
"""

ALONE = """
import asyncio, sys, aiohttp
async def main(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        await answer.read()
asyncio.run(main(sys.argv[1]))
"""


class Site(ThreadingHTTPServer):
    """One page, and when (monotonic seconds) each path was asked for last."""

    asked: dict[str, float]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are sent apart
    server: Site

    def do_GET(self) -> None:
        self.server.asked[self.path] = time.monotonic()
        robots = self.path == "/robots.txt"
        body = b"User-agent: *\nAllow: /\n" if robots else b"<title>One</title><h1>A page</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain" if robots else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Starts:
    """Starts programs and remembers, for each name, what was measured."""

    def __init__(self, site: Site, directory: Path) -> None:
        self.site = site
        self.directory = directory
        self.seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CRAWLER_", "PYTHON"))}
        root = str(Path(__file__).parent.parent)
        self.env = {**clean, "PYTHONPYCACHEPREFIX": str(directory / "bytecode"), "PYTHONPATH": root}

    def start(self, name: str, *command: str, **env: str) -> None:
        """Runs a command to its end. Raises CalledProcessError where it fails."""
        self.site.asked.clear()
        before, begin = _cpu_of_children(), time.monotonic()
        done = subprocess.run(command, cwd=self.directory, env=self.env | env, capture_output=True, timeout=120)
        done.check_returncode()
        took = self.seconds[name]
        took["wall"].append(time.monotonic() - begin)
        took["CPU"].append(_cpu_of_children() - before)
        for path, label in (("/robots.txt", "robots.txt"), ("/", "page")):
            if path in self.site.asked:
                took[label].append(self.site.asked[path] - begin)

    def table(self) -> str:
        """Medians in milliseconds."""
        columns = ("robots.txt", "page", "wall", "CPU")
        lines = [f"{'ms':24}" + "".join(f"{column:>12}" for column in columns)]
        for name, took in self.seconds.items():
            cells = [f"{statistics.median(took[c]) * 1e3:12.0f}" if took[c] else f"{'':12}" for c in columns]
            lines.append(f"{name:24}" + "".join(cells))
        return "\n".join(lines)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _steps(starts: Starts) -> list[Callable[[], None]]:
    """One round, in its order."""
    python, directory, url = sys.executable, starts.directory, starts.site.url
    crawler = (python, "-m", "crawler")
    crawl = (*crawler, "run", "one.py", "-q")
    (directory / "one.py").write_text(SPIDER.format(url=url))
    runs, many = directory / "runs", directory / "many"

    def fresh() -> None:
        shutil.rmtree(runs, ignore_errors=True)
        starts.start("crawler run, fresh", *crawl)

    def of_many() -> None:
        if not many.exists():
            _multiply(next((runs / "one").glob("*/")), many / "one", 1000)
        starts.start("crawler run, of 1000", *crawl, "--runs-dir", str(many))

    def uncompiled() -> None:
        nowhere = {"PYTHONPYCACHEPREFIX": str(directory / "none"), "PYTHONDONTWRITEBYTECODE": "1"}
        starts.start("crawler run, uncompiled", *crawl, "--fresh", **nowhere)

    return [
        lambda: starts.start("python -c pass", python, "-c", "pass"),
        lambda: starts.start("aiohttp alone", python, "-c", ALONE, url),
        lambda: starts.start("crawler --help", *crawler, "--help"),
        lambda: starts.start("crawler run --help", *crawler, "run", "--help"),
        fresh,
        lambda: starts.start("crawler run, second", *crawl),
        of_many,
        uncompiled,
    ]


def _multiply(run: Path, spider_dir: Path, count: int) -> None:
    """So many copies of a run, an hour apart and older than it."""
    made = time.mktime(time.strptime(run.name[:15], "%Y%m%d-%H%M%S"))
    text = (run / "run.json").read_text()
    spider_dir.mkdir(parents=True)
    for key in run.parent.glob("*.key"):
        shutil.copy(key, spider_dir)
    created = text.partition('"created": ')[2].partition(",")[0]
    for number in range(count):
        then = made - 3600 * number
        copy = spider_dir / (time.strftime("%Y%m%d-%H%M%S-", time.localtime(then)) + f"{number:04x}")
        shutil.copytree(run, copy)
        (copy / "run.json").write_text(text.replace(created, str(then)).replace(run.name, copy.name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="startup-") as temporary, Site() as site:
        starts = Starts(site, Path(temporary))
        steps = _steps(starts)
        for number in range(rounds + 1):
            for step in steps:
                step()
            if number == 0:  # it wrote the bytecode and warmed the page cache
                starts.seconds.clear()
        print(f"Python {platform.python_version()}, {os.cpu_count()} cores, medians of {rounds}")
        print(starts.table())


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
