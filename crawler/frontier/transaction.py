"""One group as one transaction. Runs in the commit thread, and nothing else writes.

Rows go in by statements of up to 64 rows: each step of SQLite gives up the interpreter's lock and has
to get it back from a busy loop, so fewer steps cost less (groups of 4,000 rows: 1.8 µs a row against 2.5
for `executemany`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from crawler.contracts import Group
from crawler.frontier.hosts import Hosts
from crawler.frontier.ledger import GONE, Again, Record
from crawler.frontier.schema import transaction
from crawler.state import encode_value

__all__ = ["write_group"]

_ROWS = 64
_MESSAGE = 2_000  # characters of an error's message that are kept
_REPLACE_RETURNED = "ON CONFLICT (id) DO UPDATE SET tries = excluded.tries, due = excluded.due, visit = excluded.visit"


_REPLACE_ROBOTS = (
    "ON CONFLICT (origin) DO UPDATE SET time = excluded.time, status = excluded.status, body = excluded.body"
)


def write_group(
    connection: sqlite3.Connection,
    group: Group,
    records: Sequence[Record],
    bodies: Mapping[int, bytes],
    hosts: Hosts,
) -> None:
    """Writes the records of a group and all that goes with it. Raises sqlite3.Error, nothing written."""
    with transaction(connection):
        _write(connection, group, records, bodies, hosts)


def _write(
    connection: sqlite3.Connection,
    group: Group,
    records: Sequence[Record],
    bodies: Mapping[int, bytes],
    hosts: Hosts,
) -> None:
    now = time.time()
    requests, digests = _requests(records, bodies, hosts)
    waits = [(hosts.number(name), name, stamp, wait) for name, (stamp, wait) in group.hosts.items()]
    _insert(connection, "host (id, name)", hosts.unwritten())
    _insert(connection, "host", waits, "ON CONFLICT (id) DO UPDATE SET stamp = excluded.stamp, wait = excluded.wait")
    _insert(connection, "request", requests)
    if digests:
        connection.execute("INSERT INTO seen VALUES (?, ?, 1)", (group.number, digests))
    ended = _done(records, now)
    # in the order of ids: neighbours share a page of the file, so a commit dirties few of them
    _insert(connection, "done", sorted(ended))
    again, final = _returned(records)
    _insert(connection, "returned", again, _REPLACE_RETURNED)
    connection.executemany("DELETE FROM returned WHERE id = ?", final)
    _insert(connection, "attempt", _attempts(records, now))
    _write_state(connection, records)
    _write_counters(connection, records)
    _write_cookies(connection, group.cookies)
    robots = [(origin, *answer) for origin, answer in group.robots.items()]
    _insert(connection, "robots", robots, _REPLACE_ROBOTS)
    meta = [(_text(key), value) for key, value in group.meta.items()]
    _insert(connection, "meta", meta, "ON CONFLICT (key) DO UPDATE SET value = excluded.value")
    seeds_done = any(record.outcome.seeds_done for record in records)
    connection.execute(
        "UPDATE head SET number = ?, log_end = ?, seeds_done = max(seeds_done, ?), "
        "known = known + ?, pending = pending + ?",
        (group.number, group.log_end, seeds_done, len(requests), len(requests) - len(ended)),
    )


def _requests(
    records: Sequence[Record], bodies: Mapping[int, bytes], hosts: Hosts
) -> tuple[list[tuple[object, ...]], bytes]:
    rows: list[tuple[object, ...]] = []
    number_of = hosts.number
    for record in records:
        page = record.outcome.entry
        parent = page.id or None if page is not None else None
        for entry in record.entries:
            request, id = entry.request, entry.id
            age = None if entry.age == id else entry.age
            level = request._options.priority, request._depth
            rows.append((id, entry.key, number_of(entry.host), *level, age, parent, bodies[id]))
    return rows, b"".join(chain.from_iterable(record.digests for record in records))


def _done(records: Sequence[Record], now: float) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for record in records:
        outcome, entry = record.outcome, record.outcome.entry
        if record.ends and entry is not None:
            error, message = _text(outcome.error) or None, _text(outcome.message[:_MESSAGE]) or None
            rows.append((entry.id, outcome.verdict, outcome.status, error, message, now, entry.tries, entry.visit))
    return rows


def _returned(records: Sequence[Record]) -> tuple[list[tuple[int, int, float, int]], list[tuple[int]]]:
    """The last word on each entry given back: its row, or that it has none any more."""
    last: dict[int, Again | None] = {}
    for record in records:
        entry = record.outcome.entry
        if entry is not None and (record.ends or record.again is not None):
            last[entry.id] = record.again
    again = [(id, row.tries, row.due, row.visit) for id, row in last.items() if row is not None]
    return again, [(id,) for id, row in last.items() if row is None]


def _attempts(records: Sequence[Record], now: float) -> list[tuple[object, ...]]:
    """The attempts after which a page was given back; it has `tries` of them behind it then."""
    rows: list[tuple[object, ...]] = []
    for record in records:
        entry, back = record.outcome.entry, record.outcome.returned
        if entry is not None and back is not None:
            rows.append((entry.id, entry.visit, back.tries, now, _text(back.reason[:_MESSAGE])))
    return rows


def _write_cookies(connection: sqlite3.Connection, cookies: Mapping[str, bytes]) -> None:
    rows = [(_text(key), value) for key, value in cookies.items() if value]
    _insert(connection, "cookie", rows, "ON CONFLICT (key) DO UPDATE SET value = excluded.value")
    connection.executemany(
        "DELETE FROM cookie WHERE key = ?", [(_text(k),) for k, value in cookies.items() if not value]
    )


def _write_state(connection: sqlite3.Connection, records: Sequence[Record]) -> None:
    values: dict[str, Any] = {}
    for record in records:
        values.update(record.state)
    for key, value in values.items():
        if value is GONE:
            connection.execute("DELETE FROM state WHERE key = ?", (key,))
        else:
            connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, encode_value(value)))


def _write_counters(connection: sqlite3.Connection, records: Sequence[Record]) -> None:
    sums: dict[str, int] = {}
    for record in records:
        for name, n in record.outcome.counters.items():
            sums[name] = sums.get(name, 0) + n
    rows = [(_text(name), n) for name, n in sums.items()]
    _insert(connection, "counter", rows, "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value")


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[object]], conflict: str = "") -> None:
    """Many rows by few statements: 64 rows each, then 32, 16 and so on, so that few are ever compiled."""
    done, size = 0, _ROWS
    while done < len(rows):
        while size > len(rows) - done:
            size //= 2
        row = f"({', '.join('?' * len(rows[0]))})"
        connection.execute(
            f"INSERT INTO {table} VALUES {', '.join([row] * size)} {conflict}",
            list(chain.from_iterable(rows[done : done + size])),
        )
        done += size


def _text(text: str) -> str:
    """Text as a database takes it: bytes that a server sent may stand in it as lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
