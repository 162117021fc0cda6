"""Failed pages that are taken up anew: `--retry-failed`, or the spider's code has changed.

In one transaction they are pending again, in their next visit, and what was counted for their failure
is taken back; so a run whose failures went well at last ends with 0. What they failed with stays in
`attempt`, for `explain`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter

from crawler.frontier.schema import transaction

__all__ = ["condition", "take_up"]

_OF_CODE = "(error LIKE 'callback/%' OR error LIKE '%+callback/%' OR error = 'ProcessDied')"


def take_up(connection: sqlite3.Connection, which: str) -> int:
    """Takes up the failed pages: "failed" all, "callbacks" those that the spider's code failed on; how many."""
    where = condition(which)
    with transaction(connection):
        rows = connection.execute(f"SELECT status, error, count(*) FROM done WHERE {where} GROUP BY 1, 2").fetchall()
        pages = sum(int(count) for *_, count in rows)
        if pages:
            connection.execute(
                "INSERT INTO attempt SELECT id, visit, tries + 1, time, 'failed: ' || coalesce(message, error, '') "
                f"FROM done WHERE {where}"
            )
            connection.execute(f"INSERT OR REPLACE INTO returned SELECT id, 0, 0, visit + 1 FROM done WHERE {where}")
            # What they died of before does not count against the new attempt.
            keys = f"SELECT key FROM request WHERE id IN (SELECT id FROM done WHERE {where})"
            connection.execute(f"DELETE FROM death WHERE key IN ({keys})")
            connection.execute(f"DELETE FROM done WHERE {where}")
            connection.execute("UPDATE head SET pending = pending + ?", (pages,))
            taken_back = [(n, name) for name, n in _counted(rows).items()]
            connection.executemany("UPDATE counter SET value = value - ? WHERE name = ?", taken_back)
            connection.executemany(
                "DELETE FROM counter WHERE value <= 0 AND name = ?", [(name,) for _, name in taken_back]
            )
            connection.execute("DELETE FROM meta WHERE key IN ('ended', 'published', 'stopped')")
    return pages


def condition(which: str) -> str:
    """The SQL condition of the rows of `done` that are taken up."""
    return "verdict = 'failed'" + (f" AND {_OF_CODE}" if which == "callbacks" else "")


def _counted(rows: list[tuple[int, str | None, int]]) -> Counter[str]:
    """What these failures had added to the counters: (status, error, pages)."""
    counted: Counter[str] = Counter()
    for status, error, pages in rows:
        for part in (error or "").split("+"):  # a request that failed, and then the spider's `failed` on it
            if part.startswith("callback/"):
                counted["callbacks_failed"] += pages
                counted[part] += pages
            elif part:
                counted["requests_failed"] += pages
                counted[f"error/{part}"] += pages
        if status:
            counted[f"status/{status}"] += pages
            if (error or "").startswith("callback/"):
                counted["responses"] += pages
    return counted
