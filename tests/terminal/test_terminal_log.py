"""Events to lines; lines to text and JSON."""

from __future__ import annotations

import json
import logging
from datetime import datetime

import pytest
from terminal_fakes import done, ended, ended_stats, failed, started

from crawler import events
from crawler.terminal.line import LEVELS, Line, as_json, as_text, level_name
from crawler.terminal.wording import sayings

HOSTILE = "http://h.example/\x1b[2J[bold]\n\u202eend"
TRACEBACK = 'Traceback (most recent call last):\n  File "spiders/b.py", line 3, in parse\nValueError: x\x1b[0m'

CASES: list[tuple[events.Event, str, str]] = [
    (started("/srv/runs/r1"), "info", "books: run r1 begins in /srv/runs/r1"),
    (
        started("/srv/runs/r1", resumed=True, note="3 pages are fetched again"), "info",
        "books: run r1 goes on in /srv/runs/r1; 3 pages are fetched again",
    ),
    (
        started("/srv/runs/r1", resumed=True, note="run r1 goes on"), "info",
        "books: run r1 goes on in /srv/runs/r1",
    ),
    (done(), "debug", "200 http://shop.example/b in 31 ms: 7.8 KiB, 1 item, 30 requests"),
    (
        events.PageDone("http://h/a", "h", 301, 0.5, 0, 0, 1, "redirected"), "debug",
        "301 http://h/a in 500 ms: redirected",
    ),
    (failed(), "warning", "http://shop.example/a: no answer within 60 s"),
    (failed(message=""), "warning", "http://shop.example/a: TimedOut"),
    (
        failed("http://h/a", message="no address for http://h/a"), "warning",
        "no address for http://h/a",
    ),
    (
        failed(source="http://shop.example/page"), "warning",
        "http://shop.example/a: no answer within 60 s (fetched for http://shop.example/page)",
    ),
    (failed(HOSTILE), "warning", "http://h.example/\\x1b[2J[bold]\\n\\u202eend: no answer within 60 s"),
    (failed("http://me:pw@h/a"), "warning", "http://***@h/a: no answer within 60 s"),
    (
        events.PageReturned("http://h/a", "h", "status 503", 1, 2.5), "debug",
        "http://h/a: status 503; again in 2.5 s (1 try so far)",
    ),
    (
        events.PageSkipped("http://off/a", "domain", "off is not in allowed_domains"), "debug",
        "skipped (domain) http://off/a: off is not in allowed_domains",
    ),
    (
        events.CallbackFailed("http://h/a", "parse", "ValueError: x", "spiders/b.py:3", TRACEBACK), "error",
        "http://h/a: parse failed: ValueError: x at spiders/b.py:3",
    ),
    (events.CallbackFailed("", "opened", "OSError: x", "b.py:9"), "error", "opened failed: OSError: x at b.py:9"),
    (events.ItemDropped("http://h/a", "no price"), "debug", "http://h/a: item dropped: no price"),
    (events.HostWaits("h", 30, "Retry-After"), "info", "h waits 30 s: Retry-After"),
    (
        events.HostSlowed("h", 1.25, "status 429", 4, 0.2), "info",
        "h waits 1.2 s: status 429; then at most 4 at once, 200 ms apart"
    ),
    (events.HostSlowed("i", 30, "status 503", 1, 0), "info", "i waits 30 s: status 503; then at most 1 at once"),
    (events.HostParked("h", 0, "robots.txt: 503"), "warning", "h is left for a later run: robots.txt: 503"),
    (events.Committed(3, 200, [], 0.012), "debug", "commit 3: 200 pages, 0 items in 12 ms"),
    (events.Warned("mind the gap", "http://h/a"), "warning", "http://h/a: mind the gap"),
    (events.Stopping("all pages are done"), "info", "stopping: all pages are done"),
    (events.Stopping(""), "info", "stopping"),
    (
        events.Stopping("interrupted by SIGINT"), "info",
        "stopping: interrupted by SIGINT; pages in flight are finished, a second signal ends at once",
    ),
    (ended(), "info", "ended: complete (exit code 0)"),
    (ended(ended_stats("complete; all failed", 3)), "warning", "ended: complete; all failed (exit code 3)"),
    (ended(ended_stats("failed: disk full", 1)), "error", "ended: failed: disk full (exit code 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "level", "message"), CASES)
def test_an_event_is_one_line(event: events.Event, level: str, message: str) -> None:
    line = sayings(logging.DEBUG)[type(event)](event)
    assert (level_name(line.level), line.message) == (level, message)
    assert line.message.isprintable()


def test_every_event_has_its_sentence_and_no_level_says_more_than_it_should() -> None:
    kinds = {type(event) for event, _, _ in CASES}
    assert {kind.__name__ for kind in kinds} == set(events.__all__) - {"Event"}
    for number in LEVELS.values():
        table = sayings(number)
        for event, _, _ in CASES:
            if type(event) in table and not isinstance(event, events.Started | events.Ended):
                assert table[type(event)](event).level >= number
    assert set(sayings(logging.DEBUG)) == kinds
    assert events.PageDone not in sayings(logging.INFO) and events.PageFailed not in sayings(logging.ERROR)


def test_many_waiting_hosts_become_quiet() -> None:
    say = sayings(logging.INFO)[events.HostWaits]
    levels = [say(events.HostWaits(f"h{number}", 30, "robots")).level for number in range(30)]
    assert levels == [logging.INFO] * 20 + [logging.DEBUG] * 10
    again = sayings(logging.INFO)[events.HostWaits]
    assert [again(events.HostWaits("h", 30, "robots")).level for _ in range(2)] == [logging.INFO, logging.DEBUG]


def test_the_traceback_comes_at_debug_only_and_begins_each_line_with_the_time() -> None:
    event = events.CallbackFailed("http://h/a", "parse", "ValueError: x", "b.py:3", TRACEBACK)
    assert "\n" not in as_text(sayings(logging.INFO)[type(event)](event))
    first, *rest = as_text(sayings(logging.DEBUG)[type(event)](event)).split("\n")
    assert "parse failed" in first
    assert [line.split(" | ", 1)[1] for line in rest] == [
        "Traceback (most recent call last):", '  File "spiders/b.py", line 3, in parse', "ValueError: x\\x1b[0m",
    ]  # fmt: skip
    assert all(line.startswith(first[:8]) for line in rest)


def test_text_has_time_level_message() -> None:
    moment = datetime(2025, 1, 5, 12, 3, 10).timestamp()
    line = Line(logging.WARNING, "warning", "mind the gap", time=moment)
    assert as_text(line) == "12:03:10 warning mind the gap"
    assert as_text(line, date=True) == "2025-01-05 12:03:10 warning mind the gap"


def test_json_has_the_agreed_names() -> None:
    event = failed("http://h.example/a", status=404, seconds=0.25)
    said = json.loads(as_json(sayings(logging.INFO)[type(event)](event), "books", "r1"))
    moment = datetime.fromisoformat(said.pop("time"))
    assert moment.tzinfo is not None and abs(moment.timestamp() - datetime.now().timestamp()) < 60
    assert said == {
        "level": "warning", "event": "page_failed", "spider": "books", "run": "r1",
        "message": "http://h.example/a: no answer within 60 s", "url": "http://h.example/a",
        "status": 404, "error": "TimedOut", "seconds": 0.25,
    }  # fmt: skip


def test_json_leaves_out_what_does_not_apply() -> None:
    said = json.loads(as_json(Line(logging.INFO, "log", "hello"), "books", "r1"))
    assert set(said) == {"time", "level", "event", "spider", "run", "message"}


@pytest.mark.parametrize("event", [event for event, _, _ in CASES])
def test_json_is_one_line_that_parses_whatever_the_web_said(event: events.Event) -> None:
    line = sayings(logging.DEBUG)[type(event)](event)
    text = as_json(line, "bo\noks\ud800", "r\u2028")
    assert text.isprintable() and len(text.splitlines()) == 1
    assert json.loads(text)["spider"] == "bo\\noks\\ud800"


def test_json_has_a_long_url_whole() -> None:
    url = "http://h.example/" + "x" * 8_000
    assert json.loads(as_json(sayings(logging.INFO)[events.PageFailed](failed(url)), "b", "r"))["url"] == url


def test_levels_in_between_have_the_name_below() -> None:
    assert [level_name(n) for n in (5, 10, 25, 30, 35, 50)] == ["debug", "debug", "info", "warning", "warning", "error"]
