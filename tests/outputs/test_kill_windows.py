"""SIGKILL at every step that an output takes on the disk: lost 0, repeated 0.

Every third step in `make test`: 3 shares no divisor with the pairs (before and after) that steps come in, and the
two modes, which begin differently, take each kind of step at another count. Every step in `make test-full`.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import crawler

NAMES = ["x.json", "x.csv", "x.jsonl.gz", "x.sqlite"]
NOT_APPENDED = {"x.json", "x.sqlite"}


def read(path: Path) -> list[int]:
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as connection:
            return [n for (n,) in connection.execute("SELECT n FROM items ORDER BY rowid")]
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if ".csv" in path.name:
        header, *rows = raw.split()
        assert header == b"n"
        return [int(row) for row in rows]
    if ".jsonl" in path.name:
        return [json.loads(line)["n"] for line in raw.splitlines()]
    return [item["n"] for item in json.loads(raw)]


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_killed_at_every_step(tmp_path: Path, mode: str, stride: int) -> None:
    before = tmp_path / "before"
    before.mkdir()
    names = [name for name in NAMES if mode == "replace" or name not in NOT_APPENDED]
    for name in names:
        raw = b"n\r\n-1\r\n" if ".csv" in name else b'{"n":-1}\n'
        (before / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    program = Path(__file__).with_name("killed_run.py")
    command = [sys.executable, str(program), str(tmp_path), mode, str(stride), *names]
    package = Path(crawler.__file__).parent.parent
    env = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{program.parent}"}
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=env)
    assert run.returncode == 0, run.stderr
    last = int(run.stdout)
    assert last > 40
    wanted = list(range(-1 if mode == "append" else 0, 12))
    for n in range(1, last + 1, stride):
        for name in names:
            assert read(tmp_path / str(n) / name) == wanted, (n, name)
        assert read(tmp_path / str(n) / "run" / "items.jsonl") == list(range(12)), n
        left = {path.name for path in (tmp_path / str(n)).iterdir()} - {*names, "run", "store", "store.new"}
        assert not left or mode == "append"  # a kill between publication and clean-up may leave a partial file
