"""What the store costs, whatever it holds: µs a page, bytes a URL, seconds to go on with a run.

    python benchmarks/frontier.py [--known 5000000] [--quick]

Pages of 30 links go the real way: fingerprints and look-ups (`Linker`), `accept`, commit (item log and
SQLite, both synced), in groups of 200, at 10 thousand known URLs, 100 thousand, a million and 5 million.
CPU time of all threads, the median of the groups and behind it their mean, in which SQLite's checkpoints
show. `in order`: pages end in the order they were found, and link to the same few pages as others do.
`any`: pages end and link at random over all that is known, which no site does; it is the worst case.

Making the links and hosts' chains are not in it: benchmarks/links.py and scheduler.py. The files were
just written and are in the page cache; from a cold disk, reading them comes on top. In full it takes
about three minutes, 1 GB of disk and 200 MB of memory; --quick ends at 200 thousand.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

from crawler.codec import encode_item
from crawler.contracts import Entry, Group, ItemRecord, Outcome
from crawler.frontier import SQLiteFrontier
from crawler.frontier.fingerprint import Fingerprinter
from crawler.linking import Linker
from crawler.no_gc import no_gc
from crawler.outputs import ItemLog
from crawler.request import PLAIN, Request, make
from crawler.robots import Robots
from crawler.scheduler import Scheduler
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.urls import CanonicalRules

PAGES, LINKS = 200, 30
ROUNDS = 15
FINGERPRINTER = Fingerprinter(bytes(16), CanonicalRules())
MENU = 200  # pages that "every page links to"
ITEM = ItemRecord(0, *encode_item({"title": "A book of three hundred pages", "price": 51.77, "stock": 22}))


Page = tuple[Entry | None, list[Request]]
"""A page, or the seeds, and the links on it."""


def megabytes() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Store:
    """A frontier and its log, filled with URLs that are numbered as they are found, from 1."""

    def __init__(
        self, directory: Path, host: Callable[[int], str], *, durable: bool = True, items: bool = True
    ) -> None:
        self.host = host
        self.items = [ITEM] if items else []
        self.known = 0
        self.ended = 0
        self._thread = ThreadPoolExecutor(1)
        self._log = ItemLog(directory / "items.log", durable=durable)
        self._frontier = SQLiteFrontier(directory / "frontier.sqlite", durable=durable, executor=self._thread)
        self._linker = Linker(FINGERPRINTER, Scope(Settings(), ()), self._frontier, Settings())
        self._number = 0
        self._random = random.Random(1)

    async def open(self) -> None:
        recovered = await self._frontier.open()
        self._number, self.known, self.ended = recovered.commit, recovered.known, recovered.known - recovered.pending

    async def close(self) -> None:
        await self._frontier.close()
        self._log.close()
        self._thread.shutdown()

    async def fill(self, known: int, new: int) -> None:
        """Pages in order, each with so many links, all new, up to `known` URLs."""
        if self.known - self.ended < PAGES:
            await self.commit([(None, self.new(min(known, PAGES * new), 0))])
        while self.known < known:
            pages = min(PAGES, -(-(known - self.known) // new))
            await self.commit([(page, self.new(new, page.request.depth + 1)) for page in self.next(pages)])

    async def cost(self, new: int, *, anywhere: bool) -> tuple[float, float, float]:
        """µs a page: median and mean of the groups; and of reading an entry at its hand-out."""
        costs, reads = [], []
        for _ in range(ROUNDS):
            begin = time.process_time()
            entries = self.some() if anywhere else self.next(PAGES)
            reads.append((time.process_time() - begin) / PAGES * 1e6)
            pages: list[Page] = []
            for page in entries:
                depth = page.request.depth + 1
                links = [*self.old(LINKS - new, depth, anywhere=anywhere), *self.new(new, depth)]
                self._random.shuffle(links)
                pages.append((page, links))
            gc.freeze()  # a crawl has the links of one page in memory at a time, not of a whole group
            begin = time.process_time()
            await self.commit(pages)
            costs.append((time.process_time() - begin) / PAGES * 1e6)
            gc.unfreeze()
        return statistics.median(costs), statistics.mean(costs), statistics.median(reads)

    async def commit(self, pages: Sequence[Page]) -> None:
        """What the engine and the committer do with pages and their links."""
        outcomes = []
        for entry, links in pages:
            outcome = Outcome(entry, "none")
            if entry is not None:
                outcome = Outcome(entry, "done", 200, items=self.items, counters={"pages": 1, "items": 1})
            self._linker.link(entry, enumerate(links), outcome)
            self._frontier.accept(outcome)
            outcomes.append(outcome)
        self._number += 1
        records = [(o.entry.key, item) for o in outcomes if o.entry is not None for item in o.items]
        end = await asyncio.get_running_loop().run_in_executor(self._thread, self._log.append, self._number, records)
        await self._frontier.commit(Group(self._number, outcomes, end))

    def new(self, count: int, depth: int) -> list[Request]:
        first = self.known + 1
        self.known += count
        return [self.request(n, depth) for n in range(first, self.known + 1)]

    def old(self, count: int, depth: int, *, anywhere: bool) -> list[Request]:
        most = self.known if anywhere else min(self.known, MENU)
        return [self.request(n, depth) for n in self._random.choices(range(1, most + 1), k=count)]

    def request(self, n: int, depth: int) -> Request:
        return make(f"http://{self.host(n)}/catalogue/item-{n}/index.html", "parse", {}, PLAIN, depth)

    def next(self, count: int) -> list[Entry]:
        """The oldest that are pending."""
        entries: list[Entry] = []
        while len(entries) < count:
            first = self.ended + 1
            self.ended += count - len(entries)
            entries += self.read(range(first, self.ended + 1))
        return entries

    def some(self) -> list[Entry]:
        """Pending ones from anywhere."""
        entries: dict[int, Entry] = {}
        while len(entries) < PAGES:
            ids = self._random.sample(range(self.ended + 1, self.known + 1), PAGES)
            entries.update((entry.id, entry) for entry in self.read(ids))
        return list(entries.values())[:PAGES]

    def read(self, ids: Sequence[int]) -> list[Entry]:
        """As the scheduler asks: a window at a time."""
        return [entry for at in range(0, len(ids), 16) for entry in self._frontier.bodies(ids[at : at + 16])]


# -- a page's cost as the store grows


async def grow(directory: Path, most: int) -> None:
    columns = ("k = 1, in order", "k = 1, any", "k = 20, any", "hand-out", "resident", "on disk")
    units = ("µs a page", "µs a page", "µs a page", "µs a page", "MB", "bytes a URL")
    print(f"{'known':>9}", *(f"{name:>15}" for name in columns))
    print(f"{'':>9}", *(f"{unit:>15}" for unit in units))
    before = megabytes()
    store = Store(directory, lambda n: f"www.site-{n % 1000:03d}.example")
    await store.open()
    sizes: list[tuple[int, float]] = []
    for known in [n for n in (10_000, 100_000, 200_000, 1_000_000, 5_000_000) if n < most and n != 200_000] + [most]:
        await store.fill(known, LINKS)
        at, resident = store.known, megabytes()
        sizes.append((at, resident))
        near, any_, many = [
            await store.cost(new, anywhere=anywhere) for new, anywhere in ((1, False), (1, True), (20, True))
        ]
        disk = sum(file.stat().st_size for file in directory.glob("frontier.sqlite*")) / store.known
        cells = [f"{median:.0f} ({mean:.0f})" for median, mean, _ in (near, any_, many)]
        cells += [f"{near[2]:.1f}, {any_[2]:.1f}", f"{resident - before:.0f}", f"{disk:.0f}"]
        print(f"{at:>9,}", *(f"{cell:>15}" for cell in cells), flush=True)
    await store.close()
    (first, low), (last, high) = sizes[0], sizes[-1]
    each = (high - low) * 1e6 / (last - first)
    print(f"{each:.0f} bytes of memory a known URL (seen set, pending flags; no scheduler)")


# -- going on


async def resume(path: Path) -> None:
    """In a process of its own: prints how long each step of a start takes, and what it leaves in memory."""
    settings = Settings()
    scheduler: Scheduler
    marks = [(time.perf_counter(), megabytes())]
    frontier = SQLiteFrontier(path, durable=True)
    recovered = await frontier.open()
    marks.append((time.perf_counter(), megabytes()))
    scheduler = Scheduler(settings, frontier.bodies, gate=Robots(settings))
    with no_gc():  # as the engine does
        for host, level, ids in recovered.chains:
            scheduler.restore(host, level, ids)
    del recovered
    marks.append((time.perf_counter(), megabytes()))
    assert not frontier.known(bytes(16))  # waits for the seen set
    marks.append((time.perf_counter(), megabytes()))
    await frontier.close()
    print(json.dumps(marks))


async def going_on(directory: Path, known: int) -> None:
    print(f"\ngoing on with {known:,} known, half of them pending: seconds, median of 3")
    columns = ("open", "scheduler", "seen set", "bytes a pending", "bytes a known")
    print(f"{'':>15}", *(f"{name:>15}" for name in columns))
    for name, hosts in (("one host", 1), (f"{known // 10:,} hosts", known // 10)):
        place = directory / name.replace(" ", "-").replace(",", "")
        place.mkdir()
        await half_done(place, known, lambda n, hosts=hosts: f"www.site-{n % hosts:06d}.example")  # type: ignore[misc]
        command = [sys.executable, __file__, "--resume", str(place / "frontier.sqlite")]
        runs = [json.loads(await asyncio.to_thread(subprocess.check_output, command)) for _ in range(3)]
        steps = [[after - before for (before, _), (after, _) in pairwise(marks)] for marks in runs]
        opened, chains, seen = (statistics.median(column) for column in zip(*steps, strict=True))
        pending = (runs[-1][2][1] - runs[-1][0][1]) * 1e6 / (known / 2)
        each = (runs[-1][3][1] - runs[-1][0][1]) * 1e6 / known
        cells = [f"{opened:.2f}", f"{chains:.2f}", f"{seen:.2f}", f"{pending:.0f}", f"{each:.0f}"]
        print(f"{name:>15}", *(f"{cell:>15}" for cell in cells), flush=True)
        shutil.rmtree(place)


async def half_done(directory: Path, known: int, host: Callable[[int], str]) -> None:
    store = Store(directory, host, durable=False, items=False)
    await store.open()
    await store.fill(known, 2)
    while store.ended < known // 2:
        await store.commit([(page, []) for page in store.next(min(1000, known // 2 - store.ended))])
    await store.close()


# -- the whole program

SPIDER = """
from crawler import Spider

