"""Faces without a terminal: lines of text with progress every few seconds, or JSON, one object a line."""

from __future__ import annotations

import logging
import time
from typing import Any

import msgspec

from crawler.counts import Stats
from crawler.settings import Settings
from crawler.terminal.line import Line, as_json, as_text, stamp
from crawler.terminal.numbers import count, plural, rate
from crawler.terminal.screen import Output
from crawler.terminal.summary import as_plain, summarise
from crawler.terminal.text import clean

__all__ = ["JSONLines", "PlainLines", "failures", "progress_text"]


def failures(stats: Stats) -> int:
    """What went wrong for good: failed requests and failed callbacks."""
    return stats.counters.get("requests_failed", 0) + stats.counters.get("callbacks_failed", 0)


def progress_text(stats: Stats) -> str:
    """ "books: 1,240 pages (124/s), 1,020 items, 14 queued, 32 in flight, 2 errors, 3 retries"."""
    counters = stats.counters
    parts = [
        f"{plural(counters.get('pages', 0), 'page')} ({rate(stats.pages_per_second)})",
        plural(counters.get("items", 0), "item"),
        f"{count(stats.pending)} queued",
        f"{count(stats.in_flight)} in flight",
        plural(failures(stats), "error"),
        plural(counters.get("retries", 0), "retry", "retries"),
    ]
    state = "" if stats.state in ("running", "ended") else f" ({stats.state})"
    return f"{clean(stats.spider)}{state}: {', '.join(parts)}"


class PlainLines:
    """Text for files, pipes, cron and dumb terminals: ASCII but for what the web and the user named."""

    def __init__(self, output: Output, settings: Settings) -> None:
        self.every = settings.progress_seconds
        self._output = output
        self._settings = settings

    def begin(self, spider: str, run: str) -> None:
        """Nothing: the first line names them."""

    def line(self, line: Line) -> None:
        """A line of the log."""
        self._output.line(as_text(line))

    def progress(self, stats: Stats) -> None:
        """One line with the numbers."""
        self._output.line(f"{stamp(time.time())} {progress_text(stats)}")

    def end(self, stats: Stats, line: Line, *, summary: bool) -> None:
        """The summary, as plain text; without it the one line."""
        self._output.line("\n".join(as_plain(summarise(stats, self._settings))) if summary else as_text(line))

    def close(self) -> None:
        """Nothing to leave behind."""


class JSONLines:
    """One object a line, for collectors of logs. The end has all numbers of stats.json under `stats`."""

    def __init__(self, output: Output, settings: Settings) -> None:
        self.every = settings.progress_seconds
        self._output = output
        self._names = ("", "")

    def begin(self, spider: str, run: str) -> None:
        """From here on each line has them."""
        self._names = (spider, run)

    def line(self, line: Line) -> None:
        """A line of the log."""
        self._output.line(as_json(line, *self._names))

    def progress(self, stats: Stats) -> None:
        """An object with the numbers, of level info."""
        numbers = {
            "pages": stats.counters.get("pages", 0),
            "pages_per_second": round(stats.pages_per_second, 3),
            "items": stats.counters.get("items", 0),
            "pending": stats.pending,
            "in_flight": stats.in_flight,
            "errors": failures(stats),
            "retries": stats.counters.get("retries", 0),
        }
        self.line(Line(logging.INFO, "progress", progress_text(stats), more=numbers))

    def end(self, stats: Stats, line: Line, *, summary: bool) -> None:
        """The last object; with `summary` it has `stats`."""
        more: dict[str, Any] = {**line.more, "path": stats.path}
        if summary:
            more["stats"] = msgspec.to_builtins(stats)
        self.line(Line(line.level, line.event, line.message, seconds=stats.seconds, more=more, time=line.time))

    def close(self) -> None:
        """Nothing to leave behind."""
