"""The item log: the one exact file of a run. Outputs are projections of it.

Append-only, one writer, any number of readers. All numbers are little-endian.

    file     head, frame, frame, …
    head     16 bytes: the magic "\\x89ITEMS\\r\\n", u32 version (1), u32 zero
    frame    u32 length of the payload, u32 CRC-32 of what follows (zlib), u64 commit number, payload
    payload  MessagePack [types, records]; a frame is read without any other
             types    [[type name, [field, …]], …]
             records  [[page key (16 bytes, empty for none), ordinal, index into types, item (bin)], …]

The log does not know where it ends: the store records that with the commit. What lies behind the
recorded end was never committed, and is cut off at the next start. A commit with many items is
several frames of one number, so that a reader's memory stays bounded.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from crawler.contracts import ItemRecord
from crawler.durable import sync_directory
from crawler.errors import StateError
from crawler.outputs.failure import disk_error

__all__ = ["Frame", "ItemLog", "Record", "check_frames", "last_commit", "read_frames"]

_VERSION = 1
_MAGIC = b"\x89ITEMS\r\n"
_HEAD = _MAGIC + struct.pack("<II", _VERSION, 0)
_FRAME = struct.Struct("<IIQ")
_NUMBER = struct.Struct("<Q")
_FRAME_BYTES = 4 * 1024 * 1024  # of items in a frame, about

_datasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One item: the key of its page, its place among the page's yields, its type, its MessagePack."""

    key: bytes
    ordinal: int
    type: int
    """Index into the frame's types."""
    raw: bytes


class _Payload(msgspec.Struct, frozen=True, array_like=True):
    types: list[tuple[str, tuple[str, ...]]]
    records: list[Record]


@dataclass(slots=True, frozen=True)
class Frame:
    """Items that were committed together; `start` and `end` are positions in the log, in bytes."""

    commit: int
    start: int
    end: int
    types: list[tuple[str, tuple[str, ...]]]
    """Type name and declared fields."""
    records: list[Record]


_encode = msgspec.msgpack.Encoder(enc_hook=str).encode  # a dict's keys may be of a subclass of str
_decode = msgspec.msgpack.Decoder(_Payload).decode


