"""A program for `torture_lives.Forks`: reads jobs, forks a life for each, says its pid and how it ended.

A job is one line of JSON: the words behind `crawler`, the directory, and where it is to be killed. The
parent has imported all that a crawl needs and has neither threads nor an event loop, so that a fork of
it is as good as a new process.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import signal
import sys
from typing import Any

import aiofiles
import aiohttp
import torture_points
import uvloop

import crawler.runner
import crawler.terminal
from crawler.__main__ import main

IMPORTED = (aiofiles, aiohttp, uvloop, crawler.runner, crawler.terminal)


def child(job: dict[str, Any]) -> None:
    """The life; never returns."""
    code = 70
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as in a process that has yet to load Python
        os.chdir(job["cwd"])
        said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        if job["points"]:
            torture_points.arm(**job["points"])
        code = main(job["words"])
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def run() -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        main(["run", "nowhere.py", "-s", "quiet=true"])  # refused; and the rest is imported
    gc.freeze()
    for line in iter(sys.stdin.buffer.readline, b""):  # not by iteration, which reads ahead
        pid = os.fork()
        if pid == 0:
            child(json.loads(line))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    run()
