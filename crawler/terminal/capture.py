"""The user's `self.log`, our own loggers and the warnings of libraries come to the face, while it runs.

Nothing global is left behind: handlers are taken off and levels put back when the face ends. What
the user set up in `logging` stays as it is and gets its records too.
"""

from __future__ import annotations

import contextlib
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from crawler.terminal.line import Line
from crawler.terminal.text import clean, masked, short_path

__all__ = ["capture"]

_OURS = "crawler"
_SPIDERS = "crawler.spider."
_MESSAGE = 4_000


@contextlib.contextmanager
def capture(spider: str, level: int, write: Callable[[Line], None]) -> Iterator[None]:
    """While inside, log records at `level` and Python warnings become lines for `write`.

    Of other libraries only what is a warning at least. Of several spiders in one process only
    `spider`'s own. `write` may be called from any thread.
    """
    ours, root = logging.getLogger(_OURS), logging.getLogger()
    before = ours.level
    mine = _Handler(lambda name: _is_mine(name, spider), level, write)
    others = _Handler(lambda name: not _is_ours(name), max(level, logging.WARNING), write)
    ours.addHandler(mine)
    root.addHandler(others)
    ours.setLevel(min(level, before) if before else level)
    try:
        with _warnings_shown(write, level):
            yield
    finally:
        ours.setLevel(before)
        root.removeHandler(others)
        ours.removeHandler(mine)


def _is_ours(name: str) -> bool:
    return name == _OURS or name.startswith(_OURS + ".")


def _is_mine(name: str, spider: str) -> bool:
    own = _SPIDERS + spider
    return not name.startswith(_SPIDERS) or name == own or name.startswith(own + ".")


class _Handler(logging.Handler):
    """Hands records of some loggers on as lines."""

    def __init__(self, wanted: Callable[[str], bool], level: int, write: Callable[[Line], None]) -> None:
        super().__init__(level)
        self._wanted = wanted
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        if not self._wanted(record.name):
            return
        try:
            line = _line(record)
        except Exception:  # a record whose arguments do not fit its message: logging says where it was made
            self.handleError(record)
            return
        self._write(line)


def _line(record: logging.LogRecord) -> Line:
    message, stack = record.getMessage(), ""
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        stack = "".join(traceback.format_exception(error)).rstrip()
        message = f"{message} ({type(error).__name__}: {error})" if str(error) not in message else message
    if not _is_ours(record.name):
        message = f"{record.name}: {message}"
    return Line(
        record.levelno, "log", clean(masked(message), _MESSAGE), traceback=stack,
        more={"logger": record.name}, time=record.created,
    )  # fmt: skip


@contextlib.contextmanager
def _warnings_shown(write: Callable[[Line], None], level: int) -> Iterator[None]:
    before = warnings.showwarning

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any, **named: Any
    ) -> None:
        if level <= logging.WARNING:
            text = f"{category.__name__}: {message} at {short_path(filename)}:{lineno}"
            write(Line(logging.WARNING, "log", clean(masked(text), _MESSAGE), more={"logger": "py.warnings"}))

    warnings.showwarning = show
    try:
        yield
    finally:
        if warnings.showwarning is show:  # else someone else's is in place by now, which is not ours to remove
            warnings.showwarning = before