class Large(Spider):
    name = "large"
    start_urls = ["{url}/"]

    async def parse(self, response):
        yield response.follow_all("a")
"""


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


@contextmanager
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def started(work: Path, *flags: str) -> float:
    """Seconds from the command to the first request that the site sees."""
    Answer.asked.clear()
    command = [sys.executable, "-m", "crawler", "run", "large.py", "--quiet", *flags]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    begin = time.perf_counter()
    with (work / "stderr").open("w+") as said, subprocess.Popen(command, cwd=work, env=env, stderr=said) as process:
        while not Answer.asked.wait(0.5):
            if process.poll() is not None:
                raise SystemExit((work / "stderr").read_text() + "the crawl asked for nothing")
        seconds = time.perf_counter() - begin
        if not flags:
            process.send_signal(signal.SIGTERM)
    return seconds


async def whole_program(work: Path, known: int) -> None:
    with site() as host:
        (work / "large.py").write_text(SPIDER.format(url=f"http://{host}"))
        new = [await asyncio.to_thread(started, work, "--max-pages", "1", "--fresh") for _ in range(3)]
        run = max((work / "runs/large").glob("*/run.json"), key=lambda path: path.stat().st_mtime).parent
        await half_done(run, known, lambda n: host)
        again = [await asyncio.to_thread(started, work) for _ in range(3)]
    first, later = statistics.median(new), statistics.median(again)
    print(f"\n`crawler run` to its first request: new {first:.2f} s, going on with {known:,} known {later:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", type=int, default=5_000_000, metavar="N", help="URLs that the store grows to")
    parser.add_argument("--quick", action="store_true", help="to 200,000")
    parser.add_argument("--resume", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.resume:
        asyncio.run(resume(options.resume))
        return
    most = 200_000 if options.quick else options.known
    machine = f"Python {platform.python_version()}, {platform.machine()}"
    print(f"{machine}; groups of {PAGES} pages with {LINKS} links each, k of them new\n")
    with tempfile.TemporaryDirectory(prefix="frontier-") as name:
        for place in ("growing", "going", "run"):
            (Path(name) / place).mkdir()
        asyncio.run(grow(Path(name) / "growing", most))
        asyncio.run(going_on(Path(name) / "going", min(most, 1_000_000)))
        asyncio.run(whole_program(Path(name) / "run", min(most, 1_000_000)))


if __name__ == "__main__":
    main()
