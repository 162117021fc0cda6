"""The command `crawler` as a process of its own, in a tenth of the time that a start from nothing takes.

A process is forked from one that has imported everything already (commands_parent.py): its own pid, signals,
environment, working directory and files, and the whole of what a command does; what is saved is half a second of
imports. That the imports are right as well is for the tests that start Python themselves, in test_cli_door,
test_cli_light and test_bad_input.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
PATIENCE = 60.0  # seconds for a command that is to end by itself


def environment(**more: str) -> dict[str, str]:
    """The surroundings of a command: nothing of the tester's own configuration."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRAWLER_")}
    return clean | {"PYTHONPATH": str(HERE.parent), "PYTHONDONTWRITEBYTECODE": "1", **more}


def run(
    cwd: Path, *words: str, stdin: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`crawler WORDS` to its end.

    `env` is the whole environment, by default `environment()`. Raises TimeoutExpired after a minute.
    """
    process = start(cwd, *words, stdin=stdin, env=env)
    try:
        out, errors = process.communicate(PATIENCE)
    finally:
        process.kill()
    assert process.returncode is not None
    return subprocess.CompletedProcess(words, process.returncode, out, errors)


def start(cwd: Path, *words: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Process:
    """`crawler WORDS`, and does not wait for it."""
    parent = _parent()
    parent.commands.append(Process(parent, cwd, words, environment() if env is None else env, stdin))
    return parent.commands[-1]


def end() -> None:
    """Ends what still runs, and the parent of the commands: for the end of the tests."""
    if _parent.cache_info().currsize:
        _parent().close()
        _parent.cache_clear()


class Process:
    """A running command, with what tests use of `subprocess.Popen`. Its output is kept in files: no pipe gets full."""

    def __init__(self, parent: Parent, cwd: Path, words: tuple[str, ...], env: Mapping[str, str], stdin: str) -> None:
        self.args = words
        self.returncode: int | None = None
        self._said = ("", "")
        self._files = contextlib.ExitStack()
        given, *self._outputs = (self._files.enter_context(tempfile.TemporaryFile()) for _ in range(3))  # noqa: SIM115
        given.write(stdin.encode())
        given.seek(0)
        job = {"words": words, "cwd": str(cwd), "env": dict(env)}
        self._status = parent.begin(job, [file.fileno() for file in (given, *self._outputs)])
        self._files.enter_context(self._status)
        self.pid = int(self._line())

    def poll(self) -> int | None:
        """Its exit code, as in subprocess; None while it lives."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float = PATIENCE) -> int:
        """Waits for its end. Raises TimeoutExpired, which has what it said, after `timeout` seconds."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout, *map(_content, self._outputs))
            self._end()
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float = PATIENCE) -> tuple[str, str]:
        """Waits for its end; what it wrote to standard output and standard error."""
        self.wait(timeout)
        return self._said

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal, if it is not too late."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """It is gone at once."""
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        self.returncode = int(self._line())
        out, errors = map(_content, self._outputs)
        self._said = out.decode(), errors.decode()
        self._files.close()

    def _line(self) -> bytes:
        line = self._status.readline()
        assert line, "the parent of the commands died"
        return line


def _content(file: IO[bytes]) -> bytes:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)  # the file's position is the command's own


class Parent:
    """The process that forks the commands."""

    def __init__(self) -> None:
        self.commands: list[Process] = []
        self._control, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", str(HERE / "commands_parent.py")]
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), env=environment())

    def begin(self, job: object, files: list[int]) -> IO[bytes]:
        """Forks a command with these standard files. What is returned says its pid and, later, its exit code."""
        read, write = os.pipe()
        with tempfile.TemporaryFile() as words:
            words.write(json.dumps(job).encode())
            words.seek(0)
            socket.send_fds(self._control, [b"."], [words.fileno(), *files, write])
        os.close(write)
        return os.fdopen(read, "rb", buffering=0)

    def close(self) -> None:
        """Ends it, and every command that a test left behind."""
        for command in self.commands:
            command.kill()
        self._control.close()
        self._process.wait()


@cache
def _parent() -> Parent:
    return Parent()
