"""A sink that writes a file: any format, plain or gzip (RFC 1952), through aiofiles in batches.

A position is an offset at which the file can be cut and gone on with, and a digest of what stands
before it, so that a file which somebody replaced is noticed and written anew. A gzip file is a row
of members; each flush ends one, so a position is always the end of a member. The head (a CSV's
header) is a member of its own, so that an appended copy can leave it out.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiofiles
import msgspec

from crawler.errors import DiskError
from crawler.outputs.failure import PositionLost

__all__ = ["TAIL", "FileSink", "Format", "Position", "tail_digest"]

T = TypeVar("T")
TAIL = 65_536  # bytes before a position that its digest is made of
_LEVEL = 6


class Format(Protocol):
    """How items become bytes. Plain code without I/O; its calls come in order."""

    @property
    def state(self) -> bytes:
        """What it must know to go on where it is, at most 800 bytes."""
        ...

    def restore(self, state: bytes, head: bytes) -> None:
        """Goes on in a file with this head; raises PositionLost where it cannot."""
        ...

    def describe(self, type_name: str, fields: Sequence[str]) -> None:
        """Items of this type, with these declared fields, come next."""
        ...

    def head(self, items: Sequence[Any]) -> bytes | None:
        """What stands before the first item; None while that is not known. `items` come next."""
        ...

    def encode(self, items: Sequence[Any]) -> bytes:
        """The items, to be put behind what there is."""
        ...

    def foot(self) -> bytes:
        """What stands after the last item."""
        ...


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a file can be gone on with: what `FileSink.flush` gives, as MessagePack."""

    offset: int
    """Bytes."""
    body: int
    """Bytes of the head; -1: it is not written yet."""
    tail: bytes
    """Digest of the last `TAIL` bytes before the offset."""
    state: bytes
    """The format's."""


def tail_digest(tail: bytes) -> bytes:
    """16 bytes that tell the end of one file from another's."""
    return hashlib.blake2b(tail, digest_size=16).digest()


