"""What a file knows: all that a start needs, read in one pass, and the little that lists of runs need.

A start costs what is pending, hardly what is known: rows that are done never leave SQLite.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from struct import iter_unpack

import msgspec

from crawler.backlog import Backlog
from crawler.contracts import Entry
from crawler.frontier.bodies import decode_body
from crawler.frontier.hosts import Hosts
from crawler.frontier.ledger import Again, Ledger, with_again
from crawler.frontier.pending import load_pending
from crawler.frontier.schema import connect_reader, damaged, refusal
from crawler.frontier.seen import KEY, SeenSet, kept
from crawler.state import decode_value

__all__ = ["Contents", "Meta", "load", "load_seen", "read_entries", "read_meta", "read_state"]


@dataclass(slots=True)
class Meta:
    """What a run's frontier says of the run as of the last commit; the defaults are a new one's."""

    commit: int = 0
    log_end: int = 0
    seeds_done: bool = False
    known: int = 0
    pending: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    meta: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Contents:
    """Everything in a file: the ledger filled, the order of what is pending, the rest as it stands."""

    head: Meta
    ledger: Ledger
    hosts: Hosts
    backlog: Backlog
    returned: list[Entry]
    state: dict[str, bytes]
    waits: dict[str, tuple[float, float]]
    cookies: dict[str, bytes]


def read_meta(path: str | Path) -> Meta:
    """The run's numbers and named values, also while another process crawls on it.

    A file that was made and never written to gives the defaults. Raises StateError for one that is
    missing, foreign, newer or damaged.
    """
    path = Path(path)
    connection = connect_reader(path)
    try:
        connection.execute("BEGIN")  # all from one commit
        if not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
            return Meta()
        return _head(connection)
    except sqlite3.Error as error:
        raise refusal(path, error) from error
    except ValueError as error:
        raise damaged(path, str(error)) from error
    finally:
        connection.close()


def read_state(path: str | Path) -> dict[str, bytes]:
    """`self.state` as of the last commit, encoded. Raises StateError like `read_meta`."""
    path = Path(path)
    connection = connect_reader(path)
    try:
        return dict(connection.execute("SELECT key, value FROM state"))
    except sqlite3.Error as error:
        raise refusal(path, error) from error
    finally:
        connection.close()


def load(connection: sqlite3.Connection, path: Path) -> Contents:
    """Reads everything. Raises StateError where parts of the file contradict each other, sqlite3.Error."""
    try:
        head = _head(connection)
        hosts, waits = _hosts(connection)
        ledger = Ledger()
        ledger.deaths = dict(connection.execute("SELECT key, n FROM death"))
        state = dict(connection.execute("SELECT key, value FROM state"))
        ledger.state = {key: decode_value(value) for key, value in state.items()}
        rows = connection.execute("SELECT id, tries, due, visit FROM returned")
        ledger.again = {id: Again(tries, due, visit) for id, tries, due, visit in rows}
        backlog, aged = load_pending(connection, ledger, head.known, hosts)
        pending = len(backlog) + len(aged)
        (size,) = connection.execute("SELECT coalesce(sum(length(digests)), 0) FROM seen").fetchone()
        keys, odd = divmod(size, KEY)
        if odd or (keys, pending) != (head.known, head.pending):
            raise ValueError(
                f"it counts {head.known} requests, {head.pending} of them pending, "
                f"and has {keys} keys and {pending} pending"
            )
        returned = read_entries(connection, aged, ledger, hosts)
        cookies = dict(connection.execute("SELECT key, value FROM cookie"))
    except (msgspec.MsgspecError, ValueError, IndexError) as error:
        raise damaged(path, str(error)) from error
    return Contents(head, ledger, hosts, backlog, returned, state, waits, cookies)


def read_entries(connection: sqlite3.Connection, ids: Sequence[int], ledger: Ledger, hosts: Hosts) -> list[Entry]:
    """The entries of committed ids, as far as they are there, in no order of their own."""
    entries: list[Entry] = []
    again, deaths = ledger.again, ledger.deaths
    for first in range(0, len(ids), _MANY):
        some = ids[first : first + _MANY]
        rows = connection.execute(
            f"SELECT id, key, host, age, body FROM request WHERE id IN ({', '.join('?' * len(some))})", some
        ).fetchall()
        for id, key, host, age, body in rows:
            entry = Entry(id, key, hosts.name(host), decode_body(body), age or id, deaths=deaths.get(key, 0))
            entries.append(with_again(entry, again.get(id)))
    return entries


_MANY = 64


def _head(connection: sqlite3.Connection) -> Meta:
    row = connection.execute("SELECT number, log_end, seeds_done, known, pending FROM head").fetchone()
    if row is None:
        raise ValueError("the row of the last commit is missing")
    number, log_end, seeds_done, known, pending = row
    counters = dict(connection.execute("SELECT name, value FROM counter"))
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    return Meta(number, log_end, bool(seeds_done), known, pending, counters, meta)


def _hosts(connection: sqlite3.Connection) -> tuple[Hosts, dict[str, tuple[float, float]]]:
    names: list[str] = []
    waits: dict[str, tuple[float, float]] = {}
    now = time.time()
    for name, stamp, wait in connection.execute("SELECT name, stamp, wait FROM host ORDER BY id"):
        names.append(name)
        if wait and stamp + wait > now:  # what is over can delay nothing any more
            waits[name] = (stamp, wait)
    return Hosts(names), waits


def load_seen(connection: sqlite3.Connection, seen: SeenSet, known: int) -> None:
    """Fills the seen set: half of the work of a start, and nothing that the first request needs. Raises
    sqlite3.Error, ValueError."""
    seen.reserve(known)
    for blob, marked in connection.execute("SELECT digests, marked FROM seen"):
        if not marked:  # written by schema 1
            blob = b"".join(kept(key, 0) for (key,) in iter_unpack("16s", blob))
        seen.load(blob)
