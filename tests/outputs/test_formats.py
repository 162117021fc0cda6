"""What each format writes, plain and gzip, new and gone on with from any position."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import SmallRun

from crawler.errors import SettingsError
from crawler.outputs import FileSink, OutputError
from crawler.outputs.csv import CSV, parse_header
from crawler.outputs.failure import PositionLost
from crawler.outputs.sinks import file_sink


@dataclasses.dataclass
class Book:
    title: str
    price: float | None = None
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Author:
    name: str


ITEMS = [{"n": n, "text": f'number {n}, \u2028 é "quoted"\r\nnext'} for n in range(7)]


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def parsed(path: Path) -> list[dict[str, Any]]:
    text = content(path).decode()
    if ".jsonl" in path.name:
        return [json.loads(line) for line in text.splitlines()]
    if ".json" in path.name:
        read: list[dict[str, Any]] = json.loads(text)
        return read
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{**row, "n": int(row["n"])} for row in rows]


NAMES = ["a.jsonl", "a.json", "a.csv", "a.jsonl.gz", "a.json.gz", "a.csv.gz"]


async def write(sink: Any, path: Path, position: bytes | None, items: Sequence[Any], complete: bool) -> bytes:
    await sink.open(str(path), position)
    await sink.write(items)
    at: bytes = await sink.flush()
    await sink.close(complete)
    return at


def new(path: Path, columns: Sequence[str] = ()) -> FileSink:
    return file_sink(Path(path.name.lower()), columns, None, None)


@pytest.mark.parametrize("name", NAMES)
async def test_items_come_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    await write(new(path), path, None, ITEMS, True)
    assert parsed(path) == ITEMS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cut", range(8))
async def test_it_goes_on_from_a_position_whatever_came_after(tmp_path: Path, name: str, cut: int) -> None:
    whole, path = tmp_path / f"whole-{name}", tmp_path / name
    await write(new(path), whole, None, ITEMS, True)
    sink = new(path)
    await sink.open(str(path), None)
    await sink.write(ITEMS[:cut])
    at = await sink.flush()
    assert len(at) <= 1024
    await sink.write([{"n": -1, "text": "lost in the crash"}])
    await sink.close(False)
    assert parsed(path)[cut:] == [{"n": -1, "text": "lost in the crash"}]  # well-formed although incomplete
    await write(new(path), path, at, ITEMS[cut:], True)
    assert content(path) == content(whole)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("harm", ["gone", "shorter", "other", "position"])
async def test_a_file_that_is_another_one_is_not_gone_on_with(tmp_path: Path, name: str, harm: str) -> None:
    path = tmp_path / name
    at = await write(new(path), path, None, ITEMS, False)
    if harm == "gone":
        path.unlink()
    elif harm == "shorter":
        path.write_bytes(path.read_bytes()[:10])
    elif harm == "other":
        path.write_bytes(b"x" * path.stat().st_size)
    else:
        at = b"\x00"
    with pytest.raises(PositionLost):
        await new(path).open(str(path), at)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.jsonl", b""), ("a.json", b"[]\n"), ("a.csv", b""), ("a.jsonl.gz", b""), ("a.csv.gz", b"")],
)
async def test_no_items_make_a_valid_file(tmp_path: Path, name: str, expected: bytes) -> None:
    path = tmp_path / name
    await write(new(path), path, None, [], True)
    assert content(path) == expected
    if name.endswith(".gz"):
        assert path.stat().st_size > 0  # gzip -t refuses a file of no bytes


async def test_json_is_one_indented_array(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    await write(new(path), path, None, [{"a": "x\ny", "b": [1]}, {}], True)
    assert path.read_text() == ('[\n  {\n    "a": "x\\ny",\n    "b": [\n      1\n    ]\n  },\n  {}\n]\n')


async def test_each_flush_ends_a_gzip_member(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    sink = new(path)
    await sink.open(str(path), None)
    for item in ITEMS:
        await sink.write([item])
        await sink.flush()
        assert gzip.decompress(path.read_bytes()).endswith(b"\n")
    await sink.flush()
    await sink.close(True)
    assert path.read_bytes().count(b"\x1f\x8b\x08") == len(ITEMS)


# -- CSV


async def rows(tmp_path: Path, items: Sequence[Any], columns: Sequence[str] = ()) -> bytes:
    path = tmp_path / "x.csv"
    await write(new(path, columns), path, None, items, True)
    return path.read_bytes()


async def test_csv_values(tmp_path: Path) -> None:
    item = {
        "none": None, "true": True, "int": 3, "float": 0.1, "nan": math.nan, "bytes": b"ab", "empty": "",
        "when": datetime(2024, 1, 1, tzinfo=UTC), "list": [1, "a"], "nested": {"a": None}, "text": 'a "b",\nc',
    }  # fmt: skip
    got = await rows(tmp_path, [item])
    assert got == (
        b"none,true,int,float,nan,bytes,empty,when,list,nested,text\r\n"
        b',true,3,0.1,,YWI=,,2024-01-01T00:00:00Z,"[1,""a""]","{""a"":null}","a ""b"",\nc"\r\n'
    )


async def test_csv_columns_are_those_asked_for(tmp_path: Path) -> None:
    got = await rows(tmp_path, [{"a": 1, "b": 2}, {"b": 3, "late": 4}], ["b", "missing"])
    assert got == b"b,missing\r\n2,\r\n3,\r\n"
    assert await rows(tmp_path, [], ["b", "c"]) == b"b,c\r\n"


async def test_csv_a_late_field_is_an_error_that_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"the field 'late' came after.*csv_fields = \[\"a\", \"late\"\].*\.jsonl"):
        await rows(tmp_path, [{"a": 1}, {"a": 2, "late": 3}])


async def test_csv_a_field_that_is_missing_is_empty(tmp_path: Path) -> None:
    assert await rows(tmp_path, [{}, {"a": 1, "b": 2}, {"b": 3}, {}]) == b"a,b\r\n,\r\n1,2\r\n,3\r\n,\r\n"


@given(st.lists(st.lists(st.text(), min_size=3, max_size=3), max_size=5))
def test_csv_any_text_comes_back(values: list[list[str]]) -> None:
    form = CSV(["a", "b\r", 'c"'])
    text = (form.head([]) or b"") + form.encode([dict(zip(["a", "b\r", 'c"'], row, strict=True)) for row in values])
    header, *read = csv.reader(io.StringIO(text.decode(), newline=""), strict=True)
    assert read == values
    assert parse_header(text) == tuple(header) == ("a", "b\r", 'c"')


async def test_csv_header_is_the_declared_fields_of_the_first_type(small: SmallRun, tmp_path: Path) -> None:
    small.commit([Book("a"), Book("b", 1.5, ["x"])])
    await small.whole(str(tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").read_bytes() == b'title,price,tags\r\na,,[]\r\nb,1.5,"[""x""]"\r\n'


async def test_csv_two_types_are_an_error_unless_columns_are_named(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    small.commit([Book("a"), Author("b")])
    with pytest.raises(OutputError, match=r"x\.csv: items of two types, Book and Author.*csv_fields"):
        await small.whole(str(path))
    await small.whole(str(path), csv_fields=["title", "name"])
    assert path.read_bytes() == b"title,name\r\na,\r\n,b\r\n"


async def test_csv_the_type_is_remembered_across_processes(small: SmallRun, tmp_path: Path) -> None:
    path = str(tmp_path / "x.csv")
    small.commit([Book("a")])
    first = small.outputs(path)
    await first.start(small.log.end)
    await first.finish(small.log.end)
    small.record(first)
    await first.close()
    small.commit([Author("b")])
    with pytest.raises(OutputError, match="two types, Book and Author"):
        await small.whole(path)


async def test_csv_other_columns_on_resume_make_it_anew(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    small.commit([Book("a", 2.5)])
    first = small.outputs(str(path))
    await first.start(small.log.end)
    await first.finish(small.log.end)
    small.record(first)
    await first.close()
    await small.whole(str(path), csv_fields=["price"])
    assert path.read_bytes() == b"price\r\n2.5\r\n"


# -- names


@pytest.mark.parametrize("name", ["x.foo", "x.xlsx", "results", "x.gz", "x.foo.gz", ".jsonl", "", "dir/"])
async def test_an_unknown_ending_names_the_known_ones(small: SmallRun, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"\.jsonl \.json \.csv"):
        small.outputs(name)


def test_a_json_array_is_not_appended_to(small: SmallRun) -> None:
    with pytest.raises(SettingsError, match="cannot be appended to"):
        small.outputs("x.json", append=True)
