"""Pending requests whose callback or errback the spider does not have any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from crawler.frontier.bodies import decode_body

__all__ = ["waiting_for"]


def waiting_for(connection: sqlite3.Connection, gone: Callable[[str], bool]) -> dict[str, tuple[int, str]]:
    """Method name to (how many pending requests wait for it, the URL of the first). Reads all that is
    pending: only for a run that is known to have stored such a name."""
    found: dict[str, tuple[int, str]] = {}
    rows = connection.execute(
        "SELECT body FROM request LEFT JOIN done ON done.id = request.id WHERE done.id IS NULL ORDER BY request.id"
    )
    for (body,) in rows:
        request = decode_body(body)
        names = {request._callback or "parse", request._options.errback or "parse"}
        for name in filter(gone, names):
            n, url = found.get(name, (0, request._url))
            found[name] = (n + 1, url)
    return found
