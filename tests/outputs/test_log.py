"""The item log: framed, checked, cut back, never extended."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from crawler.codec import decode_item, encode_item
from crawler.contracts import ItemRecord
from crawler.errors import DiskError, StateError
from crawler.outputs import ItemLog, read_frames


def rec(item: dict[str, object], ordinal: int = 1, key: bytes = b"k" * 16) -> tuple[bytes, ItemRecord]:
    name, fields, raw = encode_item(item)
    return key, ItemRecord(ordinal, name, fields, raw)


def items(path: Path, end: int, start: int = 0) -> list[object]:
    return [decode_item(record.raw) for frame in read_frames(path, start, end) for record in frame.records]


def test_what_is_appended_is_read_frame_by_frame(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "log")
    first = log.append(1, [rec({"a": 1}), rec({"b": 2}, 2, b"")])
    second = log.append(7, [rec({"a": 3}, 5)])
    assert second == log.end == log.path.stat().st_size
    one, two = read_frames(log.path, 0, second)
    assert (one.commit, one.end, two.commit, two.start, two.end) == (1, first, 7, first, second)
    assert one.types == [("dict", ("a",)), ("dict", ("b",))]
    assert [(r.key, r.ordinal, r.type) for r in one.records] == [(b"k" * 16, 1, 0), (b"", 2, 1)]
    assert items(log.path, second, first) == [{"a": 3}]
    assert items(log.path, first) == [{"a": 1}, {"b": 2}]
    assert items(log.path, 0) == []


def test_a_commit_without_items_adds_nothing(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "log")
    assert log.append(1, []) == log.end == log.path.stat().st_size


def test_a_large_commit_is_several_frames_of_one_number(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "log")
    end = log.append(3, [rec({"n": n, "x": "x" * 1_000_000}) for n in range(10)])
    frames = list(read_frames(log.path, 0, end))
    assert len(frames) > 1
    assert {frame.commit for frame in frames} == {3}
    assert [decode_item(r.raw)["n"] for f in frames for r in f.records] == list(range(10))


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "log")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_cut_takes_off_what_was_not_committed(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "log")
    kept = log.append(1, [rec({"a": 1})])
    log.append(2, [rec({"a": 2})])
    log.close()
    with log.path.open("ab") as file:
        file.write(b"torn")
    again = ItemLog(log.path)
    again.cut(kept)
    assert again.append(2, [rec({"a": 3})]) == log.path.stat().st_size
    assert items(log.path, again.end) == [{"a": 1}, {"a": 3}]
    again.cut(0)
    assert again.append(1, [rec({"a": 4})]) > 0
    assert items(log.path, again.end) == [{"a": 4}]


def test_it_is_never_extended(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "log")
    end = log.append(1, [rec({"a": 1})])
    log.close()
    os.truncate(log.path, end - 1)
    again = ItemLog(log.path)
    with pytest.raises(StateError, match="shorter than recorded"):
        again.cut(end)
    assert log.path.stat().st_size == end - 1


@pytest.mark.parametrize("size", range(17))
def test_a_head_that_was_cut_off_by_a_kill_is_written_again(tmp_path: Path, size: int) -> None:
    ItemLog(tmp_path / "log").close()
    os.truncate(tmp_path / "log", size)
    log = ItemLog(tmp_path / "log")
    end = log.append(1, [rec({"a": 1})])
    assert items(log.path, end) == [{"a": 1}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "no item log"),
        (b"something else that is long enough", "no item log"),
        (b"\x89ITEMS\r\n\x02\0\0\0\0\0\0\0", "newer version"),
    ],
)
def test_a_foreign_or_newer_file_is_refused_and_kept(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(StateError, match=message):
        ItemLog(path)
    assert path.read_bytes() == content


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "log")
    end = log.append(1, [rec({"a": 1})])
    good = log.path.read_bytes()
    for n in range(16, end):
        log.path.write_bytes(good[:n] + bytes([good[n] ^ 0x40]) + good[n + 1 :])
        with pytest.raises(StateError, match=r"was changed at byte 16"):
            items(log.path, end)
    log.path.write_bytes(good[:-1])
    with pytest.raises(StateError, match="ends too early"):
        items(log.path, end)


def test_a_frame_across_the_committed_end_is_an_error(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "log")
    end = log.append(1, [rec({"a": 1})])
    with pytest.raises(StateError, match="goes over the committed end"):
        items(log.path, end - 1)


def test_a_checksum_is_not_enough_for_a_foreign_payload(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "log")
    rest = (9).to_bytes(8, "little") + b"\xc1"
    with log.path.open("ab") as file:
        file.write((1).to_bytes(4, "little") + zlib.crc32(rest).to_bytes(4, "little") + rest)
    with pytest.raises(StateError, match="was changed"):
        items(log.path, log.path.stat().st_size)


def test_it_is_read_up_to_the_committed_end_while_it_grows(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "log")
    end = log.append(1, [rec({"a": 1})])
    reader = read_frames(log.path, 0, end)
    log.append(2, [rec({"a": 2})])
    assert [decode_item(r.raw) for f in reader for r in f.records] == [{"a": 1}]


def test_a_file_that_was_changed_or_removed_under_us_takes_nothing_more(tmp_path: Path) -> None:
    log = ItemLog(tmp_path / "one")
    with log.path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(StateError, match="was changed while"):
        log.append(1, [rec({"a": 1})])
    with pytest.raises(StateError, match="takes no more items"):
        log.append(1, [rec({"a": 1})])
    gone = ItemLog(tmp_path / "two")
    gone.path.unlink()
    with pytest.raises(StateError, match="was removed"):
        gone.append(1, [rec({"a": 1})])


def test_a_missing_directory_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"cannot open .*/none/log: No such file"):
        ItemLog(tmp_path / "none" / "log")


FULL = """
import resource, signal, sys
from pathlib import Path
from crawler.errors import DiskError, StateError
from crawler.outputs import ItemLog
sys.path.insert(0, sys.argv[2])
from test_log import rec
log = ItemLog(Path(sys.argv[1]))
end = log.append(1, [rec({"a": 1})])
resource.setrlimit(resource.RLIMIT_FSIZE, (end + 100, resource.RLIM_INFINITY))
try:
    log.append(2, [rec({"a": "x" * 1000})])
except DiskError as error:
    assert "make room" in str(error), error
    assert log.end == end and log.path.stat().st_size > end  # a short write, then the refusal
    try:
        log.append(3, [rec({"a": 3})])
    except StateError:
        print(end)
"""


def test_a_full_disk_stops_it_and_the_committed_part_is_whole(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "log"), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    end = int(run.stdout)
    log = ItemLog(tmp_path / "log")
    log.cut(end)
    log.append(2, [rec({"a": 2})])
    assert items(log.path, log.end) == [{"a": 1}, {"a": 2}]