class ItemLog:
    """The writer. Made on open, owner-only; `durable` syncs every append.

    Not for two threads at once: the committer's thread writes, others read files. Raises DiskError,
    and StateError for a file that is no item log or of a newer version.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._failed = False
        self._changed = 0  # when we last changed the file; 0: not yet
        self._fd = -1
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            size = os.fstat(self._fd).st_size
            self._check_head(size)
            if size < len(_HEAD):  # new, or its maker was killed at this line
                os.ftruncate(self._fd, 0)
                _write_all(self._fd, _HEAD, 0)
                os.fsync(self._fd)
                sync_directory(path.parent)
                size = len(_HEAD)
        except OSError as error:
            self.close()
            raise disk_error(path, error, "open") from None
        except StateError:
            self.close()
            raise
        self.end = size
        """The log's length in bytes: of what was appended, or cut back to."""

    def cut(self, length: int) -> None:
        """Takes off what lies behind the recorded length (0: all), which was never committed.

        Raises StateError when the file is shorter: it is never extended, since what is missing is gone.
        """
        length = max(length, len(_HEAD))
        if length > self.end:
            raise StateError(
                f"{self.path} is shorter than recorded ({self.end} bytes, not {length}): it was cut or replaced. "
                f"Put the right file back, or move {self.path.parent} away to begin anew"
            )
        try:
            if length < self.end:
                os.ftruncate(self._fd, length)
                os.fsync(self._fd)
                self._changed = os.fstat(self._fd).st_mtime_ns
        except OSError as error:
            raise disk_error(self.path, error, "cut") from None
        self.end = length

    def append(self, commit: int, records: Sequence[tuple[bytes, ItemRecord]]) -> int:
        """Writes a commit's items (page key, item) and returns the new end. Synced if durable.

        Raises DiskError (what was written of them lies behind the committed end) and StateError when
        somebody else changed the file; after either it refuses every further append, since a failed
        sync must not be tried again.
        """
        if self._failed or self._fd < 0:
            raise StateError(f"{self.path} takes no more items: an earlier write failed, or it is closed")
        if not records:
            return self.end
        self._failed = True  # until all has gone well
        end = self.end
        try:
            self._check_untouched()
            for payload in _payloads(records):
                rest = _NUMBER.pack(commit) + payload
                frame = _FRAME.pack(len(payload), zlib.crc32(rest), commit) + payload
                _write_all(self._fd, frame, end)
                end += len(frame)
            if self._durable:
                _datasync(self._fd)
        except OSError as error:
            raise disk_error(self.path, error) from None
        self._failed = False
        self._changed = os.fstat(self._fd).st_mtime_ns
        self.end = end
        return end

    def sync(self) -> None:
        """Makes durable what was appended without it. Raises DiskError."""
        try:
            _datasync(self._fd)
        except OSError as error:
            self._failed = True
            raise disk_error(self.path, error) from None

    def close(self) -> None:
        """Gives the file back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _check_head(self, size: int) -> None:
        head = os.pread(self._fd, len(_HEAD), 0)
        if size < len(_HEAD) and _HEAD.startswith(head):
            return
        _check_head(head, self.path)

    def _check_untouched(self) -> None:
        now = os.fstat(self._fd)
        try:
            what = "" if os.path.samestat(now, self.path.stat()) else "replaced"  # outputs read by the path
        except FileNotFoundError:
            what = "removed"
        if not what and (now.st_size != self.end or (self._changed and now.st_mtime_ns != self._changed)):
            what = "changed"
        if what:
            raise StateError(
                f"{self.path} was {what} while the crawl was writing it ({now.st_size} bytes, {self.end} written); "
                "nothing more is. Put the right file back and run the same command again, or begin anew with --fresh"
            )


def read_frames(
    path: Path, start: int, end: int, *, holding: Collection[bytes] = (), decode: bool = True
) -> Iterator[Frame]:
    """The frames between two positions; `start` is 0 or the end of a frame. With `holding` only those that
    have one of these byte strings in them; the others are neither decoded nor checked. Without `decode` all
    are checked and none is given.

    Up to the committed end it may be read while it is written. Raises StateError where the bytes are
    not what was committed, DiskError where they cannot be read.
    """
    position = max(start, len(_HEAD))
    if position >= end:
        return
    try:
        with path.open("rb") as file:
            _check_head(file.read(len(_HEAD)), path)
            file.seek(position)
            while position < end:
                header = file.read(_FRAME.size)
                if len(header) < _FRAME.size:
                    raise _changed(path, position, "it ends too early")
                length, crc, commit = _FRAME.unpack(header)
                after = position + _FRAME.size + length
                if after > end:
                    raise _changed(path, position, "a frame goes over the committed end")
                payload = file.read(length)
                if len(payload) < length:
                    raise _changed(path, position, "it ends too early")
                if holding and not any(part in payload for part in holding):
                    position = after
                    continue
                if zlib.crc32(payload, zlib.crc32(header[8:])) != crc:
                    raise _changed(path, position, "a checksum does not match")
                if not decode:
                    position = after
                    continue
                content = _decode(payload)
                yield Frame(commit, position, after, content.types, content.records)
                position = after
    except msgspec.DecodeError as error:
        raise _changed(path, position, str(error)) from None
    except OSError as error:
        raise disk_error(path, error, "read") from None


def check_frames(path: Path, end: int) -> None:
    """Reads all that is committed and compares its checksums, decoding nothing: 1 s a gigabyte or so.

    Raises StateError where the bytes are not what was committed, DiskError where they cannot be read.
    """
    for _ in read_frames(path, 0, end, decode=False):
        pass


def last_commit(path: Path, start: int) -> int:
    """The highest commit number of the frames that are whole from `start` on; 0 for none. Decodes nothing.

    Raises StateError for a file that is no item log, DiskError for one that cannot be read.
    """
    last, position = 0, max(start, len(_HEAD))
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size >= len(_HEAD):
                _check_head(file.read(len(_HEAD)), path)
            while position + _FRAME.size <= size:
                header = os.pread(file.fileno(), _FRAME.size, position)
                length, crc, commit = _FRAME.unpack(header)
                position += _FRAME.size + length
                if position > size:
                    break
                payload = os.pread(file.fileno(), length, position - length)
                if zlib.crc32(payload, zlib.crc32(header[8:])) != crc:
                    break  # torn by a power cut: what follows is none of ours
                last = max(last, commit)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise disk_error(path, error, "read") from None
    return last


def _payloads(records: Sequence[tuple[bytes, ItemRecord]]) -> Iterator[bytes]:
    types: dict[tuple[str, tuple[str, ...]], int] = {}
    rows: list[tuple[bytes, int, int, bytes]] = []
    size = 0
    for key, item in records:
        kind = types.setdefault((item.type_name, item.fields), len(types))
        rows.append((key, item.ordinal, kind, item.raw))
        size += len(item.raw)
        if size >= _FRAME_BYTES:
            yield _encode((list(types), rows))
            types, rows, size = {}, [], 0
    if rows:
        yield _encode((list(types), rows))


def _write_all(fd: int, content: bytes, position: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(fd, view, position)
        view, position = view[written:], position + written


def _check_head(head: bytes, path: Path) -> None:
    if not head.startswith(_MAGIC) or len(head) < len(_HEAD):
        raise StateError(f"{path} is no item log: put the right file back, or begin a new run with --fresh")
    (version,) = struct.unpack_from("<I", head, len(_MAGIC))
    if version > _VERSION:
        raise StateError(f"{path} was made by a newer version of crawler (format {version}): use that one")


def _changed(path: Path, position: int, how: str) -> StateError:
    return StateError(
        f"{path} was changed at byte {position}: {how}. "
        f"Put the right file back, or move {path.parent} away to begin anew"
    )
