"""What the store costs, whatever it holds: µs a page and bytes a URL, on one host and on 200,000.

    python benchmarks/frontier.py [--known 5000000] [--hosts 1 200000] [--quick]

Pages of 30 links go the real way (large_store.py) at 10 thousand known URLs, 100 thousand, a million and
5 million. CPU time of all threads, the median of the groups and behind it their mean, in which SQLite's
checkpoints show. `in order`: pages end in the order they were found, and link to the same few pages as
others do. `any`: pages end and link at random over all that is known, which no site does; it is the worst
case. `hand-out`: reading a page's row, in order and at random.

Making the links and hosts' chains are not in it: benchmarks/links.py and scheduler.py. The files were
just written and are in the page cache; from a cold disk, reading them comes on top. In full it takes
about five minutes, 1 GB of disk and 300 MB of memory; --quick ends at 200 thousand.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import tempfile
from pathlib import Path

from large_store import LINKS, PAGES, Store, megabytes

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
NEW = (3, 20)
"""Links of a page that are new."""
PAGE = 300
"""µs: what a whole page costs on the fast parser, for the share that growth has of it."""
WIDTHS = (9, *(14,) * 5, 10, 13)


def row(*cells: str) -> None:
    print(*(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


async def grow(directory: Path, most: int, hosts: int) -> None:
    print(f"\n{hosts:,} host{'s' if hosts > 1 else ''}")
    row(
        "known", *(f"k = {new}, {how}" for new in NEW for how in ("in order", "any")), "hand-out", "resident", "on disk"
    )
    row("", *["µs a page"] * 5, "MB", "bytes a URL")
    before = megabytes()
    store = Store(directory, lambda n: f"www.site-{n % hosts:06d}.example")
    await store.open()
    sizes: list[tuple[int, float]] = []
    costs: list[list[float]] = []
    for known in [n for n in SIZES if n < most] + [most]:
        await store.fill(known, LINKS)
        at, resident = store.known, megabytes()
        sizes.append((at, resident))
        measured = [await store.cost(new, anywhere=anywhere) for new in NEW for anywhere in (False, True)]
        costs.append([median for median, *_ in measured])
        disk = sum(file.stat().st_size for file in directory.glob("frontier.sqlite*")) / store.known
        cells = [f"{median:.0f} ({mean:.0f})" for median, mean, _ in measured]
        row(
            f"{at:,}", *cells, f"{measured[0][2]:.1f}, {measured[-1][2]:.1f}",
            f"{resident - before:.0f}", f"{disk:.0f}",
        )  # fmt: skip
    await store.close()
    (first, low), (last, high) = sizes[0], sizes[-1]
    grown = [after - before for before, after in zip(costs[0], costs[-1], strict=True)]
    print(f"from {first:,} to {last:,}:", ", ".join(f"{µs:+.0f} µs ({µs / PAGE:+.0%} of a page)" for µs in grown))
    print(f"{(high - low) * 1e6 / (last - first):.0f} bytes of memory a known URL (no scheduler)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", type=int, default=SIZES[-1], metavar="N", help="URLs that the store grows to")
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 200_000], metavar="N")
    parser.add_argument("--quick", action="store_true", help="to 200,000")
    options = parser.parse_args()
    most = 200_000 if options.quick else options.known
    machine = f"Python {platform.python_version()}, {platform.machine()}"
    print(f"{machine}; groups of {PAGES} pages with {LINKS} links each, k of them new; a page is taken as {PAGE} µs")
    for hosts in options.hosts:
        with tempfile.TemporaryDirectory(prefix="frontier-") as directory:
            asyncio.run(grow(Path(directory), most, hosts))


if __name__ == "__main__":
    main()
