"""--append: the run's whole output behind what FILE had, once, whatever happens in between."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_run import SmallRun

from crawler.errors import SettingsError, StateError

BEFORE = {
    "x.jsonl": b'{"n":-1}\n',
    "x.csv": b"n\r\n-1\r\n",
    "x.jsonl.gz": gzip.compress(b'{"n":-1}\n'),
    "x.csv.gz": gzip.compress(b"n\r\n-1\r\n"),
}
AFTER = {
    "x.jsonl": b'{"n":-1}\n{"n":0}\n{"n":1}\n{"n":2}\n',
    "x.csv": b"n\r\n-1\r\n0\r\n1\r\n2\r\n",
}
ITEMS = [{"n": n} for n in range(3)]


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def expected(name: str) -> bytes:
    return AFTER[name.removesuffix(".gz")]


@pytest.mark.parametrize("name", BEFORE)
async def test_it_is_added_to_the_end(small: SmallRun, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BEFORE[name])
    small.commit(ITEMS)
    await small.whole(str(path), append=True)
    assert content(path) == expected(name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", name]
    again = SmallRun(tmp_path / "again")
    again.commit([{"n": 3}])
    await again.whole(str(path), append=True)
    assert content(path).startswith(expected(name))
    assert content(path).count(b"3") == 1


@pytest.mark.parametrize("name", BEFORE)
async def test_an_empty_or_missing_file_gets_all(small: SmallRun, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    small.commit(ITEMS)
    await small.whole(str(path), append=True)
    whole = content(path)
    assert whole == expected(name).replace(b'{"n":-1}\n', b"").replace(b"-1\r\n", b"")
    path.write_bytes(b"")
    small.recorded.clear()
    await small.whole(str(path), append=True)
    assert content(path) == whole


async def test_a_last_line_without_its_end_gets_one(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"n":-1}')
    small.commit(ITEMS)
    await small.whole(str(path), append=True)
    assert content(path) == AFTER["x.jsonl"]


@pytest.mark.parametrize("name", BEFORE)
async def test_a_kill_at_every_byte_of_the_append(small: SmallRun, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BEFORE[name])
    small.commit(ITEMS)
    await small.whole(str(path), append=True)
    whole = path.read_bytes()
    for length in range(len(BEFORE[name]), len(whole) + 1):
        # The process died with so much of it written: before "published" was committed, so the next one
        # does it again, with the partial file or without.
        path.write_bytes(whole[:length])
        await small.whole(str(path), append=True)
        assert content(path) == expected(name)


@pytest.mark.parametrize("name", BEFORE)
@pytest.mark.parametrize("change", ["longer", "shorter", "other", "gone"])
async def test_a_file_changed_meanwhile_is_not_touched(small: SmallRun, tmp_path: Path, name: str, change: str) -> None:
    path = tmp_path / name
    path.write_bytes(BEFORE[name])
    outputs = small.outputs(str(path), append=True)
    await outputs.start(0)
    end = small.commit(ITEMS)
    await outputs.finish(end)
    changed = {
        "longer": BEFORE[name] + BEFORE[name],
        "shorter": BEFORE[name][:-1],
        "other": b"\x1f\x8b" + b"x" * (len(BEFORE[name]) - 2),
        "gone": b"",
    }[change]
    path.write_bytes(changed)
    with pytest.raises(StateError, match=rf"{name} was changed while the run was going.*{name}\.partial"):
        await outputs.publish()
    await outputs.close()
    assert path.read_bytes() == changed
    assert content(tmp_path / f"{name}.partial") != b""


async def test_a_file_that_appeared_meanwhile_is_not_touched(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    outputs = small.outputs(str(path), append=True)
    await outputs.start(0)
    await outputs.finish(small.commit(ITEMS))
    path.write_bytes(b"somebody else's\n")
    with pytest.raises(StateError, match="was changed"):
        await outputs.publish()
    await outputs.close()
    assert path.read_bytes() == b"somebody else's\n"


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
async def test_other_columns_are_refused_naming_both(small: SmallRun, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"a,b\r\n1,2\r\n") if name.endswith("gz") else b"a,b\r\n1,2\r\n")
    before = path.read_bytes()
    small.commit(ITEMS)
    message = r"cannot append to .*x\.csv.*: its columns are a, b, the run's are n; name them"
    with pytest.raises(SettingsError, match=message):
        await small.whole(str(path), append=True)
    with pytest.raises(SettingsError, match=message):
        await small.outputs(str(path), append=True, csv_fields=["n"]).start(0)  # known before the first item
    assert path.read_bytes() == before
    small.commit([{"b": 5, "a": 4}])
    await small.whole(str(path), append=True, csv_fields=["a", "b"])
    assert content(path).endswith(b"4,5\r\n")


async def test_what_is_no_gzip_file_is_refused(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(b"plain\n")
    with pytest.raises(SettingsError, match="it is no gzip file"):
        await small.whole(str(path), append=True)


async def test_a_resumed_run_appends_though_it_is_not_asked_again(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(BEFORE["x.jsonl"])
    outputs = small.outputs(str(path), append=True)
    await outputs.start(0)
    small.record(outputs)
    await outputs.close()
    small.commit(ITEMS)
    await small.whole()
    assert content(path) == AFTER["x.jsonl"]


async def test_a_run_that_goes_on_after_its_publication_replaces_its_own_part(small: SmallRun, tmp_path: Path) -> None:
    for name in BEFORE:
        (tmp_path / name).write_bytes(BEFORE[name])
    small.commit(ITEMS[:1])
    await small.whole(*(str(tmp_path / name) for name in BEFORE), append=True)
    small.commit(ITEMS[1:])
    await small.whole(append=True)
    for name in BEFORE:
        assert content(tmp_path / name) == expected(name)


FULL = """
import asyncio, os, resource, sys
from pathlib import Path
from crawler.errors import DiskError
from crawler.outputs import Outputs
from crawler.settings import Settings
async def main():
    log, target, end = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    outputs = Outputs(log, [str(target)], Settings(append=True), None, {})
    await outputs.start(0)
    await outputs.finish(end)
    resource.setrlimit(resource.RLIMIT_FSIZE, (target.stat().st_size + 50_000, resource.RLIM_INFINITY))
    try:
        await outputs.publish()
    except DiskError as error:
        print(error)
    await outputs.close()
asyncio.run(main())
"""


def test_a_disk_that_fills_up_leaves_the_file_as_it_was(small: SmallRun, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(BEFORE["x.jsonl"])
    end = small.commit([{"n": n, "x": "x" * 1000} for n in range(100)])
    command = [sys.executable, "-c", FULL, str(small.log.path), str(path), str(end)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout.startswith(f"cannot append to {path}: File too large; make room"), run
    assert path.read_bytes() == BEFORE["x.jsonl"]
    assert len([json.loads(line) for line in (tmp_path / "x.jsonl.partial").open()]) == 100
