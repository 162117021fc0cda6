"""What each event of the engine is called in the log: its level and its sentence.

A page that went well, a retry and a skipped request are `debug`: a thousand pages print no line. A
failure is always said, each one with its URL. To say an event in another way, change its row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from logging import DEBUG, ERROR, INFO, WARNING
from typing import Any

from crawler import events
from crawler.terminal.line import Line, stamp
from crawler.terminal.numbers import duration, plural, size
from crawler.terminal.text import clean, clean_url, masked, short_path

__all__ = ["Say", "sayings"]

Say = Callable[[Any], Line]

_ENDED_LEVEL = {0: INFO, 1: ERROR}  # all other exit codes are warnings
_HOSTS_TOLD = 20


def sayings(level: int) -> dict[type[events.Event], Say]:
    """The sentences of the events that are said at `level` (a number of `logging`) or above.

    An event that is not here costs its listener one look into this dict. Start and end are always
    here: faces begin and stop with them. At debug a failed callback brings its traceback.
    """
    table: dict[type[events.Event], Say] = {events.Started: _started, events.Ended: _ended}
    if level <= ERROR:
        table[events.CallbackFailed] = _callback_traced if level <= DEBUG else _callback_failed
    if level <= WARNING:
        table |= {events.PageFailed: _failed, events.HostParked: _parked, events.Warned: _warned}
    if level <= INFO:
        table |= {events.Stopping: _stopping, events.HostWaits: _first_of_hosts(_waits)}
        table[events.HostSlowed] = _first_of_hosts(_slowed)
    if level <= DEBUG:
        table |= {
            events.PageDone: _done,
            events.PageReturned: _returned,
            events.PageSkipped: _skipped,
            events.ItemDropped: _dropped,
            events.Committed: _committed,
        }
    return table


def _sentence(text: str) -> str:
    return clean(masked(text), 500)


def _about(url: str, text: str) -> str:
    """A sentence with its URL in front, where it does not name it itself."""
    shown, said = clean_url(url), _sentence(text)
    return f"{shown}: {said}" if shown and shown not in said else said


def _started(event: events.Started) -> Line:
    verb = "goes on" if event.resumed else "begins"
    text = f"{clean(event.spider)}: run {clean(event.run)} {verb} in {short_path(event.path)}"
    return Line(INFO, "started", text if event.note in text else f"{text}; {_sentence(event.note)}")


def _done(event: events.PageDone) -> Line:
    text = f"{event.status} {clean_url(event.url)} in {duration(event.seconds)}"
    if event.verdict == "done":
        text += f": {size(event.bytes)}, {plural(event.items, 'item')}, {plural(event.requests, 'request')}"
    else:
        text += f": {clean(event.verdict)}"
    return Line(DEBUG, "page_done", text, event.url, event.status, "", event.seconds)


def _failed(event: events.PageFailed) -> Line:
    text = _about(event.url, event.message or event.kind)
    if event.source:
        text += f" (fetched for {clean_url(event.source)})"
    return Line(WARNING, "page_failed", text, event.url, event.status, event.kind, event.seconds)


def _returned(event: events.PageReturned) -> Line:
    wait = f"again in {duration(event.after)}" if event.after > 0 else "again at once"
    text = _about(event.url, f"{event.reason or 'Retry'}; {wait} ({plural(event.tries, 'try', 'tries')} so far)")
    return Line(DEBUG, "page_returned", text, event.url, more={"tries": event.tries, "after": event.after})


def _skipped(event: events.PageSkipped) -> Line:
    text = f"skipped ({clean(event.reason)}) {clean_url(event.url)}"
    return Line(
        DEBUG, "page_skipped", f"{text}: {_sentence(event.detail)}" if event.detail else text, event.url,
        more={"reason": event.reason},
    )  # fmt: skip


def _callback_failed(event: events.CallbackFailed) -> Line:
    text = f"{clean(event.callback)} failed: {_sentence(event.error)}"
    if event.where and event.where not in event.error:
        text += f" at {clean(event.where)}"
    if event.url:
        text = f"{clean_url(event.url)}: {text}"
    more = {"callback": event.callback, "where": event.where}
    return Line(ERROR, "callback_failed", text, event.url, error=event.error, more=more)


def _callback_traced(event: events.CallbackFailed) -> Line:
    line = _callback_failed(event)
    return Line(line.level, line.event, line.message, line.url, 0, line.error, None, event.traceback, line.more)


def _dropped(event: events.ItemDropped) -> Line:
    text = _about(event.url, f"item dropped: {event.reason or 'no reason given'}")
    return Line(DEBUG, "item_dropped", text, event.url, more={"reason": event.reason})


def _first_of_hosts(say: Say) -> Say:
    """Waits of the first hosts are worth a line; where many hosts make us wait, it is the rule."""
    told: set[str] = set()

    def line(event: Any) -> Line:
        said = say(event)
        if event.host in told or len(told) >= _HOSTS_TOLD:
            return replace(said, level=DEBUG)
        told.add(event.host)
        return said

    return line


def _waits(event: events.HostWaits) -> Line:
    text = f"{clean(event.host)} waits {duration(event.seconds)}: {_sentence(event.reason)}"
    return Line(INFO, "host_waits", text, seconds=event.seconds, more={"host": event.host})


def _slowed(event: events.HostSlowed) -> Line:
    text = f"{clean(event.host)} waits {duration(event.seconds)}: {_sentence(event.reason)}; then at most "
    text += f"{event.at_once} at once" + (f", {duration(event.gap)} apart" if event.gap else "")
    more = {"host": event.host, "at_once": event.at_once, "gap": event.gap}
    return Line(INFO, "host_slowed", text, seconds=event.seconds, more=more)


def _parked(event: events.HostParked) -> Line:
    text = f"{clean(event.host)} is left for a later run"
    if event.until:
        text += f", not before {stamp(event.until, date=True)}"
    return Line(
        WARNING, "host_parked", f"{text}: {_sentence(event.reason)}", more={"host": event.host, "until": event.until}
    )


def _committed(event: events.Committed) -> Line:
    text = f"commit {event.number}: {plural(event.pages, 'page')}, {plural(len(event.items), 'item')}"
    return Line(DEBUG, "committed", f"{text} in {duration(event.seconds)}", seconds=event.seconds)


def _warned(event: events.Warned) -> Line:
    return Line(WARNING, "warning", _about(event.url, event.message), event.url)


def _stopping(event: events.Stopping) -> Line:
    text = f"stopping: {_sentence(event.reason)}" if event.reason else "stopping"
    if event.reason.startswith("interrupted"):
        text += "; pages in flight are finished, a second signal ends at once"
    return Line(INFO, "stopping", text)


def _ended(event: events.Ended) -> Line:
    text = f"ended: {_sentence(event.reason)} (exit code {event.exit_code})"
    level = _ENDED_LEVEL.get(event.exit_code, WARNING)
    return Line(level, "ended", text, more={"reason": event.reason, "exit_code": event.exit_code})
