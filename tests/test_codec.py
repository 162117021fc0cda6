"""Items as MessagePack and JSON: every kind of item, every kind of value, nothing lost."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections import OrderedDict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsel import Selector
from yarl import URL

from crawler.codec import decode_item, encode_item, is_item, to_json_line


@dataclasses.dataclass
class Plain:
    title: str
    price: float = 1.5


@dataclasses.dataclass(slots=True)
class SlotsParent:
    first: int = 1


@dataclasses.dataclass(slots=True)
class SlotsChild(SlotsParent):
    second: int = 2
    third: int = dataclasses.field(default=3, init=False)


@dataclasses.dataclass
class Unset:
    a: int = 1
    b: int = dataclasses.field(default=2, init=False)


class Struct(msgspec.Struct):
    title: str
    price: float = 1.5


class Tagged(msgspec.Struct, tag="book", rename="camel"):
    long_title: str = "t"


class ArrayLike(msgspec.Struct, array_like=True):
    title: str = "t"
    price: int = 2


class Model(pydantic.BaseModel):
    title: str
    link: pydantic.HttpUrl = pydantic.HttpUrl("http://x.example/")

    @pydantic.computed_field
    def length(self) -> int:
        return len(self.title)


class OpenModel(pydantic.BaseModel, extra="allow"):
    title: str


@attrs.define
class Attrs:
    title: str
    price: float = 1.5


@attrs.define
class AttrsChild(Attrs):
    pages: int = 3


class Colour(enum.Enum):
    RED = "red"
    HALF = 0.5
    HUGE = 2**70


class Text(str):
    def __str__(self) -> str:
        return "not me"


ITEMS: list[tuple[Any, str, dict[str, Any]]] = [
    (Plain("a"), "Plain", {"title": "a", "price": 1.5}),
    (SlotsChild(), "SlotsChild", {"first": 1, "second": 2, "third": 3}),
    (Unset(), "Unset", {"a": 1, "b": 2}),
    (Struct("a"), "Struct", {"title": "a", "price": 1.5}),
    (Tagged(), "Tagged", {"type": "book", "longTitle": "t"}),
    (ArrayLike(), "ArrayLike", {"title": "t", "price": 2}),
    (Model(title="abc"), "Model", {"title": "abc", "link": "http://x.example/", "length": 3}),
    (OpenModel(title="a", more=1), "OpenModel", {"title": "a", "more": 1}),
    (Attrs("a"), "Attrs", {"title": "a", "price": 1.5}),
    (AttrsChild("a"), "AttrsChild", {"title": "a", "price": 1.5, "pages": 3}),
    ({"z": 1, "a": 2}, "dict", {"z": 1, "a": 2}),
    (OrderedDict(b=1), "OrderedDict", {"b": 1}),
    ({}, "dict", {}),
    ({1: "a", Text("k"): "b"}, "dict", {"1": "a", "k": "b"}),
]


@pytest.mark.parametrize(("item", "name", "plain"), ITEMS, ids=[name for _, name, _ in ITEMS])
def test_every_kind_of_item_keeps_its_fields_in_order(item: Any, name: str, plain: dict[str, Any]) -> None:
    assert is_item(item)
    type_name, fields, raw = encode_item(item)
    assert type_name == name
    assert fields == tuple(plain)
    decoded = decode_item(raw)
    assert decoded == plain
    assert list(decoded) == list(plain)


@pytest.mark.parametrize("value", ["text", 1, None, 1.5, b"x", [1], (1,), {1}, Plain, Struct, object()])
def test_what_is_no_item(value: object) -> None:
    assert not is_item(value)
    with pytest.raises(TypeError, match="is no item"):
        encode_item(value)


VALUES: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (2**64 - 1, 2**64 - 1),
    (-(2**63), -(2**63)),
    (1e308, 1e308),
    ("x\x00\u2028\u202e", "x\x00\u2028\u202e"),
    ("a\ud800b", "a\ufffdb"),
    ("\ud83d\ude00", "\U0001f600"),
    (Text("mine"), "mine"),
    (b"ab", "YWI="),
    (bytearray(b"ab"), "YWI="),
    (datetime(2024, 2, 29, 12, 30), "2024-02-29T12:30:00"),
    (datetime(2024, 2, 29, 12, 30, tzinfo=UTC), "2024-02-29T12:30:00Z"),
    (datetime(2024, 2, 29, 12, 30, tzinfo=timezone(timedelta(hours=2))), "2024-02-29T10:30:00Z"),
    (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "0001-01-01T00:00:00+05:00"),
    (date(2024, 2, 29), "2024-02-29"),
    (time(1, 2, 3), "01:02:03"),
    (Decimal("1.10"), "1.10"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Colour.RED, "red"),
    (Colour.HALF, 0.5),
    ({3}, [3]),
    (frozenset([3]), [3]),
    ((1, "a"), [1, "a"]),
    (deque([1]), [1]),
    (range(2), [0, 1]),
    (MappingProxyType({"a": 1}), {"a": 1}),
    (URL("http://x.example/ä"), "http://x.example/%C3%A4"),
    (Path("/a/b"), "/a/b"),
    (Plain("n"), {"title": "n", "price": 1.5}),
    (Model(title="n"), {"title": "n", "link": "http://x.example/", "length": 1}),
    ([Attrs("n"), Colour.RED], [{"title": "n", "price": 1.5}, "red"]),
    ({None: 1, True: 2, 1.5: 3, (1, 2): 4}, {"null": 1, "true": 2, "1.5": 3, "(1, 2)": 4}),
    ({"\ud800": "\ud800"}, {"\ufffd": "\ufffd"}),
    (math.nan, None),
    (-math.inf, None),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=[repr(value)[:40] for value, _ in VALUES])
@pytest.mark.parametrize("spoilt", [False, True])
def test_every_kind_of_value_reaches_json(value: Any, expected: Any, spoilt: bool) -> None:
    # A spoilt item takes the slow way: it must give the same.
    item = {"value": value, "other": "\udfff" if spoilt else "fine"}
    line = to_json_line(decode_item(encode_item(item)[2]))
    assert json.loads(line) == {"value": expected, "other": "\ufffd" if spoilt else "fine"}


def test_nan_stays_in_messagepack() -> None:
    assert math.isnan(decode_item(encode_item({"x": math.nan})[2])["x"])


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def circle() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


IMPOSSIBLE = [
    (2**64, r"Plain\.title is an int of more than 64 bits"),
    ({"a": [1, -(2**63) - 1]}, r"Plain\.title\.a\[1\] is an int of more than 64 bits"),
    (Colour.HUGE, r"Plain\.title is an int of more than 64 bits"),
    (object(), r"Plain\.title is a object, which has no form"),
    ([1, 1j], r"Plain\.title\[1\] is a complex"),
    (Selector("<p>x</p>").css("p"), r"Plain\.title\[0\] is a Selector: take its text with \.get\(\)"),
    (circle(), "levels deep, or holds itself"),
    (deep(100_000), "levels deep, or holds itself"),
]


@pytest.mark.parametrize(("value", "message"), IMPOSSIBLE, ids=[message[:30] for _, message in IMPOSSIBLE])
def test_what_cannot_be_written_names_the_field(value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        encode_item(Plain(value))


def test_a_line_is_one_line_for_every_reader() -> None:
    text = "".join(map(chr, [*range(0x20), 0x7F, 0x85, 0x2028, 0x2029, 0xFEFF]))
    line = to_json_line({text: text})
    assert len(line.decode().splitlines()) == 1
    assert json.loads(line) == {text: text}


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), plain_values, max_size=6))
def test_plain_items_come_back_as_they_were(item: dict[str, Any]) -> None:
    _, fields, raw = encode_item(item)
    assert fields == tuple(item)
    assert decode_item(raw) == item
    assert json.loads(to_json_line(decode_item(raw))) == item


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters(codec=None)), max_size=6))
def test_no_text_loses_an_item(item: dict[str, str]) -> None:
    decoded = json.loads(to_json_line(decode_item(encode_item(item)[2])))
    assert len(decoded) <= len(item)
    for key, text in item.items():
        try:
            (key + text).encode()
        except UnicodeEncodeError:
            continue
        assert decoded[key] == text


def test_typed_reading_gives_the_item_back() -> None:
    class Event(msgspec.Struct):
        when: datetime
        price: Decimal
        tags: set[str]

    event = Event(datetime(2024, 1, 1, tzinfo=UTC), Decimal("1.10"), {"a"})
    assert msgspec.msgpack.decode(encode_item(event)[2], type=Event) == event


def test_bytes_that_are_no_item_are_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_item(msgspec.msgpack.encode([1]))
