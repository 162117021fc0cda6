"""From runs to tables: medians with their range, and ratios that are made within a round."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kit.series import Measured

__all__ = ["Ratio", "candidates_table", "of_name", "ratio", "ratios_table", "table"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times the pages per CPU-second of `beside` `name` does: median of the rounds' own ratios, and range."""

    name: str
    beside: str
    median: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def of_name(results: Iterable[Measured], name: str) -> list[Measured]:
    """The runs of one candidate, by their rounds."""
    return sorted((it for it in results if it.name == name), key=lambda it: it.round)


def ratio(results: Sequence[Measured], name: str, beside: str) -> Ratio | None:
    """Pages per CPU-second of one candidate by that of another; None where they share no round.

    CPU, not seconds: what else runs on the machine takes time away from both in unlike parts, but CPU much less.
    """
    theirs = {it.round: it.cpu / it.pages for it in of_name(results, beside)}
    found = [theirs[it.round] / (it.cpu / it.pages) for it in of_name(results, name) if it.round in theirs]
    if not found:
        return None
    return Ratio(name, beside, statistics.median(found), min(found), max(found), len(found))


def candidates_table(results: Sequence[Measured], starts: Sequence[Measured] = ()) -> str:
    """A line a candidate. `starts` are runs over a site of one page: what it costs to start and to end."""
    names = list(dict.fromkeys(it.name for it in results))
    head = ["", "CPU µs a page", "pages per CPU-second", "pages/s", "start, CPU s", "peak RSS MB", "faults a page"]
    rows = [head]
    for name in names:
        runs = of_name(results, name)
        each = [it.cpu / it.pages * 1e6 for it in runs]
        start = [it.cpu for it in of_name(starts, name)]
        rows.append(
            [
                name,
                f"{statistics.median(each):,.0f} ({min(each):,.0f}-{max(each):,.0f})",
                f"{1e6 / statistics.median(each):,.0f}",
                f"{statistics.median(it.pages / it.wall for it in runs):,.0f}",
                f"{statistics.median(start):.2f}" if start else "",
                f"{statistics.median(it.rss for it in runs) / 1e6:.0f}",
                f"{statistics.median(it.faults / it.pages for it in runs):.1f}",
            ]
        )
    return table(rows)


def ratios_table(results: Sequence[Measured], names: Sequence[str], besides: Sequence[str]) -> str:
    """Each of `names` beside each of `besides`, as far as both were run; "" where none was."""
    run = {it.name for it in results}
    names = [name for name in names if name in run]
    besides = [name for name in besides if name in run]
    if not names or not besides:
        return ""
    rows = [["times the pages per CPU-second of", *names]]
    for beside in besides:
        found = [ratio(results, name, beside) if name != beside else None for name in names]
        rows.append([beside, *["" if it is None else str(it) for it in found]])
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown that is also readable as it stands: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append(f"| {' | '.join(cells)} |")
        if number == 0:
            lines.append(
                "| " + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]) + " |"
            )
    return "\n".join(lines)
