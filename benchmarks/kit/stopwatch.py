"""Runs one command and says what it cost. A program of its own, so that its own size and work are in no figure:

    python -I kit/stopwatch.py CORE SECONDS TERMINAL LOG -- COMMAND…

A process begins with the peak RSS of the one that started it; so a small one starts it. CORE is the
command's ("-": any), SECONDS its longest life, TERMINAL 1 for a pseudo-terminal of 100 by 30 and 0 for none, LOG
gets all that it says. Prints one JSON object: code, wall, user, system (seconds), rss (bytes), faults.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

_END = 15.0


def main(core: str, seconds: str, terminal: str, log: str, *command: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    above, below = os.openpty() if terminal == "1" else os.pipe()
    if terminal == "1":
        fcntl.ioctl(below, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    begin = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        start(core, terminal == "1", below, command)
    os.close(below)
    try:
        with Path(log).open("wb") as said:
            listen(pid, above, said, begin + float(seconds))
        _, status, used = os.wait4(pid, 0)
        wall = time.perf_counter() - begin
    finally:  # what it left behind, if anything; all of it, when this is ended first
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"code": code, "wall": wall, "user": used.ru_utime, "system": used.ru_stime,
                      "rss": used.ru_maxrss * 1024, "faults": used.ru_minflt}))  # fmt: skip


def start(core: str, terminal: bool, end: int, command: tuple[str, ...]) -> None:
    """In the child: becomes the command, with `end` as its output."""
    try:
        os.setsid()
        if terminal:
            fcntl.ioctl(end, termios.TIOCSCTTY, 0)
        if core != "-":
            os.sched_setaffinity(0, {int(core)})
        if terminal:
            os.dup2(end, 0)
        else:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(end, 1)
        os.dup2(end, 2)
        os.execvpe(command[0], command, {**os.environ, "TERM": "xterm-256color"})
    except OSError as error:
        os.write(end, f"{command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def listen(pid: int, above: int, said, until: float) -> None:  # type: ignore[no-untyped-def]
    """Reads what the command says till it ends; after its time it is told to end, then killed.

    It does not go on when nobody is left who wants to know.
    """
    orders = iter([(until, signal.SIGTERM), (until + _END, signal.SIGKILL)])
    at, order = next(orders)
    parent = os.getppid()
    while os.getppid() == parent:
        ready, _, _ = select.select([above], [], [], min(max(at - time.perf_counter(), 0.0), 1.0))
        if ready:
            try:
                data = os.read(above, 65536)
            except OSError:  # a terminal whose other end is closed
                return
            if not data:
                return
            said.write(data)
            said.flush()
        elif time.perf_counter() >= at:
            os.kill(pid, order)
            at, order = next(orders, (float("inf"), order))
    sys.exit("whoever started this is gone")


if __name__ == "__main__":
    main(*sys.argv[1:5], *sys.argv[6:])
