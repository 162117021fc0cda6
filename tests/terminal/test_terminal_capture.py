from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator

import pytest

from crawler.terminal.capture import capture
from crawler.terminal.line import Line, level_name


@pytest.fixture
def lines() -> list[Line]:
    return []


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    ours, root = logging.getLogger("crawler"), logging.getLogger()
    before = (list(ours.handlers), ours.level, list(root.handlers), root.level, warnings.showwarning)
    yield
    assert (list(ours.handlers), ours.level, list(root.handlers), root.level, warnings.showwarning) == before


def said(lines: list[Line]) -> list[tuple[str, str]]:
    return [(level_name(line.level), line.message) for line in lines]


def test_the_spiders_log_comes_at_the_level_asked_for(lines: list[Line]) -> None:
    log = logging.getLogger("crawler.spider.books")
    with capture("books", logging.INFO, lines.append):
        log.debug("no")
        log.info("page %d\nof %s", 3, "\x1b[2J")
        log.getChild("prices").warning("low")
    log.warning("after the end")
    assert said(lines) == [("info", "page 3\\nof \\x1b[2J"), ("warning", "low")]


def test_at_debug_everything_of_ours_comes(lines: list[Line]) -> None:
    with capture("books", logging.DEBUG, lines.append):
        logging.getLogger("crawler.spider.books").debug("yes")
        logging.getLogger("crawler.outputs").debug("ours too")
    assert said(lines) == [("debug", "yes"), ("debug", "ours too")]


def test_another_spider_in_the_same_process_is_not_ours(lines: list[Line]) -> None:
    with capture("books", logging.INFO, lines.append):
        logging.getLogger("crawler.spider.books2").warning("not mine")
        logging.getLogger("crawler.spider.quotes").warning("not mine")
        logging.getLogger("crawlers").info("not ours, and no warning")
    assert said(lines) == []


def test_warnings_of_libraries_come_and_their_chatter_does_not(lines: list[Line]) -> None:
    with capture("books", logging.DEBUG, lines.append):
        logging.getLogger("asyncio").debug("chatter")
        logging.getLogger("some.library").warning("take care of http://me:pw@h/")
    assert said(lines) == [("warning", "some.library: take care of http://***@h/")]


def test_python_warnings_are_lines(lines: list[Line]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with capture("books", logging.INFO, lines.append):
            warnings.warn("this is old\nvery", DeprecationWarning, stacklevel=1)
    (only,) = lines
    assert only.message.startswith("DeprecationWarning: this is old\\nvery at ")
    assert "test_terminal_capture.py:" in only.message


def test_an_exception_is_named_in_its_line_with_the_traceback_below(lines: list[Line]) -> None:
    with capture("books", logging.INFO, lines.append):
        try:
            int("x")
        except ValueError:
            logging.getLogger("crawler.spider.books").exception("no number")
    (only,) = lines
    assert only.message.startswith("no number (ValueError: invalid literal")
    assert only.traceback.splitlines()[0] == "Traceback (most recent call last):"
    assert only.level == logging.ERROR


def test_a_broken_log_call_does_not_break_the_crawl(lines: list[Line], capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("crawler")
    record = logger.makeRecord("crawler.spider.books", logging.INFO, "books.py", 3, "%d pages", ("many",), None)
    with capture("books", logging.INFO, lines.append):
        logger.handlers[-1].handle(record)  # not by the logger: pytest's own handler raises
    assert lines == []
    assert "Logging error" in capsys.readouterr().err


def test_records_of_other_threads_come_too(lines: list[Line]) -> None:
    with capture("books", logging.INFO, lines.append):
        thread = threading.Thread(target=logging.getLogger("crawler.spider.books").info, args=("from a thread",))
        thread.start()
        thread.join()
    assert said(lines) == [("info", "from a thread")]


def test_what_the_user_set_up_stays(lines: list[Line]) -> None:
    theirs: list[str] = []

    class Theirs(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            theirs.append(record.getMessage())

    logger, handler = logging.getLogger("crawler"), Theirs()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        with capture("books", logging.WARNING, lines.append):
            logging.getLogger("crawler.spider.books").debug("theirs")
        assert logger.level == logging.DEBUG
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert theirs == ["theirs"] and lines == []
