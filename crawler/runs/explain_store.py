"""What a run's frontier says of a URL, read beside the crawl that writes it.

Nothing was indexed for this, so it scans: by number and in pieces, each a transaction of its own, so
that a live crawl's write-ahead log can be checkpointed in between. Only what an answer needs is
decoded: a plain GET has the key that its URL gives; the requests that have options (a first byte of
`_WITH_OPTIONS`) are looked through for the URL in their body. A million rows of one host take 0.4 s.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from crawler.canonical import CanonicalRules, canonical
from crawler.frontier.bodies import decode_body
from crawler.frontier.schema import connect_reader, damaged, refusal
from crawler.request import Request
from crawler.runs.explain_report import Attempt, Redirect, Step
from crawler.urls import scheduling_host

__all__ = ["Row", "Store", "Wanted"]

_PIECE = 100_000  # rows of a transaction: 20 to 60 ms
_WITH_OPTIONS = b"\x95"  # MessagePack: an array of five, as in bodies.py; a plain GET is one of four
_MOST = 20  # requests that are told of
_MOST_ATTEMPTS = 100
_HEAD, _TAIL = 5, 95  # steps of a path that are told
_MOST_HOPS = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """The URL that is asked about. `key` is that of a plain GET; empty where the hash key is lost."""

    url: str
    canonical: str
    rules: CanonicalRules
    key: bytes


class Row(NamedTuple):
    """A request and what became of it; `verdict` is "" while it is pending."""

    id: int
    key: bytes
    host: int
    age: int
    parent: int | None
    request: Request
    verdict: str
    status: int
    error: str | None
    message: str | None
    time: float | None
    tries: int
    visit: int
    due: float


class Store:
    """A frontier's file, opened to be looked at. A context manager.

    Raises StateError for a file that is missing, foreign, newer or damaged, whatever is asked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect_reader(path)
        self._tables = {name for (name,) in self._all("SELECT name FROM sqlite_schema WHERE type = 'table'")}

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def find(self, wanted: Wanted) -> tuple[list[Row], int]:
        """The requests for a URL, at most 20, the page that the URL alone means first; and how many others
        there are. Requests with options (POST, session, `unique=False`, …) are found in any order of the
        query, but only where their path escapes the same characters."""
        hosts = self._rows("host", "SELECT id FROM host WHERE name = ?", [scheduling_host(wanted.url)])
        if not hosts:
            return [], 0
        exact: list[int] = []
        others: list[int] = []
        more = 0
        spelt, values = _spelt(wanted)
        if wanted.key:
            spelt, values = f"key = ? OR (substr(body, 1, 1) = ? AND {spelt})", [wanted.key, _WITH_OPTIONS, *values]
        where = f"host = ? AND ({spelt})"
        for id, key, body in self._scan("request", "id, key, body", where, [hosts[0][0], *values]):
            if key == wanted.key:
                exact.append(id)
            elif canonical(self._decoded(body)._url, wanted.rules) == wanted.canonical:
                if len(others) < _MOST:
                    others.append(id)
                else:
                    more += 1
        ids = [*exact, *others]
        return self._requests(ids[:_MOST]), more + len(ids[_MOST:])

    def path(self, row: Row) -> tuple[list[Step], int]:
        """From the seed to a request, both with it; and how many steps in the middle are left out."""
        rows = self._rows(
            "request",
            "WITH RECURSIVE way (id, parent, far) AS ("
            " SELECT id, parent, 0 FROM request WHERE id = ?"
            " UNION ALL SELECT request.id, request.parent, far + 1 FROM way JOIN request ON request.id = way.parent"
            ") SELECT way.id, done.verdict FROM way LEFT JOIN done ON done.id = way.id ORDER BY far DESC",
            [row.id],
        )
        redirected = [False, *(verdict == "redirected" for _, verdict in rows)]  # the page before: its only child
        shown = (
            range(len(rows)) if len(rows) <= _HEAD + _TAIL else [*range(_HEAD), *range(len(rows) - _TAIL, len(rows))]
        )
        steps = []
        for at in shown:
            ((body,),) = self._rows("request", "SELECT body FROM request WHERE id = ?", [rows[at][0]])
            request = self._decoded(body)
            steps.append(
                Step(request.url, request.depth, "seed" if at == 0 else "redirect" if redirected[at] else "link")
            )
        return steps, len(rows) - len(steps)

    def attempts(self, ids: Sequence[int]) -> dict[int, tuple[int, list[Attempt]]]:
        """By request: how many attempts did not end it, and the newest of them, oldest first."""
        found: dict[int, tuple[int, list[Attempt]]] = {}
        marks = ", ".join("?" * len(ids))
        for id, visit, number, time, reason in self._scan(
            "attempt", "id, visit, try, time, reason", f"id IN ({marks})", ids, number="rowid"
        ):
            count, rows = found.get(id, (0, []))
            found[id] = count + 1, [*rows, Attempt(visit + 1, number, time, reason)][-_MOST_ATTEMPTS:]
        return found

    def redirected_to(self, row: Row) -> list[str]:
        """Where a page that redirected led, hop by hop; the last may be a page that was known already."""
        hops: list[str] = []
        while row.verdict == "redirected" and len(hops) < _MOST_HOPS:
            # A hop has no other child, and it came with the page's own end: mostly soon after the page.
            child = next(self._scan("request", "id", "parent = ?", [row.id], first=row.id), None)
            if child is None:
                return [*hops, row.message] if row.message else hops
            (row,) = self._requests([child[0]])
            hops.append(row.request.url)
        return hops

    def redirected_here(self, urls: set[str], known: set[int | None]) -> list[Redirect]:
        """Pages that redirected to one of these URLs, at most 20, but for the requests of these numbers."""
        marks = ", ".join("?" * len(urls))
        found = self._scan("done", "id, status", f"verdict = 'redirected' AND message IN ({marks})", sorted(urls))
        ids = [(id, status) for (id, status), _ in zip(found, range(_MOST + len(known)), strict=False)]
        kept = [(id, status) for id, status in ids if id not in known][:_MOST]
        rows = {row.id: row for row in self._requests([id for id, _ in kept])}
        return [Redirect(rows[id].request.url, status) for id, status in kept if id in rows]

    def ahead(self, rows: Sequence[Row]) -> list[int]:
        """For pending requests of one host, how many others of it go before each; one pass for all."""
        if not rows:
            return []
        before = "coalesce(sum(priority > ? OR priority = ? AND (depth < ? OR depth = ? AND coalesce(age, id) < ?)), 0)"
        levels = [(row.request.priority, row.request.depth, row.age) for row in rows]
        orders = [value for priority, depth, age in levels for value in (priority, priority, depth, depth, age)]
        pieces = self._scan(
            "request",
            ", ".join([before] * len(rows)),
            "host = ? AND NOT EXISTS (SELECT 1 FROM done WHERE done.id = request.id)",
            [rows[0].host],
            selected=orders,
        )
        return [sum(column) for column in zip(*pieces, strict=True)]

    def host_wait(self, host: int) -> tuple[str, float]:
        """The name of a host, and the epoch second before which it may not be asked (0: none)."""
        rows = self._rows("host", "SELECT name, stamp, wait FROM host WHERE id = ?", [host])
        name, stamp, wait = rows[0] if rows else ("", None, None)
        return name, (stamp + wait if stamp is not None and wait else 0.0)

    def deaths(self, key: bytes) -> int:
        """How often the process died on the page of a key."""
        rows = self._rows("death", "SELECT n FROM death WHERE key = ?", [key])
        return int(rows[0][0]) if rows else 0

    def robots(self, origin: str) -> tuple[float, int, bytes] | None:
        """The robots.txt of an origin as it was answered last: epoch second, status, compressed body."""
        rows = self._rows("robots", "SELECT time, status, body FROM robots WHERE origin = ?", [origin])
        return (rows[0][0], rows[0][1], rows[0][2]) if rows else None

    # -- reading

    def _requests(self, ids: Sequence[int]) -> list[Row]:
        """The rows of these numbers, in their order, each with its end as of now."""
        columns = (
            "request.id, key, host, coalesce(age, request.id), parent, body, coalesce(verdict, ''), "
            "coalesce(status, 0), error, message, time, coalesce(done.tries, returned.tries, 0), "
            "coalesce(done.visit, returned.visit, 0), coalesce(due, 0)"
        )
        ends = "LEFT JOIN done ON done.id = request.id LEFT JOIN returned ON returned.id = request.id"
        marks = ", ".join("?" * len(ids))
        rows = self._rows("request", f"SELECT {columns} FROM request {ends} WHERE request.id IN ({marks})", ids)
        found = {row[0]: Row._make([*row[:5], self._decoded(row[5]), *row[6:]]) for row in rows}
        return [found[id] for id in ids if id in found]

    def _scan(
        self,
        table: str,
        columns: str,
        where: str,
        values: Sequence[Any],
        *,
        selected: Sequence[Any] = (),
        number: str = "id",
        first: int = 0,
    ) -> Iterator[tuple[Any, ...]]:
        """Rows behind number `first`, piece by piece. `values` are those of `where`, `selected` of `columns`."""
        last = self._rows(table, f"SELECT max({number}) FROM {table}", [])
        end = last[0][0] if last and last[0][0] is not None else 0
        statement = f"SELECT {columns} FROM {table} WHERE {number} > ? AND {number} <= ? AND {where}"
        for begin in range(first, end, _PIECE):
            yield from self._rows(table, statement, [*selected, begin, begin + _PIECE, *values])

    def _rows(self, table: str, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Nothing from a table that an older file, or one never written to, does not have."""
        return self._all(statement, values) if table in self._tables else []

    def _all(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise refusal(self._path, error) from error

    def _decoded(self, body: bytes) -> Request:
        try:
            return decode_body(body)
        except msgspec.MsgspecError as error:
            raise damaged(self._path, str(error)) from error


def _spelt(wanted: Wanted) -> tuple[str, list[Any]]:
    """The condition that a body has some spelling of the URL in it: host and path, as far as nothing is
    escaped, and behind them a query, a fragment or the text's end (what follows it begins with a byte
    from 0x80 on). It lets a few others through, and keeps a site's other pages from being decoded."""
    path = wanted.url.partition("#")[0].partition("?")[0]
    head, escaped, _ = path[path.find("//") :].partition("%")
    ends = "?#"
    if wanted.rules.trailing_slash:
        head, ends = head.rstrip("/"), "?#/"
    needle = head.encode()
    if escaped:
        return "instr(body, ?)", [needle]
    then = f"substr(body, instr(body, ?) + {len(needle)}, 1)"
    marks = ", ".join("?" * len(ends))
    return (
        f"instr(body, ?) AND ({then} >= ? OR {then} IN ({marks}))",
        [needle, needle, b"\x80", needle, *(end.encode() for end in ends)],
    )
