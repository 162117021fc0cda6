"""Items as the rows of SQLite tables: names, columns and values.

One table per type of item, its columns the declared fields in their order; dicts go to `items`. A
field that turns up later adds a column, which is NULL in the rows before. Types of one name share a
table. Columns have no declared type, since that would change values ("007" into 7); each value keeps
the storage class of what it is:

    None, NaN → NULL    bool, int → INTEGER    float → REAL    bytes → BLOB    text → TEXT
    dates → TEXT, ISO 8601 as in JSON    lists and nested items → TEXT, JSON
    an int that needs more than 63 bits and a sign → TEXT, its digits

The rowid is the item's number in the run, counted from 1 over all tables: `ORDER BY rowid` is the
order of the item log, and what was written after some item can be taken out again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from crawler.codec import to_json_line
from crawler.outputs.failure import OutputError

__all__ = ["Kind", "Tables"]

Kind = tuple[str, tuple[str, ...]]
"""A type's name and its declared fields (a dict's keys)."""

_DICTS = "items"  # the table of items that have no type of their own
_NAME = 100  # characters of a name, at most: 2,000 columns must fit a statement of a million bytes
_PLAIN = frozenset({str, float, bool, bytes, type(None)})  # SQLite takes them as they are (NaN becomes NULL)
_INTEGERS = range(-(1 << 63), 1 << 63)


class Tables:
    """The tables of one file, inside a transaction that somebody else begins and ends.

    Raises OutputError for an item that needs more columns than SQLite has.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._tables: dict[str, _Table] = {}
        self._names = _Names()
        self.rows = 0
        """How many items are in the file."""

    @property
    def columns(self) -> int:
        """How many there are, in all tables."""
        return sum(len(table.fields) for table in self._tables.values())

    @property
    def exact(self) -> bool:
        """Whether every table and column has the name of its type and field, so that the file tells them."""
        return self._names.exact and all(table.names.exact for table in self._tables.values())

    def insert(self, items: Sequence[Mapping[str, Any]], kinds: Iterable[Kind]) -> None:
        """Adds the items as rows, in their order."""
        waiting: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        seen: dict[Kind, _Table] = {}
        for number, (item, kind) in enumerate(zip(items, kinds, strict=True), self.rows + 1):
            table = seen.get(kind)
            if table is None:
                table = seen[kind] = self._table(kind, item)
                waiting.setdefault(table.name, [])
            if not item.keys() <= table.fields.keys():
                table.add(item)
            waiting[table.name].append((number, item))
        for table in {table.name: table for table in seen.values()}.values():
            fields = tuple(table.fields)
            rows = (
                [n, *(v if type(v) in _PLAIN else _cell(v) for v in map(item.get, fields))]
                for n, item in waiting[table.name]
            )
            self._connection.executemany(table.statement, rows)
        self.rows += len(items)

    def cut(self, rows: int) -> bool:
        """Reads what the file has, and takes out all after the first `rows` items.

        False where the file's last item is an earlier one. Needs a file whose names were `exact`. A
        table goes with its last row; columns that were added since stay (`columns` tells).
        """
        names = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        last = 0
        for (name,) in names:
            quoted = _quote(name)
            self._connection.execute(f"DELETE FROM {quoted} WHERE _rowid_ > ?", (rows,))
            (newest,) = self._connection.execute(f"SELECT max(_rowid_) FROM {quoted}").fetchone()
            if newest is None:
                self._connection.execute(f"DROP TABLE {quoted}")
                continue
            last = max(last, newest)
            self._tables[name] = _Table(self._connection, self._names.unique(name), there=True)
        self.rows = rows
        return last == rows

    def _table(self, kind: Kind, item: Mapping[str, Any]) -> _Table:
        type_name, fields = kind
        name = _DICTS if type_name == "dict" else type_name
        table = self._tables.get(name)
        if table is None:
            unique = self._names.unique(f"_{name}" if name.lower().startswith("sqlite_") else name)
            self._names.exact &= unique == name
            table = self._tables[name] = _Table(self._connection, unique)
        table.add((*fields, *item))
        return table


class _Table:
    """One table: which column is which field's."""

    def __init__(self, connection: sqlite3.Connection, name: str, *, there: bool = False) -> None:
        self.name = name
        self.fields: dict[str, str] = {}
        """The quoted column of each field, in order."""
        self.names = _Names("_rowid_")  # the one name of the rowid that we use
        self.statement = f"INSERT INTO {_quote(name)}(_rowid_) VALUES(?)"
        self._connection = connection
        self._made = there
        limit = connection.getlimit
        self._most = min(limit(sqlite3.SQLITE_LIMIT_COLUMN), limit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) - 1)
        if there:
            columns = [column for _, column, *_ in connection.execute(f"PRAGMA table_info({_quote(name)})")]
            self._set({column: _quote(self.names.unique(column)) for column in columns if column})

    def add(self, fields: Iterable[str]) -> None:
        """Makes columns for those that have none, and the table with the first."""
        new = [field for field in dict.fromkeys(fields) if field not in self.fields]
        if len(self.fields) + len(new) > self._most:
            raise OutputError(
                f"table {self.name} would have more than {self._most} columns, which is all that SQLite takes; the "
                f"field {new[self._most - len(self.fields)][:_NAME]!r} is the first too many: write .jsonl, or give "
                "the item one field that holds a dict. Nothing is lost: the run has every item"
            )
        columns = {field: _quote(self.names.unique(field)) for field in new}
        table, late = _quote(self.name), list(columns.values())
        if not self._made:
            # SQLite has no table without columns: for items without fields, one without a name holds the place.
            self._connection.execute(f"CREATE TABLE {table} ({', '.join(late) or _quote('')})")
            self._made, late = True, []
        elif not self.fields and late:
            self._connection.execute(f"ALTER TABLE {table} RENAME COLUMN {_quote('')} TO {late.pop(0)}")
        for column in late:
            self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
        self._set({**self.fields, **columns})

    def _set(self, fields: dict[str, str]) -> None:
        self.fields = fields
        places = ", ".join("?" * (len(fields) + 1))
        self.statement = (
            f"INSERT INTO {_quote(self.name)} ({', '.join(['_rowid_', *fields.values()])}) VALUES ({places})"
        )


class _Names:
    """Names as SQLite takes them: any text but U+0000, and a to z alike whether small or capital."""

    def __init__(self, *taken: str) -> None:
        self._taken = {_fold(name) for name in taken}
        self.exact = True
        """Whether every name could be left as it was."""

    def unique(self, name: str) -> str:
        """The name, or where that cannot be, the nearest one that is free: Title, title_2."""
        wanted = name.replace("\0", "\N{REPLACEMENT CHARACTER}")[:_NAME] or "unnamed"
        unique, n = wanted, 1
        while _fold(unique) in self._taken:
            n += 1
            unique = f"{wanted}_{n}"
        self._taken.add(_fold(unique))
        self.exact &= unique == name
        return unique


def _fold(name: str) -> bytes:
    return name.encode().lower()  # of bytes: a to z alone, as SQLite does


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cell(value: Any) -> Any:
    if type(value) is int:
        return value if value in _INTEGERS else str(value)
    text = to_json_line(value)
    return msgspec.json.decode(text) if text.startswith(b'"') else text.decode()
