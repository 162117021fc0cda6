"""Real pages: Debian's python3-doc crawled by Scrapy tuned and by us, the same items, CPU a page and the ratio.

    python benchmarks/real.py [--rounds 5] [--json FILE]

Of each page its title and the number of its links; every link to the same host is followed. What must be found
is read from the files themselves (kit/documentation.py), and each run is checked against it, as in compare.py.
Needs `apt-get install python3-doc nginx-light`.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from kit.candidates import DOCS
from kit.documentation import DOCUMENTATION, documentation
from kit.environments import default_work
from kit.figures import candidates_table, ratios_table
from kit.machine import described, machine
from kit.series import Cores, Series, Site, Wrong
from kit.site import LINKS, prepared, read_truth


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    parser.add_argument("--work", type=Path, default=default_work(), help="environments (%(default)s)")
    options = parser.parse_args()
    site = documentation(options.work)
    found = machine()
    print(described(found))
    try:
        starts = Series(one_page(options.work), options.work, Cores.of_machine(), quiet=True).run(DOCS, 3)
        results = Series(site, options.work, Cores.of_machine()).run(DOCS, options.rounds)
    except Wrong as wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
        return 1
    size = sum((DOCUMENTATION / path.lstrip("/")).stat().st_size for path in site.truth if path != "/")
    print(
        f"\n{len(site.truth)} pages of HTML, {size / 1e6:.0f} MB, of {len(site.asked)} URLs; {options.rounds} rounds\n"
    )
    print(candidates_table(results, starts))
    print(f"\n{ratios_table(results, ['docs_parsel', 'docs_fast'], ['scrapy_docs'])}")
    if options.json:
        figures = {"runs": [asdict(it) for it in results], "starts": [asdict(it) for it in starts]}
        options.json.write_text(json.dumps({"machine": found, "command": sys.argv, **figures}, indent=1) + "\n")
    return 0


def one_page(work: Path) -> Site:
    """What shows the cost of start and end."""
    directory = prepared(work, 1)
    truth = {path: {"title": f"{it.title} — nursery", "links": LINKS} for path, it in read_truth(directory).items()}
    return Site(directory / "www", directory / "paths.txt", truth, dict.fromkeys(truth, 200))


if __name__ == "__main__":
    sys.exit(main())
