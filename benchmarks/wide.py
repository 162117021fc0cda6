"""Many hosts that each want to be left alone for a while: the rate that their delays allow, and its cost.

    python benchmarks/wide.py [--seconds 10]

The whole crawl (SQLite, strict commits, robots, default settings but for the delay), but for the
network: ten thousand hosts cannot be had, so each answers at once, with a page of one link to its next.
So parsing and sockets are hardly in the figures, and what the engine does is most of them.

Measured once every host has been asked, over whole delays: the mean time between two requests to a host, and
from it the pages a second beside what the delays allow (hosts / delay); CPU a page, and what share of a core
the crawl takes. All hosts are found within seconds, so all are due within the same seconds of each delay,
and a busy machine shows there. A loop that is busy between the times when something is
due would show as CPU a page above that of one host without a delay.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

from multidict import CIMultiDict, CIMultiDictProxy

from crawler import Spider, assembly, run
from crawler.fetch import AiohttpFetcher
from crawler.request import Request
from crawler.response import Response
from crawler.spider import Yields

CASES = (  # hosts, delay in seconds
    (1, 0.0), (1_000, 0.0), (1_000, 1.0), (10_000, 20.0), (10_000, 10.0), (10_000, 1.0),
)  # fmt: skip
WIDTHS = (8, 6, 10, 8, 6, 14, 10)


class Wide(Spider):
    """A page of each host, and from there one by one."""

    name = "wide"
    hosts = 1

    async def start(self):  # type: ignore[no-untyped-def]
        for n in range(self.hosts):
            yield Request(f"http://www.site-{n:06d}.example/0")

    async def parse(self, response: Response) -> Yields[dict[str, str]]:
        yield {"url": response.url}
        yield response.follow_all("a")


class Instant(AiohttpFetcher):
    """Answers without a network, and notes when and for how much CPU."""

    hosts, pages, seconds = 1, 0, 10.0
    marks: tuple[float, float, int] | None = None
    asked: ClassVar[dict[str, float]] = {}
    gaps, gap = 0, 0.0
    result: dict[str, float] | None = None
    measured = asyncio.Event()
    HEADERS = CIMultiDictProxy(CIMultiDict({"Content-Type": "text/html; charset=utf-8"}))

    async def __call__(self, request: Request, *, max_body: int | None = None, cut: bool = False) -> Response:
        await asyncio.sleep(0)
        if request.url.endswith("/robots.txt"):
            return Response(request.url, 404, self.HEADERS, b"", request)
        self.note(request.url)
        n = int(request.url.rsplit("/", 1)[1])
        return Response(request.url, 200, self.HEADERS, b'<a href="/%d">next</a>' % (n + 1), request)

    @classmethod
    def note(cls, url: str) -> None:
        host, now = url.rpartition("/")[0], time.perf_counter()
        if cls.marks is not None and host in cls.asked:
            cls.gaps += 1
            cls.gap += now - cls.asked[host]
        cls.asked[host] = now
        cls.pages += 1
        if cls.pages % 32 and cls.marks is not None:
            return
        if cls.marks is None:
            if cls.pages >= max(cls.hosts, 1000):
                cls.marks = time.perf_counter(), time.process_time(), cls.pages
            return
        begin, cpu, pages = cls.marks
        passed = time.perf_counter() - begin
        if passed >= cls.seconds and cls.result is None:
            done, used = cls.pages - pages, time.process_time() - cpu
            rate = done / passed if cls.hosts == 1 else cls.hosts * cls.gaps / cls.gap
            cls.result = {"rate": rate, "micros": used / done * 1e6, "core": used / passed}
            cls.measured.set()


async def one(hosts: int, delay: float, seconds: float, runs: str) -> None:
    """In a process of its own."""
    Instant.hosts, Instant.seconds = hosts, -(-seconds // delay) * delay if delay else seconds
    assembly.AiohttpFetcher = Instant  # type: ignore[misc]
    Wide.hosts = hosts
    crawl = asyncio.create_task(run(Wide, settings={"delay": delay, "runs_dir": runs}))
    measured = asyncio.create_task(Instant.measured.wait())
    await asyncio.wait([crawl, measured], return_when=asyncio.FIRST_COMPLETED)
    for task in (crawl, measured):
        task.cancel()
    await asyncio.wait([crawl, measured])
    print(json.dumps(Instant.result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="for which each case is measured, at least")
    parser.add_argument("--case", nargs=2, type=float, metavar=("HOSTS", "DELAY"), help="only this one")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        asyncio.run(one(int(options.case[0]), options.case[1], options.seconds, options.child))
        return
    print(f"Python {platform.python_version()}, {platform.machine()}; {options.seconds:.0f} s each\n")
    names = ("hosts", "delay", "allowed/s", "pages/s", "of it", "CPU µs a page", "of a core")
    print(*(f"{name:>{width}}" for name, width in zip(names, WIDTHS, strict=True)))
    for hosts, delay in [options.case] if options.case else CASES:
        with tempfile.TemporaryDirectory(prefix="wide-") as runs:
            flags = ["--case", str(hosts), str(delay), "--seconds", str(options.seconds), "--child", runs]
            said = subprocess.check_output([sys.executable, str(Path(__file__).resolve()), *flags], timeout=600)
        found = json.loads(said.splitlines()[-1])
        allowed = hosts / delay if delay else 0.0
        cells = (
            f"{hosts:,.0f}", f"{delay:g} s", f"{allowed:,.0f}" if delay else "", f"{found['rate']:,.0f}",
            f"{found['rate'] / allowed:.0%}" if delay else "", f"{found['micros']:.0f}", f"{found['core']:.0%}",
        )  # fmt: skip
        print(*(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


if __name__ == "__main__":
    main()
