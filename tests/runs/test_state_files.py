"""The files of a run: who may read them, and what happens when one is not what it was."""

from __future__ import annotations

import asyncio
import json
import os
import pickletools
import shutil
import sqlite3
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from disk_crawl import Command
from small_site import Site

from crawler.cli import main
from crawler.frontier import read_meta
from crawler.runs.directory import RunDirectory


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with spider and run, as a SIGKILL with a umask of 0 left it."""
    directory = tmp_path_factory.mktemp("killed")

    async def crawl() -> None:
        site = Site()
        await site.start()
        command = Command(site, directory)
        command.harm("import os; os.kill(os.getpid(), 9)")
        ended = await command.run("-s", "cookies=a=secret")
        assert ended.code == -9, ended
        command.mend()
        await site.stop()

    old = os.umask(0)
    try:
        asyncio.run(crawl())
    finally:
        os.umask(old)
    return directory


@pytest.fixture
def run(left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDirectory]:
    """A copy of it, in the working directory."""
    shutil.copytree(left, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    (path,) = (tmp_path / "copy").glob("runs/pages/*/run.json")
    yield RunDirectory.read(path.parent)


def contents(directory: Path) -> dict[str, bytes]:
    """All files but those that say who holds what."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    passing = (".lock", "-shm", ".pyc")
    return {str(path): path.read_bytes() for path in files if not path.name.endswith(passing)}


def checkpoint(run: RunDirectory) -> Path:
    """All of the frontier in one file, as a clean end leaves it."""
    connection = sqlite3.connect(run.frontier)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return run.frontier


# -- damaged, foreign, newer


def flip(path: Path, at: int, n: int = 64) -> None:
    raw = bytearray(path.read_bytes())
    raw[at : at + n] = bytes(byte ^ 0x55 for byte in raw[at : at + n])
    path.write_bytes(raw)


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()


def newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def run_json(run: RunDirectory, **values: object) -> None:
    path = run.path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


SPOILED: dict[str, tuple[str, str, Callable[[RunDirectory], object]]] = {
    "frontier: head": ("frontier.sqlite", "damaged or not a frontier", lambda run: flip(checkpoint(run), 0)),
    "frontier: first table": ("frontier.sqlite", "damaged", lambda run: flip(checkpoint(run), 100, 4000)),
    "frontier: middle": ("frontier.sqlite", "damaged", lambda run: flip(checkpoint(run), 4096, 60_000)),
    "frontier: half": ("frontier.sqlite", "damaged", lambda run: os.truncate(checkpoint(run), 8192)),
    "frontier: text": ("frontier.sqlite", "damaged", lambda run: write(checkpoint(run), b"my notes\n" * 999)),
    "frontier: foreign": ("frontier.sqlite", "another program's", lambda run: foreign(checkpoint(run))),
    "frontier: newer": ("frontier.sqlite", "newer crawler (schema 99", lambda run: newer(checkpoint(run))),
    "frontier: emptied": ("frontier.sqlite", "lost commits", lambda run: os.truncate(checkpoint(run), 0)),
    "frontier: gone": ("frontier.sqlite", "not there any more", lambda run: checkpoint(run).unlink()),
    "frontier: log of SQLite emptied": (
        "frontier.sqlite", "lost commits", lambda run: os.truncate(f"{run.frontier}-wal", 0),
    ),
    "log: head": ("items.log", "is no item log", lambda run: flip(run.log, 0, 8)),
    "log: newer": ("items.log", "newer version", lambda run: write(run.log, log_of_version(run, 99))),
    "log: text": ("items.log", "is no item log", lambda run: write(run.log, b"my notes\n" * 9999)),
    "log: a frame": ("items.log", "checksum", lambda run: flip(run.log, 60, 8)),
    "log: cut": ("items.log", "shorter than recorded", lambda run: os.truncate(run.log, 50)),
    "log: gone": ("items.log", "shorter than recorded", lambda run: run.log.unlink()),
    "slots: text": ("slots", "damaged", lambda run: write(run.slots, b"my notes\n" * 999)),
    "slots: cut": ("slots", "cut short", lambda run: os.truncate(run.slots, 200)),
    "slots: newer": ("slots", "newer version", lambda run: flip(run.slots, 8, 1)),
    "key: cut": ("../hash.key", "damaged (31 bytes", lambda run: os.truncate(run.path.parent / "hash.key", 31)),
    "key: another": ("../hash.key", "not the key", lambda run: flip(run.path.parent / "hash.key", 0, 32)),
    "key: gone": ("../hash.key", "not the key", lambda run: (run.path.parent / "hash.key").unlink()),
    "run.json: text": ("run.json", "cannot be read", lambda run: write(run.path / "run.json", b"my notes")),
    "run.json: emptied": ("run.json", "cannot be read", lambda run: write(run.path / "run.json", b"")),
    "run.json: newer": ("run.json", "newer version", lambda run: run_json(run, schema=99, args=["other"])),
    "run.json: gone": ("run.json", "no run.json", lambda run: (run.path / "run.json").unlink()),
}  # fmt: skip


