"""Whether a bad host costs the others anything: healthy hosts alone, and beside a slow, a silent and a throttling one.

    python benchmarks/hosts.py [--rounds 3] [--only ours,scrapy] [--silent-robots]

Fifty hosts of 100 pages each, on 127.0.1.1 and up (Linux answers on all of 127.0.0.0/8), each page with links to the
ten after it. A healthy host answers after 20 ms. Of the bad ones one takes 2 s, one never answers, one says 429 with
"Retry-After: 1" to everything. Measured by the server's clock: from the first request to the last page of the last
healthy host. The run is ended then, as a silent host makes it last for as long as its time-outs. A fair crawler takes
the same time twice. The server has one core, the crawl another.

--silent-robots: 32 bad hosts instead, whose robots.txt never comes. Scrapy: needs an environment, which is made when
first used (--work). Exit code 1 when a healthy page is missing or was asked for twice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from kit.candidates import crawler_command
from kit.environments import default_work, python_of
from kit.machine import described, machine

PROGRAMS = Path(__file__).parent / "programs"
HEALTHY, PAGES, LINKS, LATENCY = 47, 100, 10, 0.02
PATIENCE = 120.0
"""Seconds after which a run that has not fetched all healthy pages is given up."""


class Hosts:
    """The servers, and what was asked of them."""

    def __init__(self, silent_robots: bool) -> None:
        kinds = ["robots"] * 32 if silent_robots else ["slow", "silent", "throttling"]
        self.healthy = [f"127.0.1.{n + 1}" for n in range(HEALTHY)]
        self.bad = {f"127.0.2.{n + 1}": kind for n, kind in enumerate(kinds)}
        self.port = 0
        self.begin_run()

    def begin_run(self) -> None:
        """Forgets what was asked."""
        self.asked: Counter[tuple[str, str]] = Counter()
        self.begin = self.end = 0.0
        self.left = HEALTHY * PAGES
        self.done = asyncio.Event()

    async def listen(self) -> None:
        """Answers from now on, on one port of all addresses."""
        home = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = home.sockets[0].getsockname()[1]
        for address in [*self.healthy, *self.bad]:
            await asyncio.start_server(self._serve, address, self.port, backlog=1024)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(address, head.split(b" ", 2)[1].decode(), writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, address: str, path: str, writer: asyncio.StreamWriter) -> None:
        self.begin = self.begin or time.perf_counter()
        self.asked[address, path] += 1
        kind = self.bad.get(address, "")
        if kind == "silent" or (kind == "robots" and path == "/robots.txt"):
            await asyncio.sleep(PATIENCE)
        await asyncio.sleep(2.0 if kind == "slow" else LATENCY)
        if kind == "throttling":
            writer.write(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
        elif path == "/robots.txt":
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        else:
            body = self._page(address, path)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            if address in self.healthy:
                self._count()
        await writer.drain()

    def _count(self) -> None:
        self.left -= 1
        if not self.left:
            self.end = time.perf_counter()
            self.done.set()

    def _page(self, address: str, path: str) -> bytes:
        if address == "127.0.0.1":
            bad = [f"{host}:{self.port}/{n}" for n in range(PAGES) for host in self.bad] if path == "/all" else []
            step = -(-len(bad) // HEALTHY)
            places: list[str] = []
            for n, host in enumerate(self.healthy):  # the bad ones stand between the others
                places += [*bad[n * step : (n + 1) * step], f"{host}:{self.port}/0"]
            return "".join(f'<a href="http://{place}">x</a>\n' for place in places).encode()
        number = int(path[1:])
        return "".join(f'<a href="/{n}">x</a>\n' for n in range(number + 1, min(number + 1 + LINKS, PAGES))).encode()


async def measure(hosts: Hosts, name: str, path: str, work: Path) -> float | None:
    """Seconds for the healthy pages of one run; None when they were not all fetched in time."""
    hosts.begin_run()
    url, directory = f"http://127.0.0.1:{hosts.port}/{path}", Path(tempfile.mkdtemp(prefix="hosts-"))
    out = str(directory / "items.jsonl")
    words = [crawler_command(), "run", str(PROGRAMS / "ours_hosts.py"), "-a", f"url={url}", "-o", out, "--quiet"]
    if name == "scrapy":
        words = [python_of("scrapy", work), str(PROGRAMS / "scrapy_hosts.py"), url, out]
    core = max(os.sched_getaffinity(0))
    process = await asyncio.create_subprocess_exec(
        "taskset", "-c", str(core), *words, cwd=directory, stderr=asyncio.subprocess.DEVNULL
    )
    ended = asyncio.ensure_future(process.wait())
    done = asyncio.ensure_future(hosts.done.wait())
    await asyncio.wait([ended, done], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    done.cancel()
    if not ended.done():
        process.kill()
    await ended
    shutil.rmtree(directory, ignore_errors=True)
    twice = [place for place, times in hosts.asked.items() if times > 1 and place[0] in hosts.healthy]
    if twice and not hosts.left:
        sys.exit(f"{name}: asked twice for {twice[:3]}")
    return hosts.end - hosts.begin if hosts.end else None


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="ours,scrapy")
    parser.add_argument("--silent-robots", action="store_true")
    parser.add_argument("--work", type=Path, default=default_work())
    options = parser.parse_args()
    print(described(machine()))
    hosts = Hosts(options.silent_robots)
    await hosts.listen()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    missing = False
    print(f"{'':<8} {'healthy alone':>14} {'beside the bad':>15} {'ratio':>6}")
    for name in options.only.split(","):
        times: dict[str, list[float]] = {"healthy": [], "all": []}
        for _ in range(options.rounds):
            for path, found in times.items():
                seconds = await measure(hosts, name, path, options.work)
                if seconds is None:
                    print(f"{name}, {path}: {hosts.left} healthy pages missing after {PATIENCE:.0f} s", flush=True)
                    missing = True
                else:
                    found.append(seconds)
        if times["healthy"] and times["all"]:
            alone, beside = statistics.median(times["healthy"]), statistics.median(times["all"])
            print(f"{name:<8} {alone:>12.2f} s {beside:>13.2f} s {beside / alone:>6.2f}", flush=True)
    return int(missing)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
