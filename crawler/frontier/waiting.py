"""Pending requests whose callback or errback the spider does not have any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from crawler.frontier.bodies import decode_body

__all__ = ["MethodsGone", "waiting_for"]


class MethodsGone(Exception):
    """Requests wait for methods that are not there: name to (how many, the URL of the first)."""

    def __init__(self, waiting: dict[str, tuple[int, str]]) -> None:
        super().__init__(", ".join(waiting))
        self.waiting = waiting


def waiting_for(
    connection: sqlite3.Connection, gone: Callable[[str], bool], taken_up: str = ""
) -> dict[str, tuple[int, str]]:
    """Method name to (how many pending requests wait for it, the URL of the first). `taken_up` is the SQL
    condition of done pages that are about to be pending again. Reads all that is pending: only for a run
    that is known to have stored such a name."""
    found: dict[str, tuple[int, str]] = {}
    again = f" OR ({taken_up})" if taken_up else ""
    rows = connection.execute(
        "SELECT body FROM request LEFT JOIN done ON done.id = request.id "
        f"WHERE done.id IS NULL{again} ORDER BY request.id"
    )
    for (body,) in rows:
        request = decode_body(body)
        names = {request._callback or "parse", *([request._options.errback] if request._options.errback else ())}
        for name in filter(gone, names):
            n, url = found.get(name, (0, request._url))
            found[name] = (n + 1, url)
    return found
