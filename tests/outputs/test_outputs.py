"""Outputs follow the log, appear whole, hold their files, and fail with a word."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from small_run import SmallRun

from crawler.errors import AlreadyRunning, DiskError, SettingsError, StateError, UsageError
from crawler.outputs import OutputError, Outputs, export
from crawler.settings import Settings


def lines(path: Path) -> list[Any]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def numbers(*range_: int) -> list[dict[str, int]]:
    return [{"n": n} for n in range(*range_)]


async def wait_for(path: Path, count: int) -> None:
    async with asyncio.timeout(10):
        while not path.exists() or path.read_bytes().count(b"\n") < count:
            await asyncio.sleep(0.01)


async def test_outputs_grow_beside_the_crawl_and_appear_whole(small: SmallRun, tmp_path: Path) -> None:
    target = tmp_path / "new" / "out.jsonl"
    outputs = small.outputs(str(target))
    await outputs.start(0)
    task = asyncio.create_task(outputs.run())
    for n in range(3):
        outputs.notify(small.commit(numbers(n * 10, n * 10 + 10)))
        await wait_for(small.path / "items.jsonl", n * 10 + 10)
        await wait_for(tmp_path / "new" / "out.jsonl.partial", n * 10 + 10)
    assert not target.exists()
    assert outputs.states() == {str(target): "writing", str(small.path / "items.jsonl"): "writing"}
    outputs.stop()
    await task
    end = small.commit(numbers(30, 40))
    await outputs.finish(end)
    assert not target.exists()
    await outputs.publish()
    assert outputs.states() == {str(target): "complete", str(small.path / "items.jsonl"): "complete"}
    await outputs.close()
    assert lines(target) == lines(small.path / "items.jsonl") == list(range(40))
    assert [p.name for p in target.parent.iterdir()] == ["out.jsonl"]


async def test_unpublished_the_earlier_file_stays_and_the_partial_is_said(small: SmallRun, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("earlier")
    end = small.commit(numbers(3))
    outputs = small.outputs(str(target))
    await outputs.start(end)
    await outputs.finish(end)
    assert outputs.states()[str(target)] == f"partial: {target}.partial"
    await outputs.close()
    assert target.read_text() == "earlier"
    assert lines(tmp_path / "out.jsonl.partial") == [0, 1, 2]


async def test_recorded_outputs_go_on_and_another_may_be_added(small: SmallRun, tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    end = small.commit(numbers(3))
    outputs = small.outputs(str(one))
    await outputs.start(end)
    await outputs.finish(end)
    small.record(outputs)
    assert set(small.recorded) == {str(one), "items.jsonl"}
    await outputs.close()
    small.commit(numbers(3, 5))
    await small.whole(str(two))
    assert lines(one) == lines(two) == [0, 1, 2, 3, 4]


async def test_relative_paths_are_kept_absolute(
    small: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outputs = small.outputs("x.jsonl", "./x.jsonl")
    monkeypatch.chdir("/")
    await outputs.start(0)
    assert set(outputs.cursors()) == {str(tmp_path / "x.jsonl"), "items.jsonl"}
    await outputs.close()


async def test_a_link_is_written_through(small: SmallRun, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real" / "file.jsonl")
    small.commit(numbers(2))
    await small.whole(str(tmp_path / "link.jsonl"))
    assert (tmp_path / "link.jsonl").is_symlink()
    assert lines(tmp_path / "real" / "file.jsonl") == [0, 1]


async def test_readers_keep_their_rights(small: SmallRun, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.touch()
    target.chmod(0o640)
    await small.whole(str(target))
    assert target.stat().st_mode & 0o777 == 0o640


async def test_a_directory_is_no_output(small: SmallRun, tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(SettingsError, match="is a directory"):
        await small.whole(str(tmp_path / "d.jsonl"))


async def test_a_place_that_cannot_be_written_is_named_before_the_crawl(small: SmallRun, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match=r"cannot make the directory .*/file.*make room or rights"):
        await small.outputs(str(tmp_path / "file" / "out.jsonl")).start(0)


# -- one writer


async def test_a_second_run_on_the_same_file_is_refused(small: SmallRun, tmp_path: Path) -> None:
    target = str(tmp_path / "out.jsonl")
    first = small.outputs(target)
    await first.start(0)
    other = SmallRun(tmp_path / "other")
    with pytest.raises(AlreadyRunning, match=r"another crawl is writing .*/out\.jsonl"):
        await other.outputs(target).start(0)
    # A child that lives on does not hold the file for us.
    command = [sys.executable, "-c", "input()"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, close_fds=False)  # noqa: ASYNC220
    await first.close()
    other.commit(numbers(1))
    await other.whole(target)
    child.communicate(b"\n")
    assert lines(Path(target)) == [0]


FORK = """
import asyncio, os, sys
from pathlib import Path
from crawler.outputs import Outputs
from crawler.settings import Settings
async def start():
    outputs = Outputs(Path(sys.argv[1]), [sys.argv[2]], Settings(), None, {})
    await outputs.start(0)
    return outputs
