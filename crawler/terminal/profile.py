"""`--profile`: where the CPU time of a page went, stage by stage; what a stage has is said beside it."""

from __future__ import annotations

import logging
import sys
from typing import IO, TextIO, cast

from crawler.counts import Stats
from crawler.settings import Settings
from crawler.stages import ENGINE
from crawler.terminal.line import Line, as_json
from crawler.terminal.screen import Output

__all__ = ["print_profile", "profile_lines", "verdict"]

_WORDS = {
    "claim": "choosing the next page, reading it from the store",
    "schedule": "putting new pages into their hosts' queues, freeing permits",
    "onion": "middlewares, retry among them",
    "session": "aiohttp: sending, reading, cookies",
    "decode": "charset: bytes to text",
    "parse": "building the tree, reading JSON",
    "callback": "the spider's code, its selectors among it",
    "links": "links(), follow() and follow_all(): finding, joining, making requests",
    "pipeline": "the spider's pipelines",
    "encode": "items to MessagePack",
    "fingerprint": "canonical form and key of the links not met lately",
    "dedupe": "known or new, scope, numbering, storing form of the new",
    "page": "the page's record: verdict, counters, events",
    "commit": "item log and transaction",
    "output": "writing output files",
    "other": "event loop, system calls, live view; what is in no stage",
}


def print_profile(stats: Stats, settings: Settings, stream: TextIO | None = None) -> None:
    """Prints the table on standard error (`stream`): coloured on a terminal, one object where the log is JSON."""
    output = Output(sys.stderr if stream is None else stream)
    if settings.log_format == "json":
        line = Line(logging.INFO, "profile", verdict(stats.stages), more={"stages": stats.stages})
        output.line(as_json(line, stats.spider, stats.run))
    elif output.isatty() and stats.stages:
        _print_table(stats, output)
    else:
        output.line("\n".join(profile_lines(stats)))


def profile_lines(stats: Stats) -> list[str]:
    """The table as plain text."""
    stages = stats.stages
    if not stages:
        return [verdict(stages)]
    rows = [f"  {name:<12}{us:>9}{share:>7}  {words}" for name, us, share, words in _rows(stages)]
    return [f"  {'stage':<12}{'µs/page':>9}{'share':>7}", *rows, verdict(stages)]


def verdict(stages: dict[str, float]) -> str:
    """The sentence below the table."""
    if not stages:
        return "profile: no page was answered in this process"
    engine, session = sum(stages[name] for name in ENGINE), stages["session"]
    beside = f", {engine / session:.2f} x the session" if session else ""
    return f"engine: {engine:,.0f} µs a page{beside} (all but session, decode, parse, callback, pipeline and other)"


def _rows(stages: dict[str, float]) -> list[tuple[str, str, str, str]]:
    """Name, µs a page, share and words, in the order of a page's way; the sum last."""
    cpu = stages["cpu"] or 1.0
    shown = [(name, us, _WORDS[name]) for name, us in stages.items() if name in _WORDS]
    shown.append(("cpu", stages["cpu"], "all of this process, from its first page to its last commit"))
    return [(name, f"{us:,.1f}", f"{us / cpu:.1%}", words) for name, us, words in shown]


def _print_table(stats: Stats, output: Output) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("stage", box=SIMPLE_HEAD, header_style="dim", pad_edge=False)
    table.add_column("µs/page", justify="right", style="bold")
    table.add_column("share", justify="right")
    table.add_column("", style="dim")
    *rows, whole = _rows(stats.stages)
    for row in rows:
        table.add_row(*row)
    table.add_section()
    table.add_row(*whole)
    console = Console(file=cast("IO[str]", output), force_terminal=True, highlight=False, markup=False, emoji=False)
    console.print(table)
    console.print(verdict(stats.stages), soft_wrap=True)
