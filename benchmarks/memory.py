"""How much memory a real `crawler run` takes at its peak, by what is pending and what is known.

    python benchmarks/memory.py [--keep DIR] [--most 10M]

A new run with 1,000 pending, and runs that are resumed with a million pending, on one host and on 100,000; with
`--most 10M` with ten million too, whose stores take some minutes and 1.2 GB each to make: `--keep` keeps them for
the next time. Each run then crawls 2,000 pages of the site of endless.py, which stands behind a proxy on 127.0.0.1,
so that every host name is had without a resolver. Peaks are the kernel's (`ru_maxrss`), everything included.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from endless import SPIDER, endless
from frontier import Store

PAGES = 2000
ROOT = str(Path(__file__).parents[1])
GOALS = {1_000: 100, 1_000_000: 200, 10_000_000: 700}
ENVIRONMENT = {**os.environ, "PYTHONPATH": ROOT}


async def build(run: Path, pending: int, done: int, hosts: int) -> None:
    """Fills a run's store as commits would have: `done` pages among `pending + done` known ones."""
    store = Store(run, lambda n: f"www.site-{n % hosts:06d}.example", durable=False, items=False)
    await store.open()
    while store.known < pending + done:
        await store.commit([(None, store.new(min(20_000, pending + done - store.known), 1))])
    while store.ended < done:
        await store.commit([(page, []) for page in store.next(min(1000, done - store.ended))])
    await store.close()


def peak(work: Path, proxy: str, *flags: str) -> float:
    """MB at the peak of one run; this process stays small, since a child's peak begins with its parent's."""
    command = [sys.executable, "-m", "crawler", "run", "endless_spider.py", "-a", "url=http://www.site-000000.example/"]
    with (work / "said").open("w+") as said:
        process = subprocess.Popen(
            [*command, "-s", f"proxy={proxy}", *flags], cwd=work, env=ENVIRONMENT, stderr=said, stdout=said
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit((work / "said").read_text()[-2000:])
    return used.ru_maxrss * 1024 / 1e6


async def resumed(place: Path, proxy: str, pending: int, done: int, hosts: int) -> float:
    """The peak of a run that goes on with such a store; the store is made where it is not there yet."""
    work = place / f"{pending}-{done}-{hosts}"
    if not (work / "built").exists():
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        (work / "endless_spider.py").write_text(SPIDER)
        await asyncio.to_thread(peak, work, proxy, "--max-pages", "1")
        (run,) = [path.parent for path in work.glob("runs/endless/*/run.json")]
        building = [sys.executable, __file__, "--build", str(run), str(pending), str(done), str(hosts)]
        await asyncio.to_thread(subprocess.run, building, check=True, env=ENVIRONMENT)
        (work / "built").touch()
    with tempfile.TemporaryDirectory(prefix="memory-", dir=place) as copy:  # a run changes its store
        again = Path(copy) / "work"
        shutil.copytree(work, again)
        return await asyncio.to_thread(peak, again, proxy, "--max-pages", str(max(done, 1) + PAGES))


async def table(place: Path, most: int) -> None:
    print(f"{'pending':>12} {'known':>12} {'hosts':>8} {'peak MB':>8} {'goal':>6}")

    def row(pending: int, known: int, hosts: int, megabytes: float) -> None:
        print(f"{pending:>12,} {known:>12,} {hosts:>8,} {megabytes:>8.0f} {GOALS[pending]:>6}", flush=True)

    async with endless(1000) as proxy:
        with tempfile.TemporaryDirectory(prefix="memory-", dir=place) as work:
            (Path(work) / "endless_spider.py").write_text(SPIDER)
            row(1000, PAGES + 1000, 1, await asyncio.to_thread(peak, Path(work), proxy, "--max-pages", str(PAGES)))
        for pending in (1_000_000, 10_000_000):
            for done, hosts in ((0, 1), (0, 100_000), (pending, 1)):
                if pending + done <= most:
                    row(pending, pending + done, hosts, await resumed(place, proxy, pending, done, hosts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where stores are kept (default: nowhere)")
    parser.add_argument("--most", default="2M", metavar="N", help="the largest store, in URLs (default 2M)")
    parser.add_argument("--build", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        run, *numbers = options.build
        asyncio.run(build(Path(run), *map(int, numbers)))
        return
    most = int(options.most.upper().replace("M", "000000"))
    print(f"Python {platform.python_version()}, {platform.machine()}, {' '.join(platform.libc_ver())}")
    with tempfile.TemporaryDirectory(prefix="memory-") as temporary:
        place = options.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        asyncio.run(table(place, most))


if __name__ == "__main__":
    main()