async def main():
    first = await start()
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(write)
        os.read(read, 1)  # lives on until the parent has seen what it wants
        os._exit(0)
    await first.close()
    await (await start()).close()
    print("free", flush=True)
    os.close(write)
    os.waitpid(pid, 0)
asyncio.run(main())
"""


def test_a_forked_child_does_not_hold_it_either(small: SmallRun, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORK, str(small.log.path), str(tmp_path / "out.jsonl")]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (run.stdout, run.stderr) == ("free\n", "")


# -- failures while it runs


@pytest.mark.parametrize("harm", ["removed", "replaced", "changed"])
async def test_a_file_changed_under_us_is_a_disk_error(small: SmallRun, tmp_path: Path, harm: str) -> None:
    target = tmp_path / "out.jsonl"
    partial = tmp_path / "out.jsonl.partial"
    outputs = small.outputs(str(target))
    await outputs.start(0)
    if harm == "removed":
        partial.unlink()
    elif harm == "replaced":
        partial.unlink()
        partial.touch()
    else:
        partial.write_text("mine" * 100)
    with pytest.raises(DiskError, match=rf"out\.jsonl\.partial was {harm}"):
        await outputs.finish(small.commit(numbers(3)))
    assert outputs.states()[str(target)].startswith("failed: ")
    await outputs.close()
    assert lines(small.path / "items.jsonl") == [0, 1, 2]
    await small.whole(str(target))
    assert lines(target) == [0, 1, 2]


async def test_an_output_that_does_not_fit_leaves_the_others_alone(small: SmallRun, tmp_path: Path) -> None:
    outputs = small.outputs(str(tmp_path / "x.csv"), str(tmp_path / "x.jsonl"))
    await outputs.start(0)
    task = asyncio.create_task(outputs.run())
    outputs.notify(small.commit([{"n": 0}, {"n": 1, "late": 2}]))
    await wait_for(tmp_path / "x.jsonl.partial", 2)
    outputs.notify(small.commit(numbers(2, 4)))
    await wait_for(tmp_path / "x.jsonl.partial", 4)
    assert not task.done()
    outputs.stop()
    await task
    with pytest.raises(OutputError, match=r"x\.csv: the field 'late'"):
        await outputs.finish(small.log.end)
    assert "failed" in outputs.states()[str(tmp_path / "x.csv")]
    await outputs.close()
    assert lines(tmp_path / "x.jsonl.partial") == [0, 1, 2, 3]


async def test_a_changed_log_stops_the_run(small: SmallRun) -> None:
    end = small.commit(numbers(3))
    raw = bytearray(small.log.path.read_bytes())
    raw[40] ^= 1
    small.log.path.write_bytes(raw)
    outputs = small.outputs()
    await outputs.start(end)
    with pytest.raises(StateError, match=r"items\.log was changed at byte 16"):
        await outputs.run()
    await outputs.close()


async def test_a_changed_log_leaves_an_output_that_would_be_written_anew(small: SmallRun) -> None:
    end = small.commit(numbers(3))
    outputs = small.outputs()
    await outputs.start(end)
    await outputs.finish(end)
    await outputs.close()
    raw = bytearray(small.log.path.read_bytes())
    raw[40] ^= 1
    small.log.path.write_bytes(raw)
    before = (small.path / "items.jsonl").read_bytes()
    assert before.count(b"\n") == 3
    with pytest.raises(StateError, match=r"items\.log was changed at byte 16"):
        await small.outputs().start(end)  # without the cursors: from the log's beginning
    assert (small.path / "items.jsonl").read_bytes() == before


async def test_an_edit_that_changes_no_length_is_noticed(small: SmallRun, tmp_path: Path) -> None:
    outputs = small.outputs(str(tmp_path / "x.jsonl"))
    await outputs.start(0)
    await outputs.finish(small.commit(numbers(3)))
    partial = tmp_path / "x.jsonl.partial"
    os.utime(partial, ns=(0, partial.stat().st_mtime_ns - 10**9))  # the clock of files is coarse: an edit a second ago
    with pytest.raises(DiskError, match=r"x\.jsonl\.partial was changed by somebody else"):
        await outputs.finish(small.commit(numbers(3)))
    await outputs.close()


async def test_cancelled_it_still_ends_what_it_writes(small: SmallRun, tmp_path: Path) -> None:
    outputs = small.outputs(str(tmp_path / "x.jsonl.gz"))
    await outputs.start(0)
    outputs.notify(small.commit(numbers(50_000)))
    task = asyncio.create_task(outputs.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    finishing = asyncio.create_task(outputs.finish(small.log.end))
    await asyncio.sleep(0)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    await outputs.publish()
    await outputs.close()
    assert lines(small.path / "items.jsonl") == list(range(50_000))


FULL = """
import asyncio, resource, sys
from pathlib import Path
from crawler.errors import DiskError
from crawler.outputs import Outputs
from crawler.settings import Settings
async def main():
    outputs = Outputs(Path(sys.argv[1]), [sys.argv[3]], Settings(), None, {})
    await outputs.start(0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    outputs.notify(int(sys.argv[2]))
    for call in (outputs.run, lambda: outputs.finish(int(sys.argv[2]))):
        try:
            await call()
        except DiskError as error:
            print(error)
    await outputs.close()
asyncio.run(main())
"""


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv"])
async def test_a_full_disk_is_said_and_the_next_run_goes_on(small: SmallRun, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    end = small.commit([{"n": n, "x": "x" * 1000} for n in range(1000)])
    command = [sys.executable, "-c", FULL, str(small.log.path), str(end), str(target)]
    run = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=30)
    message = f"cannot write {target}.partial: File too large; make room or rights, then run the same command again"
    assert [line.startswith(message) for line in run.stdout.splitlines()] == [True, True], run
    assert not target.exists()
    await small.whole(str(target))
    assert target.read_text().count("x" * 1000) == 1000


# -- a user's sink


class Listing:
    """A sink of the user's own: its position is a count."""

    def __init__(self, target: str = "") -> None:
        self.target = target
        self.calls: list[Any] = []
        self.items: list[Any] = []
        self.fail: Exception | None = None

    async def open(self, target: str, position: bytes | None) -> None:
        self.calls.append(("open", target, position))
        self.items = self.items[: int(position or 0)]

    async def write(self, items: Sequence[Any]) -> None:
        if self.fail:
            raise self.fail
        self.items += items

    async def flush(self) -> bytes:
        return str(len(self.items)).encode()

    async def close(self, complete: bool) -> None:
        self.calls.append(("close", complete))
        if self.target:
            Path(self.calls[0][1]).write_text(str(len(self.items)))


async def test_a_users_sink_is_gone_on_with(small: SmallRun) -> None:
    sink = Listing()
    end = small.commit(numbers(3))
    outputs = small.outputs(sink)
    await outputs.start(end)
    await outputs.finish(end)
    small.record(outputs)
    await outputs.close()
    sink.items.append("lost")
    small.commit(numbers(3, 5))
    await small.whole(sink)
    assert sink.items == numbers(5)
    assert sink.calls == [("open", "", None), ("close", False), ("open", "", b"3"), ("close", True)]


async def test_a_users_sink_with_a_target_has_it_renamed(small: SmallRun, tmp_path: Path) -> None:
    sink = Listing(str(tmp_path / "x.txt"))
    small.commit(numbers(3))
    await small.whole(sink)
    assert sink.calls[0] == ("open", str(tmp_path / "x.txt.partial"), None)
    assert (tmp_path / "x.txt").read_text() == "3"
    await small.whole()  # a recorded sink that is no longer given is left alone
    assert (tmp_path / "x.txt").read_text() == "3"


@pytest.mark.parametrize("error", [ValueError("no such table"), ConnectionResetError("database went away")])
async def test_a_users_sink_that_raises_is_named_with_its_line(small: SmallRun, error: Exception) -> None:
    sink = Listing()
    sink.fail = error
    small.commit(numbers(1))
    with pytest.raises(OutputError, match=rf"output .*Listing failed: {type(error).__name__}: {error} \(.*\.py:\d+\)"):
        await small.whole(sink)


async def test_two_sinks_of_one_class_are_two_outputs(small: SmallRun) -> None:
    one, two = Listing(), Listing()
    small.commit(numbers(2))
    await small.whole(one, two)
    assert one.items == two.items == numbers(2)
    assert len(small.recorded) == 3


# -- standard output


async def test_stdout_gets_what_this_process_committed(small: SmallRun, capfd: pytest.CaptureFixture[str]) -> None:
    before = small.commit(numbers(3))
    outputs = small.outputs("-", "-")
    await outputs.start(before)
    await outputs.finish(small.commit(numbers(3, 5)))
    assert "-" not in outputs.cursors()
    await outputs.publish()
    assert outputs.states()["-"] == "complete"
    await outputs.close()
    assert capfd.readouterr().out == '{"n":3}\n{"n":4}\n'


PRINT = """
import asyncio, sys
from pathlib import Path
from crawler.outputs import Outputs
from crawler.settings import Settings
async def main():
    outputs = Outputs(Path(sys.argv[1]), ["-", sys.argv[3]], Settings(), None, {})
    await outputs.start(0)
    try:
        await outputs.finish(int(sys.argv[2]))
    except BrokenPipeError:
        print("closed", file=sys.stderr)
    finally:
        await outputs.close()
asyncio.run(main())
"""


def test_a_closed_pipe_is_said_and_the_other_outputs_are_whole(small: SmallRun, tmp_path: Path) -> None:
    end = small.commit([{"n": n, "x": "x" * 1000} for n in range(2000)])
    command = [sys.executable, "-c", PRINT, str(small.log.path), str(end), str(tmp_path / "x.jsonl")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b'{"n":0,')
    process.stdout.close()
    process.stdout = None
    assert process.communicate(timeout=30)[1] == b"closed\n"
    assert process.returncode == 0
    assert lines(tmp_path / "x.jsonl.partial") == list(range(2000))


async def test_a_reader_that_does_not_read_can_be_given_up(small: SmallRun, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    end = small.commit([{"n": n, "x": "x" * 1000} for n in range(2000)])
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        outputs = small.outputs("-")
        await outputs.start(0)
        finishing = asyncio.create_task(outputs.finish(end))
        await wait_for(small.path / "items.jsonl", 2000)
        assert not finishing.done()
        outputs.give_up()
        await finishing
        await outputs.close()
    os.close(read)


# -- export


async def test_export_while_the_run_goes_on(small: SmallRun, tmp_path: Path) -> None:
    committed = small.commit(numbers(3))
    small.commit(numbers(3, 6))
    csv, gz = tmp_path / "x.csv", tmp_path / "x.json.gz"
    states = await export(small.path, committed, [str(csv), str(gz)], Settings())
    assert states == {str(csv): "complete", str(gz): "complete"}
    assert csv.read_bytes() == b"n\r\n0\r\n1\r\n2\r\n"
    assert not (small.path / "items.jsonl").exists()
    await export(small.log.path, committed, [str(csv)], Settings(append=True))
    assert csv.read_bytes() == b"n\r\n" + b"0\r\n1\r\n2\r\n" * 2


async def test_export_to_stdout_is_the_whole_run(small: SmallRun, capfd: pytest.CaptureFixture[str]) -> None:
    await export(small.path, small.commit(numbers(2)), ["-"], Settings())
    assert capfd.readouterr().out == '{"n":0}\n{"n":1}\n'


async def test_export_of_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no item log"):
        await export(tmp_path, 0, ["x.csv"], Settings())


def test_outputs_are_checked_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        Outputs(tmp_path / "log", ["a.jsonl", "b.foo"], Settings(), tmp_path, {})
    assert list(tmp_path.iterdir()) == []
