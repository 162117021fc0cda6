"""`crawl.log` for a crawl without a terminal: `Crawl` and `run` in Python keep the same file."""

from __future__ import annotations

import contextlib
import logging

from crawler.events import Ended, Event, Started
from crawler.settings import Settings
from crawler.terminal.crawl_log import CrawlLog
from crawler.terminal.line import LEVELS
from crawler.terminal.wording import sayings

__all__ = ["LogKeeper"]

_log = logging.getLogger("crawler")


class LogKeeper:
    """A listener that writes the log file and nothing else."""

    def __init__(self, settings: Settings, spider: str) -> None:
        self._level = LEVELS[settings.log_level]
        self._sayings = sayings(self._level)
        self._log = CrawlLog(spider, json=settings.log_format == "json", failed=_log.warning)

    def __call__(self, event: Event) -> None:
        """Hears an event."""
        say = self._sayings.get(type(event))
        if say is None:
            return
        if isinstance(event, Started):
            self._log.open(event.path, event.run)
        line = say(event)
        if line.level >= self._level or isinstance(event, Ended):
            self._log.write(line)
        if isinstance(event, Ended):
            with contextlib.suppress(OSError):
                self._log.close()
