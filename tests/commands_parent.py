"""A program for commands.py: forks a process for each job that comes through the socket on standard input.

A job is one byte with five files: a JSON object {words, cwd, env}, the command's standard input, output and error,
and a pipe that is told its pid and then its exit code. Between this process and a command stands a fork that waits
for it, so that this one has no threads, no signal handlers and no state that a command would inherit.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import signal
import socket
import sys
from typing import Any

import aiofiles
import aiohttp
import uvloop

import crawler.runner
import crawler.terminal
from crawler.__main__ import main

IMPORTED = (aiofiles, aiohttp, uvloop, crawler.runner, crawler.terminal)


def forked(files: list[int]) -> dict[str, Any] | None:
    """In the command's process: its job. In the one that waits for it: never returns. Here: None."""
    if os.fork():
        for file in files:
            os.close(file)
        return None
    job, standard, status = files[0], files[1:4], files[4]
    pid = os.fork()
    if pid:
        for file in standard:
            os.close(file)  # else a reader of the command's output would wait for this process too
        os.write(status, b"%d\n" % pid)
        os.write(status, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os._exit(0)
    os.close(status)
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    with open(job, "rb") as text:
        read: dict[str, Any] = json.load(text)
    return read


def next_job() -> dict[str, Any] | None:
    """Returns in each command's process with its job, and here with None when the socket was closed."""
    with socket.socket(fileno=os.dup(0)) as control:
        while True:
            byte, files, _, _ = socket.recv_fds(control, 1, 5)
            reap(os.WNOHANG if byte else 0)
            if not byte:
                return None
            if job := forked(files):
                return job


def reap(options: int) -> None:
    """What has ended, or, without WNOHANG, all: their CPU time is then part of this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


if __name__ == "__main__":
    with contextlib.redirect_stderr(io.StringIO()):
        main(["run", "nowhere.py", "-s", "quiet=true"])  # refused; and the rest is imported
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as in a process that has yet to load Python
    gc.freeze()
    if job := next_job():
        os.chdir(job["cwd"])
        os.environ.clear()
        os.environ.update(job["env"])
        sys.exit(main(job["words"]))
