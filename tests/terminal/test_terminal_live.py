"""The live view: its picture, and what a person sees on a real terminal (a pty)."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from terminal_emulator import Terminal
from terminal_fakes import COUNTERS, HOSTS, ended_stats, make_stats

from crawler.counts import HostStats
from crawler.settings import Settings
from crawler.terminal.line import Line
from crawler.terminal.live import LiveView
from crawler.terminal.panel import panel
from crawler.terminal.screen import Output

CHILD = Path(__file__).with_name("terminal_child.py")


def picture(width: int = 80, height: int = 24, unicode: bool = True, **changes: Any) -> list[str]:
    settings = Settings(max_pages=changes.pop("max_pages", None))
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(panel(make_stats(**changes), settings, width=width, height=height, unicode=unicode))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_everything_asked_for_is_there_in_eighty_columns() -> None:
    lines = picture(max_pages=5000)
    assert all(len(line) == 80 for line in lines) and len(lines) == 8
    text = "\n".join(lines)
    for part in (
        "books", "running 10 s", "3.4 MiB", "124/s now", "118/s mean", "14 queued", "32 in flight", "1,240 pages",
        "1,020 items", "3 retries", "15 errors", "200: 1,215   404: 13   301: 12", "slow.example", "2.3 s",
        "retry-after 28 s", "1,240 of 5,000 pages, 25%, 30 s left", "/srv/runs/books/20250105-120302-a1b2",
    ):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(("width", "height"), [(200, 50), (80, 24), (80, 10), (60, 8), (40, 8), (30, 7), (24, 6)])
def test_it_fits_whatever_the_window(width: int, height: int) -> None:
    lines = picture(width, height, max_pages=5000)
    assert len(lines) < height
    assert {len(line) for line in lines} == {min(width, 100)}


def test_without_a_limit_there_is_no_bar_and_at_the_start_nothing_breaks() -> None:
    assert len(picture(counters={}, hosts=[], pages_per_second=0.0, state="starting")) == 4
    assert "1 page " in "\n".join(picture(counters={"pages": 1}))
    assert "0 of 10 pages, 0%" in "\n".join(picture(counters={}, pages_per_second=0.0, max_pages=10))


def test_an_ascii_terminal_gets_ascii() -> None:
    assert all(line.isascii() for line in picture(unicode=False, hosts=HOSTS[1:]))


def test_nothing_of_the_web_is_markup_or_code() -> None:
    evil = HostStats("[red]\x1b[2J\nevil[/red].example", 3, 0, 2.0, 0, 0)
    lines = picture(hosts=[evil], counters={**COUNTERS, "status/\x1b": 1}, width=100, spider="[bold]b\x1b")
    assert all(line.isprintable() for line in lines)
    text = "\n".join(lines)
    assert "[red]\\x1b[2J\\nevil" in text and "[bold]b\\x1b" in text


class Shown:
    """A live view on a terminal in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, width: int = 80) -> None:
        self.stream = io.StringIO()
        self.terminal = Terminal(width)
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        self.view = LiveView(Output(self.stream), Settings(max_pages=5000))
        self._monkeypatch = monkeypatch
        self.resize(width)

    def resize(self, width: int) -> None:
        self._monkeypatch.setenv("COLUMNS", str(width))
        self._monkeypatch.setenv("LINES", "24")
        self.terminal.resize(width)

    def rows(self) -> list[str]:
        self.terminal.feed(self.stream.getvalue().replace("\n", "\r\n"))  # as a terminal driver does
        self.stream.seek(0)
        self.stream.truncate()
        return self.terminal.text


def note(text: str) -> Line:
    return Line(20, "log", text, time=0)


def test_lines_scroll_above_the_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(monkeypatch)
    shown.view.line(note("before"))
    for number in range(5):
        shown.view.progress(make_stats())
        shown.view.line(note(f"line {number}"))
        shown.view.progress(make_stats())
        rows = shown.rows()
        said = [row[16:].strip() for row in rows[:-8]]
        assert said == ["before", *(f"line {n}" for n in range(number + 1))]
        assert rows[-8].startswith("╭") and rows[-1].startswith("╰") and not shown.terminal.cursor_shown
    stats = ended_stats()
    shown.view.end(stats, note("x"), summary=True)
    rows = shown.rows()
    assert rows[5].endswith("line 4") and rows[6].startswith("✔ books: complete")
    assert not any("╭" in row or "╰" in row or "│" in row for row in rows)
    assert shown.terminal.cursor_shown


