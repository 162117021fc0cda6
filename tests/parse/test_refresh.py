"""Meta refresh: the "shared declarative refresh steps" of the HTML Standard."""

from __future__ import annotations

import itertools

import pytest

from crawler.parse.refresh import may_refresh, meta_refresh, parse_refresh

BASE = "https://h.example/a/b.html?q"
DIR = "https://h.example/a/"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("0;url=c", (0.0, DIR + "c")),
        ("5; URL = c", (5.0, DIR + "c")),
        ("5,c", (5.0, DIR + "c")),
        ("5 c", (5.0, DIR + "c")),
        ("  \n5.9;url=c", (5.0, DIR + "c")),
        (".5;url=c", (0.0, DIR + "c")),
        ("5", (5.0, BASE)),
        ("5;", (5.0, BASE)),
        ("5 ; ", (5.0, BASE)),
        ("0;url='c' d", (0.0, DIR + "c")),
        ('0;url="c', (0.0, DIR + "c")),
        ("0;'url=c'", (0.0, DIR + "url=c")),
        ("0;url", (0.0, DIR + "url")),
        ("0;ur=c", (0.0, DIR + "ur=c")),
        ("0;url=", (0.0, BASE)),
        ("0;url= c d ", (0.0, DIR + "c%20d")),
        ("0;url=//other.example", (0.0, "https://other.example/")),
        ("5..5;url=c", (5.0, DIR + "c")),
        ("", None),
        ("url=c", None),
        ("-1;url=c", None),
        ("5x;url=c", None),
        ("0;url=https://[", None),
        ("0;url=javascript:alert(1)", None),
        ("9" * 5000 + ";url=c", (999999999999.0, DIR + "c")),
    ],
)
def test_steps(content: str, expected: tuple[float, str] | None) -> None:
    assert parse_refresh(content, BASE) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (b'<meta http-equiv="refresh" content="0;url=c">', (0.0, DIR + "c")),
        (b"<META content='3; URL=c' HTTP-EQUIV=Refresh />", (3.0, DIR + "c")),
        (b"<meta http-equiv=refresh content='0;url=c?a=1&amp;b=2&copy=3'>", (0.0, DIR + "c?a=1&b=2&copy=3")),
        (b"<base href='/z/'><meta http-equiv=refresh content='0;url=c'>", (0.0, "https://h.example/z/c")),
        (b"<base href='https://['><meta http-equiv=refresh content='0;url=c'>", (0.0, DIR + "c")),
        ("<meta http-equiv=refresh content='0;url=ä'>", (0.0, DIR + "%C3%A4")),
        (b"<meta http-equiv=refresh content=x><meta http-equiv=refresh content='1;url=d'>", (1.0, DIR + "d")),
        (b"<!-- <meta http-equiv=refresh content='0;url=c'> -->", None),
        (b"<script>'<meta http-equiv=refresh content=\"0;url=c\">'</script>", None),
        (b"<noscript><meta http-equiv=refresh content='0;url=c'></noscript>", None),
        (b"<noscript>x</noscript><meta http-equiv=refresh content='0;url=c'>", (0.0, DIR + "c")),
        (b"<title>refresh</title>", None),
        (b"<meta name=refresh content='0;url=c'>", None),
        (b"<meta http-equiv=refresh>", None),
        (b"<meta http-equiv=refresh content='0;url=c", None),
        (b" " * 4096 + b"<meta http-equiv=refresh content='0;url=c'>", None),
        (b"", None),
    ],
)
def test_pages(page: bytes | str, expected: tuple[float, str] | None) -> None:
    assert meta_refresh(page, BASE) == expected


def test_what_is_told_without_reading_tags() -> None:
    for cases in itertools.product((str.lower, str.upper), repeat=5):
        word = "".join(case(letter) for case, letter in zip(cases, "equiv", strict=True))
        assert may_refresh(f"<meta http-{word}=refresh content=0>".encode()), word
    assert not may_refresh(b"<p>the quick Quarterly quill acquires liquid</p>")
    assert not may_refresh(4096 * b" " + b"<meta http-equiv=refresh content=0>")  # too late for a refresh
