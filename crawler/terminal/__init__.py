"""The faces of a crawl on the terminal: live view, progress lines, log, summary.

They listen to events and poll `stats()`; the engine works the same without them. All of it goes to
standard error: standard output is for data.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

from crawler.settings import Settings
from crawler.terminal.face import Face
from crawler.terminal.lines import JSONLines, PlainLines
from crawler.terminal.screen import Output, Screen
from crawler.terminal.text import clean

__all__ = ["Face", "clean", "faces"]


def faces(settings: Settings, spider_name: str, *, stdout_is_data: bool = False, stream: TextIO | None = None) -> Face:
    """The face that fits the place: a live view on a terminal, else lines, or JSON by `log_format`.

    `stdout_is_data` says that items go to standard output: when that is the same terminal, the live
    view would be drawn through them, and lines are printed instead. `stream` is standard error
    unless given.
    """
    output = Output(sys.stderr if stream is None else stream)
    json = settings.log_format == "json"
    screen: Screen
    if json:
        screen = JSONLines(output, settings)
    elif _can_be_painted(output) and not (stdout_is_data and sys.stdout.isatty()):
        from crawler.terminal.live import LiveView  # rich costs 50 ms, which a cron job need not pay

        screen = LiveView(output, settings)
    else:
        screen = PlainLines(output, settings)
    return Face(settings, spider_name, screen, json=json)


def _can_be_painted(output: Output) -> bool:
    return output.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
