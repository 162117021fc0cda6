"""What the scheduler costs: µs a page by hosts and pending, bytes a host. No network, no disk.

    python benchmarks/scheduler.py [--pages 200000]

A page is one hand-out, one release and one `add` of a page that takes its place, so that the number
of pending pages stays as it is. `bodies` makes entries on the spot and its time is taken off; in a
crawl it is a read of about 5 µs for what does not fit into the windows.
"""

from __future__ import annotations

import argparse
import gc
import platform
import time
import tracemalloc
from collections.abc import Sequence

from crawler.contracts import Entry
from crawler.request import PLAIN, make
from crawler.scheduler import Scheduler
from crawler.settings import Settings


class Open:
    """A gate that lets everything through."""

    full = False

    def check(self, entry: Entry) -> str:
        return "go"


class World:
    """Pages spread evenly over hosts: page n belongs to host n % hosts."""

    def __init__(self, hosts: int, settings: Settings) -> None:
        self.hosts = hosts
        self.read = 0.0
        self.reads = 0
        self.scheduler = Scheduler(settings, self.bodies, gate=Open())

    def name(self, n: int) -> str:
        return f"www.site-{n % self.hosts:07d}.example"

    def entry(self, n: int) -> Entry:
        host = self.name(n)
        return Entry(n, b"", host, make(f"https://{host}/{n}", "", {}, PLAIN, 1))

    def bodies(self, ids: Sequence[int]) -> list[Entry]:
        begin = time.perf_counter()
        entries = [self.entry(n) for n in ids]
        self.read += time.perf_counter() - begin
        self.reads += len(ids)
        return entries


def cost(hosts: int, pending: int, pages: int) -> None:
    world = World(hosts, Settings())
    scheduler = world.scheduler
    for n in range(1, pending + 1):
        scheduler.add(world.entry(n))
    new = [world.entry(n) for n in range(pending + 1, pending + pages + 1)]
    flying: list[str] = []
    at_once = min(24, 6 * hosts)
    gc.collect()
    gc.disable()
    world.read = world.reads = 0
    begin = time.perf_counter()
    for entry in new:
        handout = scheduler.take()
        assert handout is not None
        flying.append(handout.entry.host)
        if len(flying) == at_once:
            scheduler.release(flying.pop(0))
        scheduler.add(entry)
    seconds = time.perf_counter() - begin - world.read
    gc.enable()
    print(f"{hosts:>9,} {pending:>11,} {seconds / pages * 1e6:>9.2f} {world.reads / pages:>13.2f}")


def size(hosts: int, urls: int) -> None:
    gc.collect()
    tracemalloc.start()
    world = World(hosts, Settings())
    before = tracemalloc.get_traced_memory()[0]
    for n in range(1, hosts * urls + 1):
        world.scheduler.add(world.entry(n))
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    print(f"{hosts:,} hosts with {urls} URLs each: {used / hosts:.0f} bytes a host, its name included")


def chain(pending: int) -> None:
    gc.collect()
    tracemalloc.start()
    world = World(1, Settings())
    for n in range(1, pending + 1):
        world.scheduler.add(world.entry(n))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"one host with {pending:,} URLs: {used / pending:.1f} bytes a URL")


def main() -> None:
    parser = argparse.ArgumentParser(description="The scheduler's cost.")
    parser.add_argument("--pages", type=int, default=100_000)
    pages = parser.parse_args().pages
    print(f"Python {platform.python_version()}, {platform.machine()}; {pages:,} pages each\n")
    print(f"{'hosts':>9} {'pending':>11} {'µs a page':>9} {'bodies a page':>13}")
    for hosts, pending in [
        (1, 1_000), (1, 1_000_000), (50, 10_000), (1_000, 100_000), (10_000, 100_000), (100_000, 200_000),
        (100_000, 1_000_000), (1_000_000, 1_000_000),
    ]:  # fmt: skip
        cost(hosts, pending, pages)
    print()
    size(1_000_000, 1)
    size(100_000, 10)
    chain(1_000_000)


if __name__ == "__main__":
    main()
