"""One line of the log, and its two forms: text for people, JSON for machines.

JSON has `time` (RFC 3339 with zone), `level`, `event`, `spider`, `run`, `message`, and `url`,
`status`, `error`, `seconds` where they apply; more fields may be added, none of these goes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from crawler.terminal.text import clean, clean_url

__all__ = ["LEVELS", "Line", "as_json", "as_text", "level_name", "stamp"]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
"""The values of the setting `log_level`."""


@dataclass(slots=True, frozen=True)
class Line:
    """What is said, once. `message` is a whole sentence with its URL; it is cleaned when made.

    `time` is epoch seconds, `level` a number of `logging`, `seconds` how long it took (None: it does
    not apply). `traceback` becomes further lines in text; `more` is only in JSON.
    """

    level: int
    event: str
    message: str
    url: str = ""
    status: int = 0
    error: str = ""
    seconds: float | None = None
    traceback: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
    time: float = field(default_factory=time.time)


def level_name(level: int) -> str:
    """The name of the nearest level at or below: 35 is a warning."""
    if level >= logging.ERROR:
        return "error"
    if level >= logging.WARNING:
        return "warning"
    return "info" if level >= logging.INFO else "debug"


def stamp(seconds: float, *, date: bool = False) -> str:
    """Epoch seconds as local time: "12:03:10", with its date where days may pass."""
    return time.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S", time.localtime(seconds))


def as_text(line: Line, *, date: bool = False) -> str:
    """`time level message`, without the line's end; a traceback follows on lines of its own."""
    when = stamp(line.time, date=date)
    text = f"{when} {level_name(line.level):<7} {line.message}"
    if line.traceback:
        text += "".join(f"\n{when} {'':<7} | {part}" for part in _traceback_lines(line))
    return text


def as_json(line: Line, spider: str, run: str) -> str:
    """One JSON object, without the line's end. Every character is printable (`clean`)."""
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(line.time).astimezone().isoformat(timespec="milliseconds"),
        "level": level_name(line.level),
        "event": line.event,
        "spider": clean(spider),
        "run": clean(run),
        "message": line.message,
    }
    if line.url:
        fields["url"] = clean_url(line.url, _WHOLE)
    if line.status:
        fields["status"] = line.status
    if line.error:
        fields["error"] = clean(line.error)
    if line.seconds is not None:
        fields["seconds"] = round(line.seconds, 6)
    if line.traceback:
        fields["traceback"] = _traceback_lines(line)
    fields.update((name, _cleaned(value)) for name, value in line.more.items() if name not in fields)
    return msgspec.json.encode(fields).decode()


_WHOLE = 100_000  # a machine gets the URL as it is, for any length that `max_url` may reasonably have


def _traceback_lines(line: Line) -> list[str]:
    return [clean(part, 1_000) for part in line.traceback.splitlines()]


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_url(value, _WHOLE)
    if isinstance(value, Mapping):
        return {clean_url(str(name), _WHOLE): _cleaned(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(inner) for inner in value]
    return value
