"""The end of a run on one screen: how it ended, what it gave, what went wrong, where things are.

`summarise` decides what is said; the faces only decide how it looks. A row is there when it has
something to say, so that a clean run has eight of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crawler.counts import Stats
from crawler.settings import Settings
from crawler.terminal.numbers import count, duration, plural, rate, size
from crawler.terminal.text import clean, clean_url, masked, short_path

__all__ = ["MEANINGS", "Row", "Summary", "as_plain", "summarise"]

MEANINGS = {
    0: "all is well",
    1: "failed",
    2: "usage",
    3: "too many failures",
    4: "stopped early, can go on",
    75: "already running",
    130: "interrupted, can go on",
    143: "interrupted, can go on",
}
"""What the exit codes mean (docs/exit-codes.md)."""

Tone = Literal["plain", "good", "bad", "warn", "note"]

_KINDS = 6  # rows of one family; the rest is in stats.json
_WARNINGS = 5


@dataclass(slots=True, frozen=True)
class Row:
    """One row: `label` is empty where it goes on with the label above."""

    label: str
    text: str
    tone: Tone = "plain"


@dataclass(slots=True, frozen=True)
class Summary:
    """What is printed at the end. `title` says how it ended, `code` what the exit code means."""

    title: str
    code: str
    tone: Tone
    rows: list[Row]


def summarise(stats: Stats, settings: Settings) -> Summary:
    """The summary of a run that has ended."""
    code = stats.exit_code if stats.exit_code is not None else 1
    title = f"{clean(stats.spider)}: {clean(masked(stats.reason), 500)}"
    rows = [
        *_numbers(stats),
        *_failures(stats),
        *_left_out(stats),
        *_warnings(stats),
        *_outputs(stats),
        Row("run", short_path(stats.path), "note"),
        *_next(stats, settings, code),
    ]
    tone: Tone = "good" if code == 0 else "bad" if code == 1 else "warn"
    meaning = MEANINGS.get(code, "")
    return Summary(title, f"exit code {code}" + (f": {meaning}" if meaning else ""), tone, rows)


def as_plain(summary: Summary) -> list[str]:
    """The lines of the summary for what is no terminal."""
    lines = [f"{summary.title} ({summary.code})"]
    lines += [f"  {row.label:<9} {row.text}" for row in summary.rows]
    return lines


def by_prefix(stats: Stats, prefix: str) -> list[tuple[str, int]]:
    """One family of counters without its prefix, the most frequent first."""
    family = [(name[len(prefix) :], n) for name, n in stats.counters.items() if name.startswith(prefix) and n]
    return sorted(family, key=lambda pair: (-pair[1], pair[0]))


# -- what it gave


def _numbers(stats: Stats) -> list[Row]:
    counters = stats.counters
    pages, items = counters.get("pages", 0), counters.get("items", 0)
    here = round(stats.pages_per_second_mean * stats.seconds)
    part = f", {count(here)} of them" if 0 <= here < pages else ""
    speed = f"{part} in {duration(stats.seconds)} ({rate(stats.pages_per_second_mean)})"
    volume = f", {size(counters['bytes'])}" if counters.get("bytes") else ""
    rows = [
        Row("pages", f"{count(pages)}{speed}{volume}", "plain"),
        Row("items", count(items), "plain"),
    ]
    statuses = sorted(by_prefix(stats, "status/"))
    if statuses:
        rows.append(Row("status", "   ".join(f"{clean(name)}: {count(n)}" for name, n in statuses)))
    requests = [
        plural(counters[name], one, many)
        for name, one, many in (
            ("retries", "retry", "retries"),
            ("redirects", "redirect", ""),
            ("fetches", "fetch inside pages", "fetches inside pages"),
            ("robots", "robots.txt", "robots.txt"),
            ("sitemaps", "sitemap", ""),
            ("sitemaps_cut", "sitemap not read to its end", "sitemaps not read to their end"),
            ("duplicates", "known link", ""),
            ("near_duplicates", "near duplicate (skipped.jsonl)", "near duplicates (skipped.jsonl)"),
            ("duplicates_with_arguments", "known link with other arguments", "known links with other arguments"),
        )
        if counters.get(name)
    ]
    if requests:
        rows.append(Row("also", ", ".join(requests), "note"))
    own = by_prefix(stats, "user/")
    if own:
        rows.append(Row("counted", _list(own, "")))
    return rows


# -- what went wrong


def _failures(stats: Stats) -> list[Row]:
    rows = _kinds(stats, "failed", "error/")
    inner = stats.counters.get("fetches_failed", 0)
    if inner:
        rows.append(Row("" if rows else "failed", plural(inner, "fetch", "fetches") + " inside pages", "warn"))
    callbacks = _kinds(stats, "spider", "callback/")
    lost = stats.counters.get("items_lost_to_errors", 0)
    if lost:
        callbacks.append(Row("", f"{plural(lost, 'item')} of these pages left out", "bad"))
    return rows + callbacks


def _kinds(stats: Stats, label: str, prefix: str) -> list[Row]:
    kinds = by_prefix(stats, prefix)
    tone: Tone = "bad" if prefix == "callback/" else "warn"
    rows: list[Row] = []
    for kind, n in kinds[:_KINDS]:
        text = f"{count(n)} {clean(kind)}"
        example = stats.examples.get(prefix + kind)
        if example is not None:
            said = clean(masked(example.message), 160).removeprefix(f"{kind}: ")
            url = clean_url(example.url, 300)
            text += f": {said}" if url in said or not url else f": {said}, e.g. {url}"
        rows.append(Row("" if rows else label, text, tone))
    if len(kinds) > _KINDS:
        rest = sum(n for _, n in kinds[_KINDS:])
        rows.append(Row("", f"{count(rest)} of {len(kinds) - _KINDS} more kinds (stats.json)", tone))
    return rows


def _left_out(stats: Stats) -> list[Row]:
    rows = []
    skipped = by_prefix(stats, "skipped/")
    if skipped:
        rows.append(Row("skipped", _list(skipped, " (skipped.jsonl)")))
    rows += _traps(stats)
    dropped = by_prefix(stats, "dropped/")
    if dropped:
        rows.append(Row("dropped", _list(dropped, "")))
    return rows


def _traps(stats: Stats) -> list[Row]:
    """Where the site led round and round, and the setting that ended it."""
    rows: list[Row] = []
    traps = by_prefix(stats, "trap/")
    for name, n in traps[:_KINDS]:
        setting, _, place = name.partition(" ")
        text = f"{plural(n, 'link')} of {clean(place, 200)} left out: {clean(setting, 60)}"
        rows.append(Row("" if rows else "trap", text, "warn"))
    if len(traps) > _KINDS:
        rows.append(Row("", f"{len(traps) - _KINDS} more (stats.json)", "warn"))
    return rows


def _list(family: list[tuple[str, int]], end: str) -> str:
    named = ", ".join(f"{count(n)} {clean(name, 60)}" for name, n in family[:_KINDS])
    return named + (f", {len(family) - _KINDS} more kinds" if len(family) > _KINDS else "") + end


def _warnings(stats: Stats) -> list[Row]:
    blocked = sorted(stats.callbacks_blocked.items(), key=lambda pair: -pair[1])
    texts = [
        f"{name} held the event loop for up to {duration(seconds)}: mark it @blocking, or await what it waits for"
        for name, seconds in blocked
    ]
    # The same was said, with its first measure, when it happened.
    texts += [text for text in stats.warnings if not any(text.startswith(f"{name} held ") for name, _ in blocked)]
    rows = [Row("", clean(masked(text), 300), "warn") for text in texts[:_WARNINGS]]
    if len(texts) > _WARNINGS:
        rows.append(Row("", f"{len(texts) - _WARNINGS} more in crawl.log", "warn"))
    if rows:
        rows[0] = Row("warning" if len(rows) == 1 else "warnings", rows[0].text, "warn")
    return rows


# -- where things are


def _outputs(stats: Stats) -> list[Row]:
    rows: list[Row] = []
    for name, state in stats.outputs.items():
        if Path(name) in (Path("items.jsonl"), Path(stats.path, "items.jsonl")):
            continue  # every run has it
        row = _output(name, state)
        rows.append(row if not rows else Row("", row.text, row.tone))
    if not rows and stats.counters.get("items"):
        rows.append(Row("output", short_path(str(Path(stats.path, "items.jsonl"))), "good"))
    return rows


def _output(name: str, state: str) -> Row:
    shown = "standard output" if name == "-" else short_path(name) if os.sep in name else clean(name)
    what, _, where = state.partition(": ")
    if what == "partial":
        partial = short_path(where)
        if Path(name).exists():
            return Row("output", f"{partial} so far; the earlier {shown} stays as it was", "warn")
        return Row("output", f"{partial} so far; it becomes {shown} when the run completes", "warn")
    if what == "failed":
        return Row("output", f"{shown}: {clean(masked(where), 300)}", "bad")
    return Row("output", shown, "good")


def _next(stats: Stats, settings: Settings, code: int) -> list[Row]:
    """How to go on, where that is possible."""
    if settings.frontier == "memory":
        return []
    if code in (4, 130, 143):
        left = f" with {plural(stats.pending, 'page')} queued" if stats.pending else ""
        return [Row("next", f"run the same command again to go on{left}; with --fresh it begins anew", "note")]
    if code == 1:
        return [Row("next", "mend the cause and run the same command again: it goes on where it was", "note")]
    if stats.reason.startswith("limit reached: ") and stats.pending:
        name = stats.reason.removeprefix("limit reached: ").partition(" ")[0]
        return [Row("next", f"{plural(stats.pending, 'page')} left in the queue: a higher {name} goes on", "note")]
    return []
