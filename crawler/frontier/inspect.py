"""Looking into a frontier's file without changing it, also while a crawl works on it.

There is no index but the ids, so each of these reads all requests once, in windows of ids: each is a
short transaction of its own, since a long one would keep SQLite's log from being checkpointed. So the
numbers of a live crawl are each request's at its own moment, and each request is counted once.
"""

from __future__ import annotations

import fnmatch
import re
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from crawler.frontier.schema import connect_reader, damaged, refusal

__all__ = ["STATES", "Contents", "HostRow", "contents", "matching", "pattern", "pending_ids", "urls"]

STATES = ("pending", "waiting", "done", "redirected", "failed", "handled", "skipped")
"""What a request may be: pending; waiting, which are those of the pending that were given back with a time
that has not come; or what became of it."""

_WINDOW = 20_000  # ids looked at in one transaction: 10 to 60 ms


@dataclass(frozen=True, slots=True)
class HostRow:
    """One host. `waits`: seconds until it may be asked."""

    host: str
    pending: int
    done: int
    """Requests that ended, but for the failed ones."""
    failed: int
    """With those that the spider handled."""
    waits: float


@dataclass(slots=True)
class Contents:
    """A frontier in numbers. `states` has all of STATES; `waiting` is part of `pending`."""

    known: int = 0
    states: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    hosts: list[HostRow] = field(default_factory=list)
    """Those with most pending requests first."""
    host_count: int = 0


class _Url(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first member of a stored request; the others are passed over. As in bodies.py."""

    url: str


_url_of = msgspec.msgpack.Decoder(_Url).decode


_COLUMNS = {"": 0, "done": 1, "failed": 2, "handled": 2}
"""In the table of hosts: pending, done, failed. What was redirected or skipped is in none of them."""


def contents(path: Path, hosts: int = 20) -> Contents:
    """Counts by state, and by host for the `hosts` with most work. A million hosts take 24 MB.

    Raises StateError for a file that is missing, foreign, newer or damaged.
    """
    found = Contents()
    pending, done, failed = array("q", [0]), array("q", [0]), array("q", [0])
    with _Reader(path) as reader:
        for rows in reader.windows(
            "SELECT host, done.verdict, count(*) FROM request LEFT JOIN done ON done.id = request.id "
            "WHERE request.id > ? AND request.id <= ? GROUP BY host, done.verdict"
        ):
            for host, verdict, n in rows:
                while host >= len(pending):
                    more = bytes(8 * len(pending))
                    for numbers in (pending, done, failed):
                        numbers.frombytes(more)
                state = verdict or "pending"
                found.known += n
                found.states[state] = found.states.get(state, 0) + n
                place = _COLUMNS.get(verdict or "")
                if place is not None:
                    (pending, done, failed)[place][host] += n
        if not found.known:
            return found
        now = time.time()
        found.states["waiting"] = reader.number("SELECT count(*) FROM returned WHERE due > ?", now)
        ids = [id for id in range(len(pending)) if pending[id] or done[id] or failed[id]]
        found.host_count = len(ids)
        ids.sort(key=lambda id: (-pending[id], -done[id] - failed[id], id))
        for id in ids[:hosts]:
            name, stamp, wait = reader.row("SELECT name, stamp, wait FROM host WHERE id = ?", id)
            waits = max((stamp or 0.0) + (wait or 0.0) - now, 0.0)
            found.hosts.append(HostRow(name, pending[id], done[id], failed[id], waits))
    return found


def urls(path: Path, state: str = "pending", host: str = "*") -> Iterator[str]:
    """The URLs of the requests in a state, in the order in which they were found, as they are stored.

    `host` is a shell pattern for the scheduling host: a name, with the port where it is not 80 or 443.
    Raises StateError like `contents`, ValueError for a state that there is none of.
    """
    if state not in STATES:
        raise ValueError(f"no state {state!r}: {', '.join(STATES)}")
    wanted = lru_cache(maxsize=10_000)(re.compile(fnmatch.translate(host.lower())).match)
    joins, where = "LEFT JOIN done ON done.id = request.id", "done.id IS NULL"
    values: tuple[object, ...] = ()
    if state == "waiting":
        joins, where, values = "JOIN returned ON returned.id = request.id", "returned.due > ?", (time.time(),)
    elif state != "pending":
        joins, where, values = "JOIN done ON done.id = request.id", "done.verdict = ?", (state,)
    with _Reader(path) as reader:
        for rows in reader.windows(
            f"SELECT host.name, body FROM request JOIN host ON host.id = request.host {joins} "
            f"WHERE request.id > ? AND request.id <= ? AND {where} ORDER BY request.id",
            *values,
        ):
            for name, body in rows:
                if wanted(name) is not None:
                    yield reader.url(body)


def pattern(text: str, *, regex: bool) -> Callable[[str], object]:
    """Tells whether a URL matches: a shell pattern (`*`, `?`, `[…]`) for all of it, or a regular expression
    that is searched in it. Raises ValueError for an expression that is none."""
    try:
        return re.compile(text).search if regex else re.compile(fnmatch.translate(text)).match
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None


def matching(path: Path, matches: Callable[[str], object]) -> Iterator[list[int]]:
    """The ids of the pending requests whose URL matches, in lists of some."""
    after: int | None = 0
    while after is not None:
        ids, after = pending_ids(path, matches, after)
        if ids:
            yield ids


def pending_ids(path: Path, matches: Callable[[str], object], after: int) -> tuple[list[int], int | None]:
    """The ids among the next 20,000 after `after`, and where to go on; None at the end.

    A connection of its own, so that each call may come from another thread.
    """
    with _Reader(path) as reader:
        end = after + _WINDOW
        rows = reader.rows(
            "SELECT request.id, body FROM request LEFT JOIN done ON done.id = request.id "
            "WHERE request.id > ? AND request.id <= ? AND done.id IS NULL ORDER BY request.id",
            after, end,
        )  # fmt: skip
        return [id for id, body in rows if matches(reader.url(body))], end if end < reader.last else None


class _Reader:
    """A connection that reads; each statement is a transaction. Errors come as StateError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect_reader(path)
        self.last = 0
        """The highest id when it was opened."""

    def __enter__(self) -> _Reader:
        try:
            if self.number("SELECT count(*) FROM sqlite_schema WHERE name = 'request'"):  # else it was never written
                self.last = self.number("SELECT coalesce(max(id), 0) FROM request")
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def rows(self, query: str, *values: object) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise refusal(self._path, error) from error

    def row(self, query: str, *values: object) -> tuple[Any, ...]:
        rows = self.rows(query, *values)
        if not rows:
            raise damaged(self._path, f"{query} {values} gives nothing")
        return tuple(rows[0])

    def number(self, query: str, *values: object) -> int:
        return int(self.row(query, *values)[0])

    def windows(self, query: str, *values: object) -> Iterator[list[Any]]:
        """The rows of `query` by windows of ids; its first two values are where one begins (not in it) and ends."""
        for after in range(0, self.last, _WINDOW):
            yield self.rows(query, after, after + _WINDOW, *values)

    def url(self, body: bytes) -> str:
        try:
            return str(_url_of(body).url)
        except msgspec.MsgspecError as error:
            raise damaged(self._path, str(error)) from error
