"""The stopwatch: what it counts, and that nothing outlives it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from processes import gone

STOPWATCH = Path(__file__).parents[2] / "benchmarks" / "kit" / "stopwatch.py"
BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def timed(log: Path, *command: str, seconds: float = 20, terminal: bool = False) -> dict[str, Any]:
    words = ["-", str(seconds), "1" if terminal else "0", str(log), "--", *command]
    done = subprocess.run([sys.executable, "-I", "-S", str(STOPWATCH), *words], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_work_of_children_counts(tmp_path: Path) -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"
    used = timed(tmp_path / "said", sys.executable, "-c", parent)
    assert used["code"] == 0
    assert used["user"] + used["system"] > 0.3


def test_waiting_is_no_work_but_time(tmp_path: Path) -> None:
    used = timed(tmp_path / "said", "sleep", "0.5")
    assert used["wall"] >= 0.5
    assert used["user"] + used["system"] < 0.3


def test_memory_is_the_commands_own(tmp_path: Path) -> None:
    kept = b"x" * 100_000_000  # of this process, which starts the stopwatch
    used = timed(tmp_path / "said", "true")
    assert used["rss"] < len(kept) / 2
    large = timed(tmp_path / "said", sys.executable, "-c", "x = b'x' * 100_000_000")
    assert large["rss"] > 100_000_000


@pytest.mark.parametrize("terminal", [False, True])
def test_a_terminal_is_there_when_asked_for(tmp_path: Path, terminal: bool) -> None:
    ask = "import os, sys; print(*[os.isatty(n) for n in range(3)]); os.isatty(1) and print(*os.get_terminal_size())"
    timed(tmp_path / "said", sys.executable, "-c", ask, terminal=terminal)
    said = (tmp_path / "said").read_text().split()
    assert said == ([str(terminal)] * 3) + (["100", "30"] if terminal else [])


def test_a_command_that_does_not_end_is_ended(tmp_path: Path) -> None:
    begin = time.monotonic()
    used = timed(tmp_path / "said", "sleep", "60", seconds=0.3)
    assert used["code"] == -15
    assert time.monotonic() - begin < 15


def test_nothing_goes_on_when_it_is_ended(tmp_path: Path) -> None:
    words = ["-", "600", "0", str(tmp_path / "said"), "--", "sh", "-c", "echo $$; exec sleep 600"]
    stopwatch = subprocess.Popen([sys.executable, "-I", "-S", str(STOPWATCH), *words], stdout=subprocess.DEVNULL)
    while not (said := tmp_path / "said").exists() or not said.read_text().strip():
        assert stopwatch.poll() is None
        time.sleep(0.02)
    stopwatch.terminate()
    assert stopwatch.wait(10) == 143
    assert gone(int(said.read_text()))


def test_a_failure_and_its_words_are_kept(tmp_path: Path) -> None:
    assert timed(tmp_path / "said", "sh", "-c", "echo so; exit 3")["code"] == 3
    assert (tmp_path / "said").read_text() == "so\n"
    assert timed(tmp_path / "said", "/no/such/command")["code"] == 127
    assert "/no/such/command" in (tmp_path / "said").read_text()
