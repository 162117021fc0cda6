"""Lines of the log and the summary in colour."""

from __future__ import annotations

import re

from rich.text import Text

from crawler.terminal.line import Line, as_text, level_name
from crawler.terminal.summary import Summary, Tone

__all__ = ["status_style", "styled_line", "styled_summary"]

_LEVELS = {"debug": "dim", "info": "cyan", "warning": "yellow", "error": "bold red"}
_TONES: dict[Tone, str] = {"plain": "", "good": "green", "bad": "red", "warn": "yellow", "note": "dim"}
_MARKS: dict[Tone, tuple[str, str]] = {"good": ("✔", "+"), "bad": ("✘", "x"), "warn": ("▲", "!")}
_STATUSES = {"2": "green", "3": "cyan", "4": "yellow", "5": "red"}
_STATUS = re.compile(r"\b([1-9])\d\d:")


def status_style(status: str) -> str:
    """The colour of a status code."""
    return _STATUSES.get(status[:1], "")


def styled_line(line: Line) -> Text:
    """A line with a quiet time, a coloured level, and its message as it is."""
    plain = as_text(line)
    text = Text(plain)
    clock, level, _ = plain.split(" ", 2)
    text.stylize("dim", 0, len(clock))
    text.stylize(_LEVELS[level_name(line.level)], len(clock) + 1, len(clock) + 1 + len(level))
    if line.traceback:
        text.stylize("dim", plain.index("\n"))
    return text


def styled_summary(summary: Summary, *, unicode: bool) -> Text:
    """The summary with its mark; numbers stand out, labels do not."""
    fancy, simple = _MARKS[summary.tone]
    text = Text()
    text.append(f"{fancy if unicode else simple} {summary.title}", f"bold {_TONES[summary.tone]}")
    text.append(f"  {summary.code}", "dim")
    for row in summary.rows:
        text.append(f"\n  {row.label:<9} ", "dim")
        text.append_text(_status(row.text) if row.label == "status" else _counted(row.text, _TONES[row.tone]))
    return text


def _status(content: str) -> Text:
    text = Text(content)
    for match in _STATUS.finditer(content):
        text.stylize(status_style(match[1]), match.start(), match.end() - 1)
    return text


def _counted(content: str, style: str) -> Text:
    """The number that a row begins with is bold."""
    text = Text(content, style)
    number = re.match(r"[\d,]+\b", content)
    if number:
        text.stylize("bold", 0, number.end())
    return text
