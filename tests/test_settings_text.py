"""What a text means for a type."""

from __future__ import annotations

import enum
from typing import Any, Literal

import pytest

from crawler.from_text import from_text


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


@pytest.mark.parametrize(
    ("text", "type_", "unit", "value"),
    [
        ("true", bool, "", True),
        ("Off", bool, "", False),
        ("12", int, "", 12),
        ("1_000", int, "", 1000),
        ("-3", int, "", -3),
        ("1.5", float, "", 1.5),
        ("2", float, "", 2.0),
        ("1e3", float, "", 1000.0),
        ("32MiB", int, "bytes", 32 * 2**20),
        ("1.5 KiB", int, "bytes", 1536),
        ("2GB", int, "bytes", 2_000_000_000),
        ("9007199254740993", int, "bytes", 2**53 + 1),
        ("90", float, "seconds", 90.0),
        ("250ms", float, "seconds", 0.25),
        ("1.5h", float, "seconds", 5400.0),
        ("none", int | None, "", None),
        ("7", int | None, "", 7),
        ("7", int | str, "", 7),
        ("seven", int | str, "", "seven"),
        ("none", str | None, "", None),
        ("a, b", list[str], "", ["a", "b"]),
        ("", list[str], "", []),
        ('["a,b", "c"]', list[str], "", ["a,b", "c"]),
        ("1,2", list[int], "", [1, 2]),
        ("a=1,b=2", dict[str, int], "", {"a": 1, "b": 2}),
        ('{"Accept": "text/html, */*"}', dict[str, str], "", {"Accept": "text/html, */*"}),
        ("2", Literal[1, 2], "", 2),
        ("red", Colour, "", Colour.RED),
        ("BLUE", Colour, "", Colour.BLUE),
        ("[x]", str, "", "[x]"),
        ("{x}", str, "", "{x}"),
    ],
)
def test_reads(text: str, type_: Any, unit: str, value: object) -> None:
    got = from_text(text, type_, unit)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("text", "type_", "unit"),
    [
        ("maybe", bool, ""),
        ("", bool, ""),
        ("1.5", int, ""),
        ("12MiB", int, ""),  # no unit, no ending
        ("1.5", int, "bytes"),
        ("5m", int, "bytes"),
        ("5MiB", float, "seconds"),
        ("x", float, ""),
        ("x", int | None, ""),
        ("[1", list[int], ""),
        ("a", dict[str, str], ""),
    ],
)
def test_refuses(text: str, type_: Any, unit: str) -> None:
    with pytest.raises(ValueError):
        from_text(text, type_, unit)
