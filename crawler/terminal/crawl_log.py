"""`crawl.log` in the run's directory: every line at `log_level`, whatever the terminal shows.

A run that goes on appends. Lines are buffered and written at least every second: at debug level a
write for each would be the dearest thing a page does. The log serves the crawl and never the other
way round: when it cannot be written the crawl goes on, and that is said once.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from crawler.terminal.line import Line, as_json, as_text

__all__ = ["CrawlLog"]

_BUFFER = 64 * 1024
_FLUSH_SECONDS = 1.0
_EARLY = 200  # lines kept from before the run's directory is known


class CrawlLog:
    """The log file of one run. `write` may be called from any thread.

    `json` is its form. `failed(sentence)` is called once when the file cannot be opened or written.
    """

    NAME = "crawl.log"

    def __init__(self, spider: str, *, json: bool, failed: Callable[[str], None]) -> None:
        self._spider = spider
        self._json = json
        self._failed = failed
        self._run = ""
        self._path = Path()
        self._file: BinaryIO | None = None
        self._early: list[Line] | None = []
        self._lock = threading.Lock()
        self._due: asyncio.TimerHandle | None = None
        self._told = False

    def open(self, directory: str, run: str) -> None:
        """Opens the file in the run's directory and writes what was said before."""
        self._run = run
        self._path = Path(directory) / self.NAME
        early, self._early = self._early or [], None
        try:
            self._file = self._path.open("ab", buffering=_BUFFER)
        except OSError as error:
            self._give_up(error)
            return
        for line in early:
            self.write(line)

    def write(self, line: Line) -> None:
        """One line, on the disk within a second."""
        if self._early is not None:
            if len(self._early) < _EARLY:
                self._early.append(line)
            return
        if self._file is None:
            return
        text = as_json(line, self._spider, self._run) if self._json else as_text(line, date=True)
        error: OSError | None = None
        with self._lock:
            try:
                if self._file is not None:
                    self._file.write(text.encode("utf-8", "backslashreplace") + b"\n")
            except OSError as broken:
                error = broken
        if error is not None:
            self._give_up(error)
        else:
            self._flush_soon()

    def flush(self) -> None:
        """Hands everything to the system."""
        self._due = None
        error: OSError | None = None
        with self._lock:
            try:
                if self._file is not None:
                    self._file.flush()
            except OSError as broken:
                error = broken
        if error is not None:
            self._give_up(error)

    def close(self) -> None:
        """Writes what is left; lines that come later are dropped."""
        self.flush()
        if self._due is not None:
            self._due.cancel()
        self._let_go()

    def _flush_soon(self) -> None:
        if self._due is not None:
            return
        try:
            self._due = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        except RuntimeError:  # another thread, or no loop at all: nobody would flush later
            self.flush()

    def _give_up(self, error: OSError) -> None:
        self._let_go()
        if not self._told:
            self._told = True
            self._failed(f"{self._path} cannot be written ({error.strerror or error}): the crawl goes on without it")

    def _let_go(self) -> None:
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # what could not be flushed cannot be now
                file.close()
