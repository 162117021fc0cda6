"""The live view on a terminal: the panel stays below, the log scrolls above it.

Lines of the log are kept until the next picture (a quarter of a second) and printed with it in one
go: a burst of failures costs one write, and no line can fall into the panel.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import IO, cast

from rich.console import Console, ConsoleDimensions
from rich.live import Live
from rich.text import Text

from crawler.counts import Stats
from crawler.settings import Settings
from crawler.terminal.line import Line
from crawler.terminal.panel import panel
from crawler.terminal.screen import Output
from crawler.terminal.styles import styled_line, styled_summary
from crawler.terminal.summary import summarise

__all__ = ["LiveView"]

_MOST_WAITING = 10_000  # lines; beyond, they are printed at once


class LiveView:
    """A `Screen` for terminals that can move the cursor. NO_COLOR is rich's to respect."""

    every = 0.25

    def __init__(self, output: Output, settings: Settings) -> None:
        self._output = output
        self._settings = settings
        self._console = Console(
            file=cast("IO[str]", output), force_terminal=True, highlight=False, markup=False, emoji=False
        )
        self._unicode = self._console.encoding.lower().startswith("utf")
        self._live: Live | None = None
        self._size = self._console.size
        self._waiting: deque[Line] = deque()

    def begin(self, spider: str, run: str) -> None:
        """Nothing: the panel names them."""

    def line(self, line: Line) -> None:
        """A line of the log, printed above the panel with its next picture."""
        self._waiting.append(line)
        if self._live is None or len(self._waiting) > _MOST_WAITING:
            self._print_waiting()

    def progress(self, stats: Stats) -> None:
        """Paints the panel anew, below the lines that came meanwhile."""
        before, self._size = self._size, self._console.size
        size = self._size
        picture = panel(stats, self._settings, width=size.width, height=size.height, unicode=self._unicode)
        if self._live is None:
            self._live = self._started()
        elif size.width < before.width:
            self._mend(self._live, before, size)
        self._live.update(picture)
        with self._console:  # one write for both; the new panel first, or printing would paint the old one again
            self._live.refresh()
            self._print_waiting()

    def end(self, stats: Stats, line: Line, *, summary: bool) -> None:
        """The panel goes; the summary takes its place."""
        self.close()
        if summary:
            self._print(styled_summary(summarise(stats, self._settings), unicode=self._unicode))
        else:
            self._print(styled_line(line))

    def close(self) -> None:
        """Takes the panel off, prints what waits, shows the cursor again."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        self._print_waiting()

    def _started(self) -> Live:
        # A user's print() goes above the panel too, but only where it is meant for this screen.
        live = Live(
            console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop",
            redirect_stdout=sys.stdout.isatty(), redirect_stderr=self._output.stream is sys.stderr,
        )  # fmt: skip
        live.start()
        return live

    def _mend(self, live: Live, before: ConsoleDimensions, now: ConsoleDimensions) -> None:
        """The window became narrower: terminals wrap the lines of the panel, and rich would leave their rests.

        Cleared from the panel's first row on, and as many rows given back as rich will go up.
        """
        options = self._console.options.update(width=before.width)
        lines = self._console.render_lines(live.renderable, options, pad=False)
        widths = [sum(segment.cell_length for segment in line) for line in lines]
        rows = sum(max(1, -(-width // now.width)) for width in widths)
        if rows > len(lines):
            self._output.write(f"\r\x1b[{rows - 1}A\x1b[J" + "\n" * (len(lines) - 1))

    def _print_waiting(self) -> None:
        text = Text()
        while self._waiting:
            try:
                line = self._waiting.popleft()
            except IndexError:  # another thread took the last one
                break
            if text:
                text.append("\n")
            text.append_text(styled_line(line))
        if text:
            self._print(text)

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)  # wrapped by the terminal: a URL is copied in one piece
