"""A face hears the engine's events, keeps crawl.log, and drives a screen while the crawl runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol

import msgspec

from crawler.counts import Stats
from crawler.events import Ended, Event, Started
from crawler.settings import Settings
from crawler.terminal.capture import capture
from crawler.terminal.crawl_log import CrawlLog
from crawler.terminal.line import LEVELS, Line
from crawler.terminal.screen import Screen
from crawler.terminal.wording import sayings

__all__ = ["Face", "Watched"]


class Watched(Protocol):
    """What a face asks of a crawl."""

    def stats(self) -> Stats:
        """The numbers at this moment."""


class Face:
    """A listener of one crawl.

    Give it to the crawl as a listener, and let `run` go beside the crawl in the same loop::

        face = faces(settings, Books.name)
        async with Crawl(Books, listeners=[face]) as crawl, asyncio.TaskGroup() as beside:
            beside.create_task(face.run(crawl))
            await crawl.wait()

    An event that is not said costs 0.1 µs. `run` ends by itself after `Ended`, and may be
    cancelled at any time; either way the terminal and `logging` are as they were.
    """

    def __init__(self, settings: Settings, spider: str, screen: Screen, *, json: bool = False) -> None:
        self._level = LEVELS[settings.log_level]
        self._quiet = settings.quiet
        self._json = json
        self._spider = spider
        self._screen = screen
        self._shown = max(self._level, logging.WARNING) if settings.quiet else self._level
        self._sayings = sayings(self._level)
        self._log = CrawlLog(spider, json=json, failed=self._log_failed)
        self._ended = asyncio.Event()
        self._stack = contextlib.ExitStack()
        self._open = False

    def __call__(self, event: Event) -> None:
        """Hears an event."""
        say = self._sayings.get(type(event))
        if say is None:
            return
        if type(event) is Started:
            self._begin(event)
        line = say(event)
        if type(event) is Ended:
            self._finish(event, line)
        else:
            self.line(line)

    def line(self, line: Line) -> None:
        """Says a line, from any thread, where its level is asked for."""
        if line.level >= self._level:
            self._log.write(line)
        if line.level >= self._shown:
            self._screen.line(line)

    async def run(self, crawl: Watched) -> None:
        """Shows the crawl until it has ended: the live view, or a line every few seconds."""
        if self._ended.is_set():
            return
        self._enter()
        try:
            every = 0.0 if self._quiet else self._screen.every
            while not await self._ends_within(every):
                self._screen.progress(crawl.stats())
        finally:
            self._leave()

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds or None):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def _begin(self, event: Started) -> None:
        self._enter()
        self._screen.begin(event.spider, event.run)
        self._log.open(event.path, event.run)

    def _finish(self, event: Ended, line: Line) -> None:
        """The last word: all of it in crawl.log's line and the summary; quiet says only what went wrong."""
        self._log.write(line)
        stats = msgspec.convert(event.stats, Stats)
        if not self._quiet or line.level > logging.INFO:
            self._screen.end(stats, line, summary=self._json or not self._quiet)
        self._ended.set()
        self._leave()

    def _enter(self) -> None:
        if not self._open:
            self._open = True
            self._stack.callback(self._log.close)
            self._stack.callback(self._screen.close)
            self._stack.enter_context(capture(self._spider, self._level, self.line))

    def _leave(self) -> None:
        self._open = False
        self._stack.close()

    def _log_failed(self, sentence: str) -> None:
        self._screen.line(Line(logging.WARNING, "warning", sentence))
