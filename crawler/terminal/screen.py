"""What a face prints on: the contract of the live view, the plain lines and JSON; and the stream below."""

from __future__ import annotations

import threading
from typing import Protocol, TextIO

from crawler.counts import Stats
from crawler.terminal.line import Line

__all__ = ["Output", "Screen"]


class Screen(Protocol):
    """One way to show a crawl. All but `line` are called in the crawl's loop."""

    every: float
    """Seconds between calls of `progress`; 0: none."""

    def begin(self, spider: str, run: str) -> None:
        """The run's names, before its first line."""

    def line(self, line: Line) -> None:
        """A line of the log. Called from any thread."""

    def progress(self, stats: Stats) -> None:
        """The numbers of this moment."""

    def end(self, stats: Stats, line: Line, *, summary: bool) -> None:
        """The run is over. With `summary` it is shown whole, else as the one line."""

    def close(self) -> None:
        """Leaves the terminal as it was; also when the crawl broke and has no end."""


class Output:
    """A text stream that several threads write to, and that cannot break the crawl.

    When it cannot be written (the terminal was closed, the reader of the pipe left) it falls
    silent: crawl.log has the lines. It is enough of a file for rich's `Console`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._open = True
        self._lock = threading.Lock()

    @property
    def encoding(self) -> str:
        """The stream's encoding; rich asks for it."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    def line(self, text: str) -> None:
        """Writes `text` and its line end at once."""
        self.write(text + "\n")
        self.flush()

    def write(self, text: str) -> int:
        """Writes what can be written; what the encoding lacks becomes an escape."""
        with self._lock:
            if self._open:
                try:
                    self._write(text)
                except (OSError, ValueError):  # ValueError: the stream was closed under us
                    self._open = False
        return len(text)

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
        except UnicodeEncodeError:
            self.stream.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))

    def flush(self) -> None:
        """Hands everything to the system."""
        with self._lock:
            if self._open:
                try:
                    self.stream.flush()
                except (OSError, ValueError):
                    self._open = False

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._open and self.stream.isatty()

    def fileno(self) -> int:
        """The stream's descriptor."""
        return self.stream.fileno()
