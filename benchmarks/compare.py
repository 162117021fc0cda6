"""The same crawl by us, by bare loops and by our peers: CPU a page, and the ratios.

    python benchmarks/compare.py                      # all in full: half an hour on a quiet machine
    python benchmarks/compare.py --pages 5000 --rounds 3 --only ours_parsel,bare_parsel,ours_fast,bare_lexbor
    python benchmarks/compare.py --only ours_fast --old ../other-checkout   # two versions in the same rounds

The work: from the home page of a made site (kit/site.py: 8 KB and 30 links a page) follow every `<a href>`, fetch
each page once, 32 at once, and write of each one JSON line with its URL, title, price and tags. Every run is
checked: each page asked for once and answered with 200 (by nginx's log), each item there once and right.
`crawler` runs as the installed command, start-up included, under a pseudo-terminal, at its default settings but for
those 32 requests at once; ours_…_8 are with the default of 8 to a host.

Without --only there are two series: ours beside the bare loops in 5 rounds, ours beside the peers in 3; with it
there is one. Needs Linux and `apt-get install nginx-light`; environments of the peers are made when first used
(--work), from requirements/. Exit code 1 when a run was wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from kit.candidates import BARE, CANDIDATES, OURS, PEERS, Candidate, of_checkout
from kit.environments import default_work
from kit.figures import candidates_table, ratios_table
from kit.machine import described, machine
from kit.series import Cores, Measured, Series, Site, Wrong
from kit.site import prepared, read_truth

# Side by side stand those that are compared most.
BESIDE_BARE = ["bare_fetch", "bare_parsel", "bare_parsel_requests", "ours_parsel", "ours_parsel_8"]
BESIDE_BARE += ["bare_lexbor", "bare_lexbor_requests", "ours_fast", "ours_fast_8", "bare_lexbor_trim"]
BESIDE_PEERS = ["scrapy_tuned", "ours_parsel", "crawlee", "ours_fast", "scrapling"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, help="default: 5 beside the bare loops, 3 beside the peers")
    parser.add_argument("--only", metavar="A,B", help=f"of {', '.join(CANDIDATES)}")
    parser.add_argument("--old", type=Path, metavar="DIR", help="ours of this checkout too, as old_…")
    parser.add_argument("--flags", default="", metavar="WORDS", help='more words for `crawler run`: "-s robots=false"')
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    parser.add_argument("--work", type=Path, default=default_work(), help="sites and environments (%(default)s)")
    options = parser.parse_args()
    if options.only is None:
        series = [(BESIDE_BARE, options.rounds or 5), (BESIDE_PEERS, options.rounds or 3)]
    else:
        series = [([name for name in options.only.split(",") if name], options.rounds or 5)]
    unknown = [name for names, _ in series for name in names if name not in CANDIDATES]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(CANDIDATES)}")
    site = shop(options.work, options.pages)
    found = machine()
    print(described(found))
    record = []
    flags = tuple(options.flags.split())
    for names, rounds in series:
        candidates = with_old([CANDIDATES[name] for name in names], options.old)
        try:
            starts = Series(shop(options.work, 1), options.work, Cores.of_machine(), flags, quiet=True).run(
                candidates, 3
            )
            results = Series(site, options.work, Cores.of_machine(), flags).run(candidates, rounds)
        except Wrong as wrong:
            print(f"WRONG: {wrong}", file=sys.stderr)
            return 1
        show(results, starts, options.pages, rounds)
        runs = [asdict(it) for it in results]
        record.append({"rounds": rounds, "pages": options.pages, "runs": runs, "starts": [asdict(it) for it in starts]})
    if options.json:
        options.json.write_text(json.dumps({"machine": found, "command": sys.argv, "series": record}, indent=1) + "\n")
    return 0


def shop(work: Path, pages: int) -> Site:
    """The made site with so many pages."""
    directory = prepared(work, pages)
    plants = read_truth(directory)
    truth = {path: {"title": it.title, "price": it.price, "tags": it.tags} for path, it in plants.items()}
    return Site(directory / "www", directory / "paths.txt", truth, dict.fromkeys(truth, 200))


def with_old(candidates: list[Candidate], checkout: Path | None) -> list[Candidate]:
    """Each of ours followed by the same of another checkout."""
    if checkout is None:
        return candidates
    ours = {candidate.name for candidate in OURS}
    pairs = [[it, of_checkout(it, checkout)] if it.name in ours else [it] for it in candidates]
    return [candidate for pair in pairs for candidate in pair]


def show(results: list[Measured], starts: list[Measured], pages: int, rounds: int) -> None:
    names = [candidate.name for candidate in OURS]
    olds = [f"old_{name}" for name in names]
    others = [candidate.name for candidate in (*BARE, *PEERS)]
    print(f"\n{pages:,} pages, {rounds} rounds; medians, in brackets the range\n")
    print(candidates_table(results, starts))
    ratios = ratios_table(results, [*names, *olds], [*others, *olds])
    print(f"\n{ratios}" if ratios else "", flush=True)


if __name__ == "__main__":
    sys.exit(main())