def log_of_version(run: RunDirectory, version: int) -> bytes:
    raw = run.log.read_bytes()
    return raw[:8] + struct.pack("<I", version) + raw[12:]


@pytest.mark.parametrize("case", SPOILED)
def test_a_file_that_is_not_ours_any_more_is_refused_and_left(
    run: RunDirectory, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    name, message, spoil = SPOILED[case]
    spoil(run)
    path = Path(os.path.normpath(run.path / name))
    before = contents(run.path.parent)
    code = main(["run", "pages.py", "--runs-dir", "runs", "-q", "-o", "out.jsonl"])
    said = capfd.readouterr().err
    assert code == 1, said
    lines = [line for line in said.splitlines() if "error" in line]
    assert len(lines) == 1 and "Traceback" not in said and "bug in crawler" not in said, said
    assert str(path) in lines[0] and message in lines[0], lines[0]
    words = ("move", "Move", "put", "Put", "use that", "install", "restore", "Restore")
    assert any(word in lines[0] for word in words), lines[0]
    after = contents(run.path.parent)
    assert len(list(run.path.parent.glob("*/"))) == 1, "no new run was begun in its place"
    if case == "log: a frame":  # found when it is read, with the run open
        before = {str(path): before[str(path)]}
    assert {file: after.get(file) for file in before} == before
    assert not Path("out.jsonl").exists()


# -- whose they are

OWN = {"frontier.sqlite", "frontier.sqlite-wal", "frontier.sqlite-shm", "items.log", "run.json", "slots", "hash.key"}


def test_state_is_its_owners_and_results_follow_the_umask(left: Path) -> None:
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in left.joinpath("runs").rglob("*") if path.is_file()
    }
    (lock,) = (name for name in modes if name.endswith(".lock"))
    assert set(modes) >= OWN
    assert {name: oct(modes[name]) for name in {*OWN, lock}} == dict.fromkeys({*OWN, lock}, "0o600")
    assert oct(modes["items.jsonl"]) == oct(modes["crawl.log"]) == "0o666", "made to be read, under a umask of 0"
    (run,) = left.glob("runs/pages/*/")
    for directory in (run, run.parent):
        assert oct(stat.S_IMODE(directory.stat().st_mode)) == "0o755", "nobody else puts files in it"


# -- no pickle


def is_pickle(raw: bytes) -> bool:
    try:
        return raw[:1] == b"\x80" and raw[1:2] in b"\x02\x03\x04\x05" and sum(1 for _ in pickletools.genops(raw)) > 1
    except (ValueError, IndexError, UnicodeDecodeError):
        return False


def test_no_pickle_is_on_the_disk(run: RunDirectory) -> None:
    assert is_pickle(__import__("pickle").dumps({"a": 1})), "the test can tell"
    checkpoint(run)
    found = [path for path, raw in contents(run.path.parent).items() if is_pickle(raw)]
    connection = sqlite3.connect(run.frontier)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert {"request", "meta", "seen"} <= set(tables) and read_meta(run.frontier).commit
    cells = 0
    for table in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            for value in row:
                cells += isinstance(value, bytes)
                if isinstance(value, bytes) and is_pickle(value):
                    found.append(f"{table}: {value!r}")
    connection.close()
    assert found == [] and cells > 30
