from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from terminal_fakes import COUNTERS, EXAMPLES, ended_stats

from crawler.counts import Example
from crawler.settings import Settings
from crawler.terminal.styles import styled_summary
from crawler.terminal.summary import as_plain, summarise

CLEAN = {"pages": 1000, "items": 980, "bytes": 8_000_000, "status/200": 1000, "robots": 1}


def plain(reason: str = "complete", code: int = 0, settings: Settings | None = None, **changes: Any) -> list[str]:
    return as_plain(summarise(ended_stats(reason, code, **changes), settings or Settings()))


def row(lines: list[str], label: str) -> list[str]:
    """The texts of the rows of a label."""
    found: list[str] = []
    current = ""
    for line in lines[1:]:
        current = line[2:11].strip() or current
        if current == label:
            found.append(line[12:])
    return found


def test_a_clean_run_is_short_and_has_its_numbers(tmp_path: Path) -> None:
    path = str(tmp_path / "books.csv")
    lines = plain(counters=CLEAN, examples={}, outputs={path: "complete", "/r/items.jsonl": "complete"}, path="/r")
    assert lines == [
        "books: complete (exit code 0: all is well)",
        "  pages     1,000 in 10 s (118/s), 7.6 MiB",
        "  items     980",
        "  status    200: 1,000",
        "  also      1 robots.txt",
        f"  output    {path}",
        "  run       /r",
    ]


def test_each_kind_of_failure_has_its_count_and_an_example() -> None:
    assert row(plain(), "failed") == [
        "13 BadStatus: status 404 Not Found, e.g. http://shop.example/products/999",
        "2 TimedOut: no answer within 60 s (sock_read), e.g. http://shop.example/slow",
    ]


def test_callbacks_that_failed_are_the_spiders() -> None:
    lines = plain(
        "complete; 3 pages failed in the spider's code", 3,
        counters={**CLEAN, "callback/ValueError": 3, "callbacks_failed": 3, "items_lost_to_errors": 2},
        examples={"callback/ValueError": Example("http://h/a", "ValueError: no price (spiders/b.py:3)")},
    )  # fmt: skip
    assert lines[0].endswith("(exit code 3: too many failures)")
    assert row(lines, "spider") == [
        "3 ValueError: no price (spiders/b.py:3), e.g. http://h/a", "2 items of these pages left out",
    ]  # fmt: skip


def test_many_kinds_are_summed_up() -> None:
    counters = {**CLEAN, **{f"error/Kind{n}": 10 - n for n in range(9)}}
    failed = row(plain(counters=counters, examples={}), "failed")
    assert failed[:2] == ["10 Kind0", "9 Kind1"]
    assert failed[6:] == ["9 of 3 more kinds (stats.json)"]


def test_what_was_left_out_has_its_reasons() -> None:
    lines = plain(counters={**CLEAN, "skipped/robots": 3, "skipped/domain": 40, "dropped/no price": 2, "user/big": 7})
    assert row(lines, "skipped") == ["40 domain, 3 robots (skipped.jsonl)"]
    assert row(lines, "dropped") == ["2 no price"]
    assert row(lines, "counted") == ["7 big"]


def test_a_callback_that_blocked_is_named_once_with_its_longest() -> None:
    early = "parse held the event loop for 0.30 s: nothing else ran meanwhile"
    lines = plain(callbacks_blocked={"parse": 1.2}, warnings=[early, "mind the gap"])
    assert row(lines, "warnings") == [
        "parse held the event loop for up to 1.2 s: mark it @blocking, or await what it waits for", "mind the gap",
    ]  # fmt: skip
    assert row(plain(warnings=["a"]), "warning") == ["a"]
    assert row(plain(warnings=list("abcdefg")), "warnings") == [*"abcde", "2 more in crawl.log"]


def test_an_output_says_what_became_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("the earlier one")
    outputs = {
        str(old): f"partial: {old}.partial",
        str(new): f"partial: {new}.partial",
        "-": "writing",
        str(tmp_path / "bad.csv"): "failed: bad.csv: no space left",
        "MySink": "complete",
    }
    assert row(plain("interrupted by SIGINT", 130, outputs=outputs), "output") == [
        "old.csv.partial so far; the earlier old.csv stays as it was",
        "new.csv.partial so far; it becomes new.csv when the run completes",
        "standard output",
        "bad.csv: bad.csv: no space left",
        "MySink",
    ]


def test_without_an_output_the_items_of_the_run_are_named() -> None:
    assert row(plain(path="/r", outputs={"/r/items.jsonl": "complete"}), "output") == ["/r/items.jsonl"]
    assert row(plain(path="/r", counters={"pages": 1}), "output") == []


AGAIN, FRESH = "run the same command again to go on", "; with --fresh it begins anew"


@pytest.mark.parametrize(
    ("reason", "code", "pending", "says"),
    [
        ("complete", 0, 0, []),
        ("complete; 3 of 9 requests failed", 3, 0, []),
        (
            "interrupted by SIGINT",
            130,
            412,
            [f"{AGAIN} with 412 pages queued{FRESH}"],
        ),
        ("interrupted by SIGTERM", 143, 0, [f"{AGAIN}{FRESH}"]),
        (
            "stopped: enough",
            4,
            1,
            [f"{AGAIN} with 1 page queued{FRESH}"],
        ),
        ("failed: disk full", 1, 3, ["mend the cause and run the same command again: it goes on where it was"]),
        ("limit reached: max_pages = 100", 0, 3, ["3 pages left in the queue: a higher max_pages goes on"]),
        ("limit reached: max_pages = 100", 0, 0, []),
    ],
)
def test_it_says_how_to_go_on(reason: str, code: int, pending: int, says: list[str]) -> None:
    assert row(plain(reason, code, pending=pending), "next") == says
    assert row(plain(reason, code, pending=pending, settings=Settings(frontier="memory")), "next") == []


def test_plain_text_is_ascii_and_nothing_of_the_web_acts() -> None:
    evil = "http://me:pw@h/\x1b[2J\n\u202e"
    lines = plain(
        f"stopped: {evil}", 4,
        counters={**COUNTERS, "dropped/\x1b[1m": 1, "skipped/\n": 1, "status/2\x1b0": 1, "error/\x07": 1},
        examples={**EXAMPLES, "error/\x07": Example(evil, evil)}, warnings=[evil], callbacks_blocked={"\x1b": 2.0},
        outputs={"\x1b.csv": "failed: \x1b[2J"}, path="/r/\x1b", spider="\x1b",
    )  # fmt: skip
    assert all(line.isascii() and line.isprintable() and "pw" not in line for line in lines)


@pytest.mark.parametrize("unicode", [True, False])
def test_in_colour_it_says_the_same(unicode: bool) -> None:
    summary = summarise(ended_stats(), Settings())
    first, *rest = styled_summary(summary, unicode=unicode).plain.split("\n")
    assert rest == as_plain(summary)[1:]
    assert first.split(" ", 1)[1] == "books: complete  exit code 0: all is well"
    assert first.isascii() is not unicode
