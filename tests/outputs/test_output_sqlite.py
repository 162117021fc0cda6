"""`-o FILE.sqlite`: rows, columns and values; cut back after a crash; alone in its directory at the end."""

from __future__ import annotations

import dataclasses
import fcntl
import math
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import SmallRun

from crawler.errors import DiskError, SettingsError
from crawler.outputs import OutputError, export
from crawler.outputs.failure import PositionLost
from crawler.outputs.sqlite import SQLiteSink
from crawler.outputs.sqlite_tables import Kind, Tables
from crawler.settings import Settings

THING: Kind = ("Thing", ("n", "text"))
OTHER: Kind = ("Other", ("n",))
KINDS = [THING, ("dict", ("n",)), OTHER, THING, ("dict", ("n",)), OTHER]
ITEMS = [{"n": n, "text": "x" * n} if kind == THING else {"n": n} for n, kind in enumerate(KINDS)]


@dataclasses.dataclass
class Book:
    title: str
    price: float | None = None
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Author:
    name: str


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute(sql).fetchall()


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Each table's columns, and its rows with their numbers."""
    tables = [name for (name,) in query(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {
        name: [
            tuple(column for _, column, *_ in query(path, f'PRAGMA table_info("{name}")')),
            *query(path, f'SELECT _rowid_, * FROM "{name}"'),
        ]
        for name in tables
    }


async def write(path: Path, at: bytes | None, items: Sequence[Any], kinds: Sequence[Kind], complete: bool) -> bytes:
    sink = SQLiteSink()
    await sink.open(str(path), at)
    await sink.write_typed(items, kinds)
    position = await sink.flush()
    await sink.close(complete)
    return position


async def stopped(small: SmallRun, path: Path) -> None:
    """A process that writes what is committed, and whose run goes on in another."""
    outputs = small.outputs(str(path))
    await outputs.start(small.log.end)
    await outputs.finish(small.log.end)
    small.record(outputs)
    await outputs.close()


# -- tables and values


async def test_each_type_has_its_table_and_rows_keep_their_order(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    small.commit([Book("a", 1.5, ["x"]), Author("b"), {"z": 1, "a": "two"}, Book("c")])
    await small.whole(str(path))
    assert content(path) == {
        "Author": [("name",), (2, "b")],
        "Book": [("title", "price", "tags"), (1, "a", 1.5, '["x"]'), (4, "c", None, "[]")],
        "items": [("z", "a"), (3, 1, "two")],
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "x.sqlite"]
    assert query(path, "PRAGMA application_id") == query(path, "PRAGMA user_version") == [(0,)]


async def test_values_keep_what_they_are(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    item = {
        "none": None, "true": True, "int": -3, "most": (1 << 63) - 1, "more": 1 << 63, "float": 0.5, "nan": math.nan,
        "bytes": b"a\0b", "digits": "007", "empty": "", "nul": "a\0b", "when": datetime(2024, 1, 1, 12, tzinfo=UTC),
        "list": [1, "é"], "nested": {"a": None, "when": datetime(2024, 1, 1)},
    }  # fmt: skip
    small.commit([item])
    await small.whole(str(path))
    columns = ", ".join(f'typeof("{name}"), "{name}"' for name in item)
    (row,) = query(path, f"SELECT {columns} FROM items")
    assert dict(zip(item, zip(row[::2], row[1::2], strict=True), strict=True)) == {
        "none": ("null", None), "true": ("integer", 1), "int": ("integer", -3), "most": ("integer", (1 << 63) - 1),
        "more": ("text", "9223372036854775808"), "float": ("real", 0.5), "nan": ("null", None),
        "bytes": ("blob", b"a\0b"), "digits": ("text", "007"), "empty": ("text", ""), "nul": ("text", "a\0b"),
        "when": ("text", "2024-01-01T12:00:00Z"), "list": ("text", '[1,"é"]'),
        "nested": ("text", '{"a":null,"when":"2024-01-01T00:00:00"}'),
    }  # fmt: skip
    assert query(path, 'SELECT datetime("when", "+1 day") FROM items') == [("2024-01-02 12:00:00",)]


async def test_a_late_field_adds_a_column(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    small.commit([{"a": 1}, {"a": 2, "late": 3}, {"late": 4}, {}])
    await small.whole(str(path))
    assert content(path) == {"items": [("a", "late"), (1, 1, None), (2, 2, 3), (3, None, 4), (4, None, None)]}


async def test_types_of_one_name_share_a_table(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    small.commit([Book("a"), dataclasses.make_dataclass("Book", ["title", "isbn"])("b", "123")])
    await small.whole(str(path))
    columns, *rows = content(path)["Book"]
    assert columns == ("title", "price", "tags", "isbn")
    assert rows == [(1, "a", None, "[]", None), (2, "b", None, None, "123")]


async def test_declared_fields_are_columns_before_they_have_values(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    await write(path, None, [{"b": 1}], [("Thing", ("a", "b", "c"))], True)
    assert content(path) == {"Thing": [("a", "b", "c"), (1, None, 1, None)]}


async def test_names_that_sqlite_cannot_tell_apart_or_take(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    item = {
        "Title": 1, "title": 2, "TITLE": 3, "title_2": 4, "select": 5, 'a "b"': 6, "": 7, "rowid": 8, "_ROWID_": 9,
        "É": 10, "é": 11, "\0": 12, "x" * 500: 13, "x" * 501: 14,
    }  # fmt: skip
    types = [type(name, (dict,), {}) for name in ("Table", "table", "sqlite_master", "items")]
    small.commit([item, {"title": "again"}, *(kind(n=n) for n, kind in enumerate(types))])
    await small.whole(str(path))
    (columns, row, again, shared), tables = content(path)["items"], content(path)
    assert columns == (
        "Title", "title_2", "TITLE_3", "title_2_2", "select", 'a "b"', "unnamed", "rowid", "_ROWID__2",
        "É", "é", "\ufffd", "x" * 100, "x" * 100 + "_2", "n",
    )  # fmt: skip
    assert row == (1, *range(1, 15), None)
    assert again[2] == "again"
    assert (shared[0], shared[-1]) == (6, 3)
    assert [(name, tables[name][1:]) for name in ("Table", "table_2", "_sqlite_master")] == [
        ("Table", [(3, 0)]), ("table_2", [(4, 1)]), ("_sqlite_master", [(5, 2)]),
    ]  # fmt: skip


@given(st.lists(st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=5), max_size=8))
def test_whatever_the_fields_every_value_has_its_place(items: list[dict[str, int]]) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        Tables(connection).insert(items, [("dict", tuple(item)) for item in items])
        fields = list(dict.fromkeys(field for item in items for field in item)) or [""]
        rows = connection.execute("SELECT * FROM items ORDER BY rowid").fetchall() if items else []
        assert [dict(zip(fields, row, strict=True)) for row in rows] == [
            {field: item.get(field) for field in fields} for item in items
        ]


async def test_more_columns_than_sqlite_has_are_refused_and_the_other_outputs_are_whole(
    small: SmallRun, tmp_path: Path
) -> None:
    path = tmp_path / "x.sqlite"
    end = small.commit([{f"{n}": n for n in range(2000)}, {"2000": 1}])
    outputs = small.outputs(str(path), str(tmp_path / "x.jsonl"))
    await outputs.start(end)
    message = r"output .*x\.sqlite: table items would have more than 2000 columns.*'2000' is the first too many"
    with pytest.raises(OutputError, match=message):
        await outputs.finish(end)
    await outputs.close()
    assert (tmp_path / "x.jsonl.partial").read_bytes().count(b"\n") == 2
    assert not path.exists()


async def test_two_thousand_long_names_fit(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    item = {"\N{GRINNING FACE}" * 150 + f"{n}": n for n in range(2000)}
    await write(path, None, [item], [("dict", tuple(item))], True)
    assert query(path, "SELECT * FROM items") == [tuple(range(2000))]


async def test_no_items_make_a_valid_file_and_items_without_fields_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    await write(path, None, [], [], True)
    assert content(path) == {}
    at = await write(path, None, [{}, {}], [("dict", ())] * 2, False)
    assert content(path) == {"items": [("",), (1, None), (2, None)]}
    await write(path, at, [{"a": 1, "b": 2}], [("dict", ("a", "b"))], True)
    assert content(path) == {"items": [("a", "b"), (1, None, None), (2, None, None), (3, 1, 2)]}


# -- going back


@pytest.mark.parametrize("cut", range(7))
async def test_it_goes_on_from_a_position_whatever_came_after(tmp_path: Path, cut: int) -> None:
    whole, path = tmp_path / "whole.sqlite", tmp_path / "x.sqlite"
    await write(whole, None, ITEMS, KINDS, True)
    sink = SQLiteSink()
    await sink.open(str(path), None)
    await sink.write_typed(ITEMS[:cut], KINDS[:cut])
    at = await sink.flush()
    assert len(at) <= 1024
    for _ in range(2):  # flushed, but not recorded
        await sink.write_typed([{"n": -1}, {"n": -2}], [("Lost", ("n",)), OTHER if cut > 2 else ("dict", ("n",))])
        await sink.flush()
    await sink.write([{"n": -3}])
    await sink.close(False)
    assert sum(len(rows) - 1 for rows in content(path).values()) == cut + 5  # also an incomplete file can be read
    await write(path, at, ITEMS[cut:], KINDS[cut:], True)
    assert content(path) == content(whole)


async def test_an_earlier_copy_of_the_file_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    earlier = await write(path, None, ITEMS[:4], KINDS[:4], False)
    copy = path.read_bytes()
    at = await write(path, earlier, ITEMS[4:], KINDS[4:], False)
    path.write_bytes(copy)
    with pytest.raises(PositionLost):
        await SQLiteSink().open(str(path), at)
    await write(path, earlier, ITEMS[4:], KINDS[4:], True)  # it is whole up to its own position


async def test_the_finished_file_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    at = await write(path, None, ITEMS, KINDS, True)
    with pytest.raises(PositionLost):
        await SQLiteSink().open(str(path), at)


HARMS = {
    "row added": "INSERT INTO items VALUES (5)",
    "row taken": "DELETE FROM Thing WHERE n = 0",
    "last row taken": "DELETE FROM Other WHERE n = 5",
    "other version": "PRAGMA user_version = 99",
}


@pytest.mark.parametrize("harm", ["gone", "empty", "shorter", "none of SQLite's", "another run's", "position", *HARMS])
async def test_a_file_that_is_another_one_is_not_gone_on_with(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "x.sqlite"
    at = await write(path, None, ITEMS, KINDS, False)
    if harm == "gone":
        path.unlink()
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "shorter":
        path.write_bytes(path.read_bytes()[:4096])
    elif harm == "none of SQLite's":
        path.write_bytes(b"x" * path.stat().st_size)
    elif harm == "another run's":
        await write(path, None, ITEMS, KINDS, False)
    elif harm == "position":
        at = b"\x00"
    else:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(HARMS[harm])
    with pytest.raises(PositionLost):
        await SQLiteSink().open(str(path), at)


@pytest.mark.parametrize("late", ["late", "N"])
@pytest.mark.parametrize("killed", ["before it was recorded", "after"])
async def test_a_column_that_came_after_the_position_or_has_another_name_makes_it_anew(
    small: SmallRun, tmp_path: Path, late: str, killed: str
) -> None:
    path = tmp_path / "x.sqlite"
    small.commit([{"n": 1}, {"n": 2}])
    await stopped(small, path)
    recorded = dict(small.recorded)
    small.commit([{late: 3}])
    await stopped(small, path)
    small.commit([{late: 4, "n": 5}])
    if killed != "after":
        small.recorded = recorded
    await small.whole(str(path))
    columns, *rows = content(path)["items"]
    assert columns == ("n", "late" if late == "late" else "N_2")
    assert rows == [(1, 1, None), (2, 2, None), (3, None, 3), (4, 5, 4)]


KILLED = """
import asyncio, os, signal, sys
from crawler.outputs import sqlite
sqlite._CACHE_KIB = 0  # every page goes to the file before its transaction ends
async def main():
    sink = sqlite.SQLiteSink()
    await sink.open(sys.argv[1], None)
    await sink.write([{"n": n, "text": "x" * 500} for n in range(1000)])
    sys.stdout.buffer.write(await sink.flush())
    sys.stdout.flush()
    await sink.write([{"n": n, "text": "y" * 500} for n in range(1000, 3000)])
    sink._file.connection.execute("UPDATE items SET text = 'torn'")
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def test_a_transaction_that_was_torn_is_taken_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite.partial"
    run = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True, check=False, timeout=30)  # noqa: ASYNC221
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert (tmp_path / "x.sqlite.partial-journal").stat().st_size > 4096  # half of it had reached the file
    assert b"torn" in path.read_bytes()
    await write(path, run.stdout, [{"n": 1000, "text": "z"}], [("dict", ("n", "text"))], True)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    rows = query(path, "SELECT n, text FROM items ORDER BY rowid")
    assert rows == [*((n, "x" * 500) for n in range(1000)), (1000, "z")]


async def test_what_an_earlier_file_left_does_not_go_into_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite.partial"
    run = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True, check=False, timeout=30)  # noqa: ASYNC221
    assert run.returncode == -signal.SIGKILL, run.stderr
    await write(path, None, ITEMS, KINDS, True)
    assert sorted(content(path)) == ["Other", "Thing", "items"]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


# -- others at the file


@pytest.mark.skipif(not hasattr(fcntl, "F_OFD_SETLK"), reason="needs open file description locks")
async def test_no_other_program_gets_in_while_it_is_written(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    outputs = small.outputs(str(path))
    await outputs.start(0)
    with (
        closing(sqlite3.connect(f"{path}.partial", 0.1)) as other,
        pytest.raises(sqlite3.OperationalError, match="database is locked"),
    ):
        other.execute("SELECT * FROM sqlite_master")
    await outputs.finish(small.commit([{"n": 1}]))
    await outputs.publish()
    await outputs.close()
    assert content(path) == {"items": [("n",), (1, 1)]}


@pytest.mark.parametrize("harm", ["removed", "replaced", "changed"])
async def test_a_file_changed_under_us_is_a_disk_error(small: SmallRun, tmp_path: Path, harm: str) -> None:
    path, partial = tmp_path / "x.sqlite", tmp_path / "x.sqlite.partial"
    outputs = small.outputs(str(path))
    await outputs.start(0)
    if harm == "changed":
        partial.write_text("mine" * 100)
    else:
        partial.unlink()
    if harm == "replaced":
        partial.touch()
    with pytest.raises(DiskError, match=rf"x\.sqlite\.partial was {harm}"):
        await outputs.finish(small.commit([{"n": 1}]))
    await outputs.close()
    await small.whole(str(path))
    assert content(path) == {"items": [("n",), (1, 1)]}


async def test_an_earlier_file_that_is_in_use_is_not_replaced(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE mine (a)")
        end = small.commit([{"n": 1}])
        outputs = small.outputs(str(path))
        await outputs.start(end)
        await outputs.finish(end)
        small.record(outputs)
        with pytest.raises(DiskError, match=r"x\.sqlite-wal says that another program has .*x\.sqlite open"):
            await outputs.publish()
        await outputs.close()
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    await small.whole(str(path))
    assert content(path) == {"items": [("n",), (1, 1)]}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "x.sqlite"]


FULL = """
import asyncio, resource, sys
from pathlib import Path
from crawler.errors import DiskError
from crawler.outputs import Outputs
from crawler.settings import Settings
async def main():
    outputs = Outputs(Path(sys.argv[1]), [sys.argv[3]], Settings(), None, {})
    await outputs.start(0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    try:
        await outputs.finish(int(sys.argv[2]))
    except DiskError as error:
        print(error)
    await outputs.close()
asyncio.run(main())
"""


async def test_a_full_disk_is_said_and_the_next_run_goes_on(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    end = small.commit([{"n": n, "x": "x" * 1000} for n in range(1000)])
    command = [sys.executable, "-c", FULL, str(small.log.path), str(end), str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)  # noqa: ASYNC221
    assert run.stdout.startswith(f"cannot write {path}.partial: disk I/O error; make room or rights, then"), run
    assert not path.exists()
    await small.whole(str(path))
    assert query(path, "SELECT count(*), sum(n) FROM items") == [(1000, 499_500)]


# -- names and doors


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.db", r"ends in '\.db'; an SQLite file ends in '\.sqlite': write a\.sqlite$"),
        ("dir.db/a.SQLITE3", r"write dir\.db/a\.sqlite$"),
        ("a.db3.gz", r"write a\.sqlite$"),
        ("a.sqlite.gz", "an SQLite file is not written compressed; leave out .gz"),
        ("a.foo", r"use one of \.jsonl \.json \.csv \.sqlite, or one of \.jsonl \.json \.csv with \.gz"),
    ],
)
def test_endings(small: SmallRun, name: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        small.outputs(name)


def test_it_is_not_appended_to(small: SmallRun) -> None:
    with pytest.raises(SettingsError, match=r"an SQLite file cannot be appended to; write \.jsonl, or leave out"):
        small.outputs("x.sqlite", append=True)


async def test_export_while_the_run_goes_on(small: SmallRun, tmp_path: Path) -> None:
    committed = small.commit([Book("a")])
    small.commit([Book("b")])
    path = tmp_path / "a b?#%.sqlite"
    path.write_text("whatever there was")
    path.chmod(0o640)
    assert await export(small.path, committed, [str(path)], Settings()) == {str(path): "complete"}
    assert content(path) == {"Book": [("title", "price", "tags"), (1, "a", None, "[]")]}
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, "run"]
