from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.terminal import clean
from crawler.terminal.text import clean_url, masked, short_path


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("plain text", "plain text"),
        ("", ""),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("tab\there", "tab\\there"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("C1 \x9b31m", "C1 \\x9b31m"),
        ("del\x7f nul\0", "del\\x7f nul\\0"),
        ("bidi \u202egnp.exe", "bidi \\u202egnp.exe"),
        ("isolate \u2066x\u2069", "isolate \\u2066x\\u2069"),
        ("separators \u2028\u2029\x85", "separators \\u2028\\u2029\\x85"),
        ("lone \ud800 surrogate", "lone \\ud800 surrogate"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("zero\u200bwidth \ufeff", "zero\\u200bwidth \\ufeff"),
        ("Grüße, 東京, \u00a0price", "Grüße, 東京, \u00a0price"),
        ("می\u200cکنم 👩\u200d🚀", "می\u200cکنم 👩\u200d🚀"),
    ],
)
def test_what_is_hidden_becomes_visible(given_text: str, shown: str) -> None:
    assert clean(given_text) == shown


def test_every_character_that_acts_is_escaped() -> None:
    kept_on_purpose = {"\u200c", "\u200d"}
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        acts = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        if acts and character not in kept_on_purpose:
            assert clean(character).isascii() and clean(character).isprintable(), hex(number)


@given(st.text(st.characters(), max_size=60), st.integers(0, 40))
def test_the_length_is_bounded_and_the_beginning_kept(text: str, limit: int) -> None:
    shown, whole = clean(text, limit), clean(text, 10_000)
    assert len(shown) <= limit
    if len(whole) <= limit:
        assert shown == whole
    else:
        assert shown.endswith("..."[:limit])
        assert whole.startswith(shown[: -min(limit, 3)] if limit else "")


def test_a_cut_text_says_so() -> None:
    assert clean("x" * 301) == "x" * 297 + "..."
    assert clean("x" * 300) == "x" * 300


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:secret@h.example/a", "http://***@h.example/a"),
        ("http://user:p@ss@h.example/", "http://***@h.example/"),
        ("http://h.example/@user", "http://h.example/@user"),
        ("http://h.example/?mail=a@b.example", "http://h.example/?mail=a@b.example"),
        ("proxy http://u:p@one/ and http://u:p@two/", "proxy http://***@one/ and http://***@two/"),
        ("a@b.example", "a@b.example"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown: str) -> None:
    assert masked(url) == clean_url(url) == shown


def test_a_path_is_written_as_one_would_type_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert short_path(str(tmp_path / "work" / "runs" / "a")) == "runs/a"
    assert short_path(str(tmp_path / "else" / "a\nb")) == "~/else/a\\nb"
    assert short_path("/elsewhere/x") == "/elsewhere/x"
