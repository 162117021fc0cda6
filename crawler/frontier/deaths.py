"""Deaths: how often the process died while it was on a page, by the page's key."""

from __future__ import annotations

import sqlite3

from crawler.contracts import Died
from crawler.frontier.schema import transaction

__all__ = ["charge_deaths"]

_EPOCH = "deaths"  # the named value: the last process whose deaths were charged


def charge_deaths(connection: sqlite3.Connection, died: Died) -> None:
    """Adds one death to each page that the last process was executing, once, however often it is called.

    The keys need not be known: the commit of the page that found them may be lost with the process.
    """
    if not died.keys:
        return
    with transaction(connection):
        charged = connection.execute("SELECT value FROM meta WHERE key = ?", (_EPOCH,)).fetchone()
        if charged is None or charged[0] != died.epoch:
            connection.executemany(
                "INSERT INTO death VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET n = n + 1",
                [(key,) for key in set(died.keys)],
            )
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_EPOCH, died.epoch))
