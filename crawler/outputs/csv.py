"""CSV (RFC 4180): UTF-8, a header, CRLF, quotes where needed.

A CSV file has one header, written before its first row, so its columns must be known by then: they
are `csv_fields`, or else the fields of the first item's type. What does not fit them is an error and
never a column less: name the columns, and then items of any type give the columns they have.

None and NaN are empty; true and false as in JSON; lists and nested items are JSON text; dates,
Decimals and bytes stand as in JSON, without its quotes.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from crawler.codec import to_json_line
from crawler.errors import SettingsError
from crawler.outputs.failure import OutputError, PositionLost

__all__ = ["CSV", "parse_header"]

_CURE = (
    "name the columns with the setting csv_fields = [{}], or write .jsonl. "
    "Nothing is lost: the run has every item, and the file is made anew by the next run"
)


class CSV:
    """The format of `.csv`. `fields`: the columns. `expected`: the header of a file that is appended to.

    Raises SettingsError for another header than the expected one, OutputError for an item that does
    not fit the columns.
    """

    def __init__(self, fields: Sequence[str] = (), expected: tuple[str, tuple[str, ...]] | None = None) -> None:
        self._named = bool(fields)
        self._columns: tuple[str, ...] = tuple(fields)
        self._known = frozenset(fields)
        self._type = ""
        self._expected = expected
        if fields:
            self._check_expected()

    @property
    def state(self) -> bytes:
        """The name of the one item type; the columns are read from the file's head."""
        return self._type[:200].encode()

    def restore(self, state: bytes, head: bytes) -> None:
        """Takes the columns from the head. Raises PositionLost when others are asked for now."""
        columns = parse_header(head)
        if self._named and columns != self._columns:
            raise PositionLost("csv_fields are others now")
        self._type = state.decode()
        if not self._named and columns:
            self._set_columns(columns)

    def describe(self, type_name: str, fields: Sequence[str]) -> None:
        """Items of this type come: its fields are the columns, or must be among them."""
        if self._named:
            if fields and type_name != "dict" and not set(fields) & set(self._columns):
                raise OutputError(
                    f"csv_fields names {', '.join(self._columns)}, but {type_name} has none of them: "
                    f"it has {', '.join(fields)}"
                )
            return
        if not self._columns:
            self._type = type_name
            if fields:
                self._set_columns(tuple(fields))
        elif self._type and type_name[:200] != self._type[:200]:
            raise OutputError(
                f"items of two types, {self._type} and {type_name}, do not fit one header: " + self._cure(fields)
            )
        else:
            self._refuse_unknown(fields)

    def head(self, items: Sequence[Any]) -> bytes | None:
        """The header, or None while nobody knows it."""
        if not self._columns:
            first = next((item for item in items if item), None)
            if first is None:
                return None
            self._set_columns(tuple(map(str, first)))
        return self._rows([self._columns])

    def encode(self, items: Sequence[Any]) -> bytes:
        """The items' rows; a field that an item lacks is empty."""
        if not self._columns:
            return b""
        if not self._named:
            for item in items:
                if not item.keys() <= self._known:
                    self._refuse_unknown(list(item))
        columns = self._columns
        return self._rows([[_cell(item.get(name)) for name in columns] for item in items])

    def foot(self) -> bytes:
        """Nothing stands after the last row."""
        return b""

    def _rows(self, rows: Sequence[Sequence[Any]]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        return text.getvalue().encode("utf-8", "replace")

    def _set_columns(self, columns: tuple[str, ...]) -> None:
        self._columns, self._known = columns, frozenset(columns)
        self._check_expected()

    def _check_expected(self) -> None:
        if self._expected is not None and self._expected[1] != self._columns:
            path, header = self._expected
            raise SettingsError(
                f"cannot append to {path}: its columns are {', '.join(header)}, the run's are "
                f"{', '.join(self._columns)}; name them with csv_fields = [{_quoted(header)}], or write another file"
            )

    def _refuse_unknown(self, fields: Sequence[str]) -> None:
        late = [field for field in fields if field not in self._known]
        if late:
            named = ", ".join(map(repr, late[:5]))
            raise OutputError(
                f"the field {named} came after the header ({', '.join(self._columns)}) was written: "
                + self._cure(fields)
            )

    def _cure(self, fields: Sequence[str]) -> str:
        return _CURE.format(_quoted([*self._columns, *(f for f in fields if f not in self._known)]))


def parse_header(head: bytes) -> tuple[str, ...]:
    """The columns that a file's first record names. Raises csv.Error."""
    return tuple(next(csv.reader(io.StringIO(head.decode("utf-8-sig", "replace"), newline="")), ()))


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _cell(value: Any) -> Any:
    if value is None or type(value) is str or type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else None
    text = to_json_line(value)
    return msgspec.json.decode(text) if text.startswith(b'"') else text.decode()
