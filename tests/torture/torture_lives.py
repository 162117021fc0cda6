"""Processes to kill: the installed command, or the same door in a fork of a warm parent.

A fork costs a tenth of a start; what it saves is imports, nothing that a crawl does. Both are given
the words behind `crawler`, and both answer with how they ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import crawler

HERE = Path(__file__).parent
PATIENCE = 60.0  # seconds for a life that nobody kills


class Life(Protocol):
    """One process of a run. `code` as in subprocess: negative for the signal it died of."""

    pid: int

    def ended(self, seconds: float) -> int | None:
        """Waits so long at most; None while it lives."""
        ...


class Parent(Protocol):
    """Begins lives, one at a time. `start`: seconds that one is busy with its start, about."""

    start: float

    def begin(self, words: Sequence[str], cwd: Path, **points: Any) -> Life: ...


def live(parent: Parent, words: Sequence[str], cwd: Path, **points: Any) -> int:
    """A life to its end; `points` are for torture_points.arm."""
    life = parent.begin(words, cwd, **points)
    code = life.ended(PATIENCE)
    if code is None:
        signal_to(life, signal.SIGKILL)
        life.ended(PATIENCE)  # its parent is free again
        raise AssertionError(f"it did not come to an end in {PATIENCE:.0f} s: {said(cwd)}")
    return code


def signal_to(life: Life, number: signal.Signals) -> None:
    """Sends a signal, if it is not too late."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(life.pid, number)


def said(cwd: Path) -> str:
    """What the lives in a directory wrote to their terminal, the last of it."""
    return (cwd / "said.txt").read_text(errors="replace")[-3000:] if (cwd / "said.txt").exists() else ""


class Commands:
    """Each life is `python -m crawler`, from nothing."""

    start = 1.0

    def begin(self, words: Sequence[str], cwd: Path, **points: Any) -> Life:
        assert not points, "fail points need a fork"
        return _Command(words, cwd)


class _Command:
    def __init__(self, words: Sequence[str], cwd: Path) -> None:
        with (cwd / "said.txt").open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "crawler", *words], cwd=cwd, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, env=environment(),
            )  # fmt: skip
        self.pid = self._process.pid

    def ended(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


class Forks:
    """Each life is a fork of a parent that has imported everything and has no threads (torture_parent.py)."""

    start = 0.15

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, str(HERE / "torture_parent.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment(), bufsize=0,
        )  # fmt: skip

    def begin(self, words: Sequence[str], cwd: Path, **points: Any) -> Life:
        assert self._parent.stdin is not None
        job = {"words": [str(word) for word in words], "cwd": str(cwd), "points": points}
        self._parent.stdin.write(json.dumps(job).encode() + b"\n")
        return _Fork(int(self.line()), self)

    def line(self) -> bytes:
        """The next word of the parent."""
        assert self._parent.stdout is not None
        line = self._parent.stdout.readline()
        assert line, "the parent of the lives died"
        return line

    def answers(self, seconds: float) -> bool:
        """Whether it says something in time."""
        assert self._parent.stdout is not None
        return bool(select.select([self._parent.stdout], [], [], seconds)[0])

    def close(self) -> None:
        """Ends the parent."""
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait()


class _Fork:
    def __init__(self, pid: int, parent: Forks) -> None:
        self.pid = pid
        self._parent = parent
        self._code: int | None = None

    def ended(self, seconds: float) -> int | None:
        if self._code is None and self._parent.answers(seconds):
            self._code = int(self._parent.line())
        return self._code


def environment() -> dict[str, str]:
    """The surroundings of a life: nothing of the tester's own configuration."""
    package = Path(crawler.__file__).parent.parent
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CRAWLER_")}
    return {**kept, "PYTHONPATH": f"{package}{os.pathsep}{HERE}"}
