"""What each feature costs: the same crawl with one thing changed at a time, in interleaved rounds.

    python benchmarks/features.py                          # 5 rounds of 11 crawls, about 15 minutes
    python benchmarks/features.py --pages 5000 --rounds 3
    python benchmarks/features.py --instructions           # also counted, by valgrind: 2 minutes a feature

The work is that of compare.py, with `response.fast` and output into a pipe (`-q`), so that what is compared is
small. A cost is the difference to the crawl as it is of the same round; then come median and range of the rounds.
CPU time on a busy machine moves by more than most features cost: only what stands out of its range is a
finding. Instructions do not move (user code alone, of a crawl of 580 pages with its start, by page): they tell small
costs apart, but not what a system call or a cache miss costs.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from compare import shop
from kit.candidates import Candidate, Job
from kit.environments import default_work
from kit.figures import of_name, table
from kit.machine import described, machine
from kit.nginx import serving
from kit.series import Cores, Measured, Series, Site, Wrong

PROGRAMS: Final = Path(__file__).parent / "programs"
COUNTED: Final = 580  # pages: past the first rounds of `crawler.stages`


def variant(name: str, what: str, *words: str, patch: str = "nothing", shown: bool = False) -> Candidate:
    """The crawl with other words for `crawler run`, or with a patch of programs/ours_without.py."""

    def command(job: Job) -> list[str]:
        program, spider = str(PROGRAMS / "ours_without.py"), str(PROGRAMS / "ours_fast.py")
        quiet = () if shown else ("-q",)
        target = ("run", spider, "-a", f"url={job.url}", "-o", str(job.out))
        return [sys.executable, program, patch, *target, *quiet, *words, *job.flags]

    return Candidate(name, what, command, terminal=shown)


BASE: Final = variant("as it is", "defaults, -q")
TAKEN: Final = (
    variant("robots", "robots.txt is not asked: robots = false", "-s", "robots=false"),
    variant("retries", "nothing is tried again: retries = 0", "-s", "retries=0"),
    variant("retry layer", "the onion without it", patch="retry"),
    variant("stages", "no page is measured for --profile", patch="stages"),
    variant("events", "nobody hears of pages", patch="events"),
    variant("explain", "pages end without status, time and words", patch="explain"),
    variant("SQLite", "frontier = memory", "-s", "frontier=memory"),
    variant("strict", "durability = relaxed", "-s", "durability=relaxed"),
)
PUT: Final = (
    variant("live view", "in a terminal of 100 by 30, without -q", shown=True),
    variant("tracing", "aiohttp's tracing, in the place of clock reads", patch="tracing"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--instructions", action="store_true", help="count them too (needs valgrind)")
    parser.add_argument("--work", type=Path, default=default_work(), help="where the site is kept (%(default)s)")
    options = parser.parse_args()
    site = shop(options.work, options.pages)
    found = machine()
    print(described(found))
    try:
        results = Series(site, options.work, Cores.of_machine()).run([BASE, *TAKEN, *PUT], options.rounds)
    except Wrong as wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
        return 1
    counted = instructions(site, options.work) if options.instructions else {}
    each = statistics.median(it.cpu / it.pages * 1e6 for it in of_name(results, BASE.name))
    loads = [it.load for it in results]
    print(f"\n{options.pages:,} pages, {options.rounds} rounds; load {min(loads):.1f} to {max(loads):.1f}; ", end="")
    print(f"as it is: {each:,.0f} µs a page, start-up included\n")
    print(features_table(results, counted, each))
    return 0


def features_table(results: list[Measured], counted: dict[str, float], each: float) -> str:
    """A line a feature: what it costs, in µs and instructions a page."""
    rows = [["feature", "costs, µs a page (range)", "of a page", "instructions a page", "measured"]]
    for candidates, sign in ((TAKEN, 1), (PUT, -1)):
        for it in candidates:
            costs = [sign * cost for cost in differences(results, it.name)]
            cost = statistics.median(costs)
            count = sign * (counted[BASE.name] - counted[it.name]) if it.name in counted else None
            span = f"{cost:,.0f} ({min(costs):,.0f} to {max(costs):,.0f})"
            rows.append([it.name, span, f"{cost / each:.1%}", "" if count is None else f"{count:,.0f}", it.what])
    return table(rows)


def differences(results: list[Measured], name: str) -> list[float]:
    """By how many µs a page the crawl as it is costs more, in each round."""
    base = {it.round: it.cpu / it.pages for it in of_name(results, BASE.name)}
    return [(base[it.round] - it.cpu / it.pages) * 1e6 for it in of_name(results, name)]


def instructions(site: Site, work: Path) -> dict[str, float]:
    """Instructions a page by candidate; those that are the same but for a terminal are not counted."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is missing: apt-get install valgrind")
    counts: dict[str, float] = {}
    with serving(site.root, Cores.of_machine().server) as server:
        for candidate in (BASE, *TAKEN, *PUT):
            if not candidate.terminal:
                counts[candidate.name] = _counted(candidate.command, server.url, site, work)
                print(f"counted {candidate.name}: {counts[candidate.name]:,.0f}", file=sys.stderr, flush=True)
    return counts


def _counted(command: Callable[[Job], list[str]], url: str, site: Site, work: Path) -> float:
    with tempfile.TemporaryDirectory(prefix="count-", dir=work) as name:
        flags = ("-s", f"max_pages={COUNTED}", "-s", "commit_seconds=60")  # commits by pages: their number is the same
        job = Job(url, Path(name) / "items.jsonl", site.paths, work, flags)
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        done = subprocess.run([*valgrind, *command(job)], cwd=name, capture_output=True, text=True, timeout=1800)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        sys.exit(f"{' '.join(command(job))} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return int(found[1]) / COUNTED


if __name__ == "__main__":
    sys.exit(main())
