"""What is pending in a file: one scan that SQLite does nearly alone.

A row that crosses into Python costs 0.6 µs, and 1 µs with what is done with it; so SQLite joins the
numbers of thousands of rows into texts, which are parsed in one step each: 0.3 µs a row.
"""

from __future__ import annotations

import sqlite3
from itertools import compress

import msgspec

from crawler.backlog import Backlog, Gathering
from crawler.frontier.hosts import Hosts
from crawler.frontier.ledger import Ledger

__all__ = ["load_pending"]

_STEP = 8192  # ids looked at in one statement; twice as many or half are the same

_LEVEL = 31  # bits for the depth in a level that is one number, -priority * 2**31 + depth

_ROWS = f"""
    SELECT count(age),
           '[' || group_concat(id) || ']', '[' || group_concat(host) || ']', '[' || group_concat(level) || ']'
    FROM (
        SELECT request.id, host, depth - (priority << {_LEVEL}) AS level, age
        FROM request LEFT JOIN done ON done.id = request.id
        WHERE request.id > ? AND request.id <= ? AND done.id IS NULL ORDER BY request.id
    )
"""

_AGED = """
    SELECT request.id FROM request LEFT JOIN done ON done.id = request.id
    WHERE request.id > ? AND request.id <= ? AND done.id IS NULL AND age IS NOT NULL
"""

_numbers = msgspec.json.Decoder(list[int]).decode


def load_pending(connection: sqlite3.Connection, ledger: Ledger, known: int, hosts: Hosts) -> tuple[Backlog, list[int]]:
    """The backlog, and the ids that are not in it because they have a time or an age of their own.

    Fills the ledger's `ended`. Raises IndexError for an id above `known` or a host that is not there,
    sqlite3.Error.
    """
    ledger.ended = ended = bytearray(b"\1") * (known + 1)
    gathering = Gathering(known)
    codes = _Codes(gathering)
    apart: list[int] = []
    steps_of_again = {(id - 1) // _STEP for id in ledger.again}
    last = connection.execute("SELECT coalesce(max(id), 0) FROM request").fetchone()[0]
    if last > known:
        raise IndexError(f"it counts {known} requests and has the {last}th")
    for step, first in enumerate(range(0, known, _STEP)):
        aged, *texts = connection.execute(_ROWS, (first, first + _STEP)).fetchone()
        if texts[0] is None:  # all of them have ended
            continue
        ids, of_hosts, levels = map(_numbers, texts)
        if ids[-1] - ids[0] == len(ids) - 1:
            ended[ids[0] : ids[-1] + 1] = bytes(len(ids))
        else:
            for id in ids:
                ended[id] = 0
        low, high = min(of_hosts), max(of_hosts)
        if not 0 < low <= high <= len(hosts):
            raise IndexError(f"there are {len(hosts)} hosts, and requests to host {low} and {high}")
        of_levels = list(map(codes.__getitem__, levels))
        if aged or step in steps_of_again:
            out = {id for (id,) in connection.execute(_AGED, (first, first + _STEP))} if aged else set[int]()
            out.update(id for id in ids if id in ledger.again)
            apart += sorted(out)
            stays = [id not in out for id in ids]
            ids, of_hosts, of_levels = (list(compress(column, stays)) for column in (ids, of_hosts, of_levels))
        gathering.add(ids, of_hosts, of_levels)
    return gathering.backlog(hosts.name), apart


class _Codes(dict[int, int]):
    """A level as it is in `_ROWS`, to its number in the gathering."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering

    def __missing__(self, level: int) -> int:
        code = self[level] = self._gathering.code(divmod(level, 1 << _LEVEL))
        return code
