"""The lock of a run: exclusive, named, and gone with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crawler.errors import AlreadyRunning, StateError
from crawler.runs.lock import Lock


def test_it_is_exclusive_also_within_a_process(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    refusal = rf"spider 'x' is running already: process {os.getpid()} on "
    with Lock(path, "spider 'x'"), pytest.raises(AlreadyRunning, match=refusal):
        Lock(path, "spider 'x'").acquire()
    Lock(path, "spider 'x'").acquire()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot write in"):
        Lock(tmp_path / "missing" / "x.lock", "x").acquire()


HOLDER = """
import os, sys, time
from pathlib import Path
from crawler.runs.lock import Lock
Lock(Path(sys.argv[1]), "x").acquire()
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
print("held", flush=True)
time.sleep(60)
"""


def test_it_dies_with_its_process_although_a_child_lives(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=f"process {holder.pid}"):
            Lock(path, "x").acquire()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        deadline = time.monotonic() + 5
        while True:
            try:
                Lock(path, "x").acquire()
                break
            except AlreadyRunning:
                assert time.monotonic() < deadline, "the child kept the lock"
                time.sleep(0.01)
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
