"""Did it get slower? The ratios to the bare loops, measured in a minute, beside the recorded ones.

    python benchmarks/quick.py                # exit code 1 on a loss of more than the measured noise
    python benchmarks/quick.py --record       # five times the same, and writes recorded.json anew

Ratios are pages per CPU-second of ours by those of a bare loop, each made within one round: what the machine is,
and how busy, is in both. They still depend on it a little (caches, how busy the neighbours are), so a record
of another machine is only a hint. A loss is measured a second time before it counts.

How to read a failure: first run it again on a quiet machine. If one ratio fell, look at what only that spider
does (its parser); if both fell, at the engine. `compare.py --old CHECKOUT` measures two versions in the same
rounds and says which change it was. If the loss is wanted, --record, and say so in the commit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from compare import shop
from kit.candidates import CANDIDATES
from kit.environments import default_work
from kit.figures import ratio, table
from kit.machine import described, machine
from kit.records import Recorded, is_loss, read, recorded, write
from kit.series import Cores, Measured, Series, Site, Wrong

PAGES, ROUNDS, REPETITIONS = 4_000, 5, 5
PAIRS = (("ours_parsel", "bare_parsel"), ("ours_fast", "bare_lexbor"))
RECORD = Path(__file__).with_name("recorded.json")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help=f"measure {REPETITIONS} times and write the record")
    parser.add_argument("--file", type=Path, default=RECORD, help="the record (%(default)s)")
    parser.add_argument("--pages", type=int, default=PAGES, help="a record holds for its own number only")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--work", type=Path, default=default_work(), help="where the site is kept (%(default)s)")
    options = parser.parse_args()
    found = machine()
    print(described(found))
    site = shop(options.work, options.pages)
    try:
        if options.record:
            repetitions = [ratios(rounds(site, options.work, options.rounds)) for _ in range(REPETITIONS)]
            records = recorded(repetitions)
            circumstances = {"machine": found, "pages": options.pages, "rounds": options.rounds}
            write(options.file, records, command="python benchmarks/quick.py --record", **circumstances)
            print(record_table(records))
            return 0
        records, circumstances = read(options.file)
        if (circumstances["pages"], circumstances["rounds"]) != (options.pages, options.rounds):
            parser.error(f"{options.file} is for {circumstances['pages']} pages, {circumstances['rounds']} rounds")
        return compared(site, options.work, options.rounds, records, found, circumstances["machine"])
    except Wrong as wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
        return 1


def rounds(site: Site, work: Path, number: int) -> list[Measured]:
    candidates = [CANDIDATES[name] for pair in PAIRS for name in pair]
    return Series(site, work, Cores.of_machine(), quiet=True).run(candidates, number)


def ratios(results: Sequence[Measured]) -> dict[tuple[str, str], float]:
    return {pair: it.median for pair in PAIRS if (it := ratio(results, *pair)) is not None}


def compared(
    site: Site, work: Path, number: int, records: list[Recorded], here: dict[str, object], there: dict[str, object]
) -> int:
    """Measures, and once more if there seems to be a loss; then the mean of both counts."""
    now = ratios(rounds(site, work, number))
    print(now_table(records, now))
    if any(is_loss(it, now[it.name, it.beside]) for it in records):
        print("a loss? once more", flush=True)
        again = ratios(rounds(site, work, number))
        now = {pair: (now[pair] + again[pair]) / 2 for pair in now}
        print(now_table(records, now))
    if not any(is_loss(it, now[it.name, it.beside]) for it in records):
        return 0
    print("\nslower than recorded by more than the noise; how to read that: python benchmarks/quick.py --help")
    for what in ("processor", "cores", "python", "versions"):
        if here[what] != there[what]:
            print(f"the record was made elsewhere: {what} {there[what]}, here {here[what]}")
    return 1


def now_table(records: Sequence[Recorded], now: dict[tuple[str, str], float]) -> str:
    rows = [["pages per CPU-second, ratio", "recorded", "noise", "at least", "now", ""]]
    for it in records:
        value = now[it.name, it.beside]
        figures = [f"{it.median:.3f}", f"{it.noise:.1%}", f"{it.least:.3f}", f"{value:.3f}"]
        rows.append([f"{it.name} / {it.beside}", *figures, "LOSS" if is_loss(it, value) else "ok"])
    return table(rows)


def record_table(records: Sequence[Recorded]) -> str:
    rows = [["pages per CPU-second, ratio", "median", "noise", "repetitions"]]
    for it in records:
        values = " ".join(f"{value:.3f}" for value in it.values)
        rows.append([f"{it.name} / {it.beside}", f"{it.median:.3f}", f"{it.noise:.1%}", values])
    return table(rows)


if __name__ == "__main__":
    sys.exit(main())