class FileSink:
    """One file in one format (contracts.Sink). `open` raises PositionLost for a position that is no more.

    OSError passes through; after one only `close` is of use, and it does not touch the content.
    """

    def __init__(self, form: Format, *, gzip: bool = False, executor: Executor | None = None) -> None:
        self._format = form
        self._gzip = gzip
        self._executor = executor
        self._file: Any = None
        self._path = Path()
        self._offset = 0
        self._changed = 0  # when we last changed the file; 0: not yet
        self._body = -1
        self._tail = b""
        self._member: Any = None
        self._broken = False

    @property
    def body(self) -> int:
        """Bytes of the head, which an appended copy leaves out."""
        return max(self._body, 0)

    async def open(self, target: str, position: bytes | None) -> None:
        """Begins the file anew, or cuts it back to the position."""
        self._path = Path(target)
        at = None if position is None else _decode_position(position)
        if at is None:
            self._file = await aiofiles.open(target, "w+b", buffering=0, executor=self._executor)
            self._offset, self._body, self._tail = 0, -1, b""
            await self._write_head(())
            return
        try:
            self._file = await aiofiles.open(target, "r+b", buffering=0, executor=self._executor)
        except FileNotFoundError:
            raise PositionLost(f"{target} is gone") from None
        try:
            await self._go_back(at)
        except BaseException:
            await self._file.close()
            self._file = None
            raise

    def describe(self, type_name: str, fields: Sequence[str]) -> None:
        """Says, ahead of its items, which fields a type declares."""
        self._format.describe(type_name, fields)

    async def write(self, items: Sequence[Any]) -> None:
        """Appends the items."""
        if self._body < 0:
            await self._write_head(items)
        await self._put(await self._in_thread(self._encode, items))

    async def flush(self) -> bytes:
        """Syncs the file. Raises DiskError if somebody else changed or removed it."""
        await self._put(self._end_member())
        await self._sync()
        position = Position(self._offset, self._body, tail_digest(self._tail), self._format.state)
        return msgspec.msgpack.encode(position)

    async def close(self, complete: bool) -> None:
        """Puts the foot, so that also an incomplete file is well-formed, and closes it."""
        if self._file is None:
            return
        try:
            if not self._broken:
                foot = self._compress(self._format.foot())
                await self._put(foot + self._end_member(even_empty=self._offset == 0))
                if complete:
                    await self._sync()
        finally:
            await self._file.close()
            self._file = None

    async def _go_back(self, at: Position) -> None:
        size = await self._file.seek(0, os.SEEK_END)
        start = max(0, at.offset - TAIL)
        await self._file.seek(start)
        tail = await self._read(at.offset - start)
        if size < at.offset or tail_digest(tail) != at.tail:
            raise PositionLost(f"{self._path} is another file now")
        await self._file.seek(0)
        head = await self._read(max(at.body, 0))
        self._format.restore(at.state, zlib.decompress(head, 31) if self._gzip and head else head)
        await self._file.truncate(at.offset)
        await self._file.seek(at.offset)
        self._offset, self._body, self._tail = at.offset, at.body, tail

    async def _read(self, size: int) -> bytes:
        parts = []
        while size > 0 and (part := await self._file.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    async def _write_head(self, items: Sequence[Any]) -> None:
        head = self._format.head(items)
        if head is not None:
            await self._put(self._compress(head) + self._end_member())
            self._body = self._offset

    def _encode(self, items: Sequence[Any]) -> bytes:
        return self._compress(self._format.encode(items))

    def _compress(self, content: bytes) -> bytes:
        if not self._gzip or not content:
            return content
        if self._member is None:
            self._member = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)  # 31: with gzip's header and trailer
        compressed: bytes = self._member.compress(content)
        return compressed

    def _end_member(self, *, even_empty: bool = False) -> bytes:
        if even_empty and self._gzip and self._member is None:  # no bytes at all are no gzip file
            self._member = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
        if self._member is None:
            return b""
        rest: bytes = self._member.flush()
        self._member = None
        return rest

    async def _put(self, content: bytes) -> None:
        self._broken = True  # until all has gone well
        _check_own(self._file.fileno(), self._path, self._offset, self._changed)  # else zeros would fill a hole
        view = memoryview(content)
        while view:
            view = view[await self._file.write(view) :]
        self._changed = os.fstat(self._file.fileno()).st_mtime_ns
        self._offset += len(content)
        self._tail = (self._tail + content)[-TAIL:]
        self._broken = False

    async def _sync(self) -> None:
        self._broken = True
        await self._in_thread(_sync_untouched, self._file.fileno(), self._path, self._offset, self._changed)
        self._broken = False

    async def _in_thread(self, call: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *args)


def _decode_position(position: bytes) -> Position:
    try:
        return msgspec.msgpack.decode(position, type=Position)
    except msgspec.MsgspecError:
        raise PositionLost("the position is of another version") from None


def _sync_untouched(fd: int, path: Path, size: int, changed: int) -> None:
    os.fsync(fd)
    own = os.fstat(fd)
    try:
        there = path.stat()
    except FileNotFoundError:
        raise DiskError(f"{path} was removed while it was written; run the same command again") from None
    if not os.path.samestat(own, there):
        raise DiskError(f"{path} was replaced by another file while it was written; run the same command again")
    _check_own(fd, path, size, changed)


def _check_own(fd: int, path: Path, size: int, changed: int) -> None:
    """That nobody else wrote: by length, and by the time of the last change where that was ours."""
    there = os.fstat(fd)
    if there.st_size != size or (changed and there.st_mtime_ns != changed):
        how = f" ({there.st_size} bytes, not {size})" if there.st_size != size else ""
        raise DiskError(
            f"{path} was changed by somebody else while it was written{how}; move it away and run the same command "
            "again: it is written anew"
        )
