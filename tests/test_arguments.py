"""Spider arguments: which attributes they are, what they accept, what the messages say."""

from __future__ import annotations

import enum
from datetime import date
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from yarl import URL

from crawler.arguments import arguments, convert
from crawler.errors import SpiderError
from crawler.spider import Spider


class Mode(enum.Enum):
    FULL = "full"
    QUICK = "quick"


class Shop(Spider):
    name: ClassVar[str] = "shop"
    url: str
    pages: int = 10
    rate: float = 1.0
    deep: bool = False
    since: date | None = None
    tags: list[str] = []
    mode: Mode = Mode.FULL
    level: Literal[1, 2] = 1
    file: Path = Path("x")
    site: URL = URL("http://a.example")
    limits: ClassVar[int] = 3
    kept: ClassVar[dict[str, int]] = {}
    _own: int = 1
    plain = 2


class More(Shop):
    extra: int = 0
    tags: ClassVar[list[str]] = ["fixed"]


def test_annotated_public_attributes_of_subclasses_are_arguments() -> None:
    names = ["url", "pages", "rate", "deep", "since", "tags", "mode", "level", "file", "site"]
    assert list(arguments(Shop)) == names
    assert list(arguments(More)) == [name for name in names if name != "tags"] + ["extra"]
    assert [name for name, argument in arguments(Shop).items() if argument.required] == ["url"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("url", "http://b.example/?a=1,2", "http://b.example/?a=1,2"),
        ("url", "", ""),
        ("pages", "20", 20),
        ("rate", "2", 2.0),
        ("deep", "yes", True),
        ("since", "2026-01-31", date(2026, 1, 31)),
        ("since", "none", None),
        ("tags", "a,b", ["a", "b"]),
        ("mode", "quick", Mode.QUICK),
        ("level", "2", 2),
        ("file", "a/b.txt", Path("a/b.txt")),
        ("site", "http://b.example/", URL("http://b.example/")),
    ],
)
def test_text_and_values_are_converted_alike(name: str, text: str, value: object) -> None:
    given = {"url": "u", name: text}
    assert convert(Shop, given)[name] == value
    assert type(convert(Shop, given)[name]) is type(value)
    assert convert(Shop, {"url": "u", name: value})[name] == value


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Shop needs the argument url: -a url=…"),
        ({"url": "u", "page": "1"}, "Shop has no argument 'page': did you mean pages?"),
        ({"url": "u", "zzz": "1"}, "Shop has no argument 'zzz': it has url, pages,"),
        ({"url": "u", "limits": "1"}, "Shop has no argument 'limits'"),
        ({"url": "u", "pages": "ten"}, "Shop: -a pages=ten: a whole number is needed"),
        ({"url": "u", "pages": 1.5}, "Shop: pages=1.5: a whole number is needed"),
        ({"url": 3}, "Shop: url=3: text is needed"),
        ({"url": "u", "deep": "maybe"}, "Shop: -a deep=maybe: true or false is needed"),
        ({"url": "u", "since": "soon"}, "Shop: -a since=soon: a date or none is needed"),
        ({"url": "u", "mode": "slow"}, "Shop: -a mode=slow: one of full, quick is needed"),
        ({"url": "u", "level": "3"}, "Shop: -a level=3: one of 1, 2 is needed"),
        ({"url": "u", "tags": [1]}, "Shop: tags=[1]: a list of text is needed"),
        ({"url": "u", "file": 3}, "Shop: file=3: a Path is needed"),
    ],
)
def test_what_does_not_fit_is_one_clear_message(given: dict[str, object], message: str) -> None:
    with pytest.raises(SpiderError) as caught:
        convert(Shop, given)
    assert str(caught.value).startswith(message)
    assert caught.value.exit_code == 2


def test_the_spider_gets_them() -> None:
    shop = Shop(url="u", pages="3")
    assert (shop.url, shop.pages, shop.rate) == ("u", 3, 1.0)


def test_a_spider_without_arguments_says_how_to_have_one() -> None:
    class Bare(Spider):
        name = "bare"

    with pytest.raises(SpiderError, match=r"Bare has no argument 'url': it has none; to have one, annotate it"):
        Bare(url="x")


def test_an_annotation_that_cannot_be_read_at_run_time_is_named() -> None:
    class Typed(Spider):
        name = "typed"
        when: Missing | None = None  # type: ignore[name-defined]  # noqa: F821

    assert convert(Typed, {}) == {}  # not given, so not needed
    with pytest.raises(SpiderError, match=r"Typed\.when: its annotation 'Missing \| None' cannot be read"):
        convert(Typed, {"when": "x"})