@pytest.mark.parametrize("widths", [(79, 50), (60, 31), (100, 40), (79, 100, 60)])
def test_a_narrower_window_leaves_no_rests(monkeypatch: pytest.MonkeyPatch, widths: tuple[int, ...]) -> None:
    shown = Shown(monkeypatch)
    shown.view.line(note("before"))
    shown.view.progress(make_stats())
    for width in widths:
        shown.rows()
        shown.resize(width)
        shown.view.line(note(f"at {width}"))
        shown.view.progress(make_stats())
        rows = shown.rows()
        assert rows[0].endswith("before")
        assert len([row for row in rows if row.startswith("╭")]) == 1
        assert len([row for row in rows if row.startswith("╰")]) == 1
        assert len(rows[-1]) == min(width, 100)
    shown.view.close()
    assert not any("│" in row or "╭" in row for row in shown.rows())


def test_a_view_that_never_began_prints_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(monkeypatch)
    shown.view.line(note("one"))
    assert shown.rows()[0].endswith("one")
    shown.view.end(ended_stats("failed: x", 1), note("ended: failed"), summary=False)
    assert shown.rows()[1].endswith("ended: failed")


def test_no_color_has_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    view = LiveView(Output(stream), Settings())
    view.progress(make_stats())
    view.end(ended_stats(), note("x"), summary=True)
    colours = {code for codes in re.findall(r"\x1b\[([\d;]*)m", stream.getvalue()) for code in codes.split(";")}
    assert not {code for code in colours if code.startswith(("3", "4", "9")) and len(code) > 1}


def on_a_pty(tmp_path: Path, settings: dict[str, Any], *more: str, stdout: int | None = None, **env: str) -> str:
    """All that a child's face writes to a terminal of 80 by 24."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR")}
    environment |= {
        "TERM": "xterm-256color",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONIOENCODING": "utf-8",
        **env,
    }
    child = subprocess.Popen(
        [sys.executable, str(CHILD), json.dumps(settings), str(tmp_path), *more],
        stdin=slave, stdout=slave if stdout is None else stdout, stderr=slave, env=environment,
    )  # fmt: skip
    os.close(slave)
    written = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # EIO: the child has closed its end
            break
        if not part:
            break
        written += part
    os.close(master)
    assert child.wait(30) == 0
    return written.decode()


def test_on_a_terminal_lines_and_view_do_not_mix(tmp_path: Path) -> None:
    written = on_a_pty(tmp_path, {"max_pages": 5000})
    assert "╭─" in written and "\x1b[?25l" in written
    terminal = Terminal(80)
    terminal.feed(written)
    text = "".join(row.ljust(80) if len(row) == 80 else row + "\n" for row in terminal.text)
    assert "╭" not in text and "│" not in text and terminal.cursor_shown
    for number in range(8):
        assert f"warning http://h/{number}/\\x1b[2J[bold]{'x' * 80}: no answer within 60 s\n" in text
        assert f" info    said {number}\n" in text
    assert text.count("printed by the spider\n") == 1
    assert [row for row in terminal.text if row][-1] == "  run       /r"
    log = (tmp_path / "crawl.log").read_text()
    assert log.count("said ") == 8 and "\x1b" not in log


def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    written = on_a_pty(tmp_path, {"progress_seconds": 0.05}, TERM="dumb")
    assert "\x1b" not in written and "in flight, " in written and "books: complete (exit code 0" in written


def test_data_on_the_same_terminal_gets_lines(tmp_path: Path) -> None:
    written = on_a_pty(tmp_path, {"progress_seconds": 0.05}, "data")
    assert "\x1b" not in written and "in flight, " in written


def test_what_a_spider_prints_goes_to_its_own_standard_output(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        written = on_a_pty(tmp_path, {}, stdout=out.fileno())
    assert (tmp_path / "out").read_text() == "printed by the spider\n"
    assert "printed by the spider" not in written and "╭─" in written


def test_json_on_a_terminal_paints_nothing(tmp_path: Path) -> None:
    written = on_a_pty(tmp_path, {"log_format": "json", "progress_seconds": 0.05})
    assert "╭" not in written and "\x1b" not in written and '"event":"progress"' in written
