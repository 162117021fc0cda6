"""What a run left: its items in every output, its numbers, and which pages are done."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from crawler.counts import Stats
from crawler.frontier import Meta, read_meta
from crawler.frontier.bodies import decode_body
from crawler.frontier.recovery import read_state
from crawler.frontier.schema import connect_reader
from crawler.runs import RunDirectory
from crawler.runs.choose import Ended, stored
from crawler.runs.run import Run
from crawler.state import decode_value

_NO_STATS = cast("Stats", None)  # `Run.items` asks for none


@dataclass(frozen=True)
class Done:
    """A page that has come to its end, as the store has it."""

    url: str
    verdict: str
    status: int
    error: str
    message: str


class Left:
    """The one run of a spider, read from its directory. Made anew after each life."""

    def __init__(self, runs: Path) -> None:
        self.made = [RunDirectory.read(path.parent) for path in sorted(runs.glob("*/*/run.json"))]
        self._metas = {run.path: read_meta(run.frontier) for run in self.made if run.frontier.exists()}
        begun = [run for run in self.made if self._metas.get(run.path, Meta()).commit]
        assert len(begun) <= 1, f"a run was begun anew beside an unfinished one: {[run.path for run in begun]}"
        self._run = begun[0] if begun else None
        self.done = _done(self._run.frontier) if self._run is not None else []
        """All pages that have come to their end."""
        self.tries = _tries(self._run.frontier) if self._run is not None else Counter[str]()
        """How often each page was tried, by URL: what is committed of it."""

    @property
    def run(self) -> RunDirectory:
        assert self._run is not None, "no life came to a commit"
        return self._run

    @property
    def meta(self) -> Meta:
        """The defaults before the first commit."""
        return self._metas[self._run.path] if self._run is not None else Meta()

    @property
    def over(self) -> bool:
        """It has ended, and its outputs are in place."""
        return bool(self.meta.meta.get("published"))

    @property
    def code(self) -> int:
        """The exit code that the run ended with."""
        ended: Ended = stored(self.meta.meta, "ended", Ended)
        return ended.code

    @property
    def counters(self) -> dict[str, int]:
        return self.meta.counters

    @property
    def state(self) -> dict[str, Any]:
        return {key: decode_value(raw) for key, raw in read_state(self.run.frontier).items()}

    @property
    def skipped(self) -> list[dict[str, str]]:
        """The lines of skipped.jsonl."""
        return read(self.run.skipped) if self.run.skipped.exists() else []

    def items(self, **outputs: Path) -> dict[str, list[dict[str, Any]]]:
        """The items in `Run.items`, in items.jsonl and in the files given, by name."""
        run = self.run
        handle = Run(run.identity.id, run.path, "ended", "", 0, _NO_STATS, run.log, self.meta.log_end)
        return {
            "Run.items": list(handle.items(dict)),
            "items.jsonl": read(run.items),
            **{name: read(path) for name, path in outputs.items()},
        }


def _done(frontier: Path) -> list[Done]:
    connection = connect_reader(frontier)
    try:
        rows = connection.execute(
            "SELECT body, verdict, status, error, message FROM done JOIN request ON request.id = done.id"
        ).fetchall()
    finally:
        connection.close()
    return [
        Done(decode_body(body).url, verdict, status, error or "", message or "")
        for body, verdict, status, error, message in rows
    ]


def _tries(frontier: Path) -> Counter[str]:
    connection = connect_reader(frontier)
    try:
        ids = "SELECT id FROM attempt UNION ALL SELECT id FROM done"
        rows = connection.execute(f"SELECT body FROM ({ids}) JOIN request USING (id)").fetchall()
    finally:
        connection.close()
    return Counter(decode_body(body).url for (body,) in rows)


def read(path: Path) -> list[dict[str, Any]]:
    """The items of an output file, by its ending; of the user's own sink the lines, split at the tab."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    match path.name.removesuffix(".gz").rpartition(".")[2]:
        case "jsonl":
            return [json.loads(line) for line in raw.splitlines()]
        case "json":
            items = json.loads(raw)
            assert isinstance(items, list)
            return items
        case "csv":
            return list(csv.DictReader(raw.decode().splitlines()))
        case "sqlite":
            return _rows(path)
        case _:
            return [dict(zip(("path", "title"), line.split("\t"), strict=True)) for line in raw.decode().splitlines()]


def _rows(path: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return [dict(row) for name in names for row in connection.execute(f'SELECT * FROM "{name}"')]
    finally:
        connection.close()


@dataclass
class Difference:
    """Between what should be there and what is: lost, repeated, and what nobody asked for."""

    lost: Counter[str]
    repeated: Counter[str]

    def __bool__(self) -> bool:
        return bool(self.lost or self.repeated)


def difference(wanted: Iterable[str], found: Iterable[str]) -> Difference:
    """Compares as multisets: what is there too often, or should not be there at all, is `repeated`."""
    right, have = Counter(wanted), Counter(found)
    return Difference(right - have, have - right)
