"""Content codings (RFC 9110 §8.4): gzip, deflate, br and zstd, undone while the body comes in.

Written because no reader of ours may hold more than it was allowed to: a few kilobytes of any of these
codings can stand for gigabytes. Every step below is told how much room is left and stops within
it, or little above it.

What is read: chains of at most three codings; gzip of several members (RFC 1952 §2.2), zstd of several
frames (RFC 8878 §3.1); bytes behind the end of a gzip, deflate or zstd stream, which servers append
by mistake, are dropped as gzip(1) drops them. What is refused: a stream that ends before its end, and
registered codings that we never asked for. A name that is no coding at all ("utf-8", "none") changes
nothing, as in browsers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import brotli
import zstandard

__all__ = ["ACCEPT_ENCODING", "Broken", "Decoder", "codings", "gunzip"]

ACCEPT_ENCODING: Final = "gzip, deflate, br, zstd"
"""The request header that names exactly what is decoded here."""

_LONGEST_CHAIN: Final = 3
_ALIASES: Final = {"x-gzip": "gzip"}
_READ: Final = frozenset({"gzip", "deflate", "br", "zstd"})
# The rest of IANA's "HTTP Content Coding Registry": real codings, so the body is not what it seems.
_NOT_READ: Final = frozenset({"aes128gcm", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"})


class Broken(Exception):
    """The body does not hold what its Content-Encoding says. The message is the end of a sentence
    that begins with "the body"."""


def codings(headers: Iterable[str]) -> tuple[str, ...]:
    """The codings that Content-Encoding headers name, in the order in which they were applied.

    Raises Broken for a coding that we cannot read, and for a longer chain than anybody makes.
    """
    named = [name.strip().lower() for header in headers for name in header.split(",")]
    chain = tuple(_ALIASES.get(name, name) for name in named if name in _READ or name in _ALIASES)
    for name in named:
        if name in _NOT_READ:
            raise Broken(f"is coded as {name}, which was not asked for and is not read")
    if len(chain) > _LONGEST_CHAIN:
        raise Broken(f"is coded {len(chain)} times over; at most {_LONGEST_CHAIN} are undone")
    return chain


def gunzip(body: bytes, limit: int) -> bytes | None:
    """A whole gzip body of one member in one call: nine pages in ten. None: take the careful way."""
    engine = zlib.decompressobj(_GZIP)
    try:
        decoded = engine.decompress(body, limit + 1)
    except zlib.error:
        return None
    return decoded if engine.eof and not engine.unused_data and len(decoded) <= limit else None


class Decoder:
    """Undoes a chain of codings for one body.

    `feed` takes what came from the wire, in order, and returns what is readable now. Once it has
    returned more than `limit` bytes in all, or a coding within the chain has grown beyond bounds,
    `over` is true and nothing more should be fed. `finish` raises Broken when the end is missing.
    """

    def __init__(self, chain: tuple[str, ...], limit: int) -> None:
        self.over = False
        self._stages = [_STAGES[name]() for name in reversed(chain)]
        # What one coding gives to the next is held in memory too, and packed data that does not
        # pack is a little larger than what it stands for.
        self._rooms = [wire_limit(limit)] * (len(chain) - 1) + [limit]
        self._empty = True

    def feed(self, data: bytes) -> bytes:
        """The next decoded bytes, maybe none. Raises Broken for data that is not of its coding."""
        if data:
            self._empty = False
        for index, stage in enumerate(self._stages):
            try:
                data = stage.feed(data, self._rooms[index])
            except (zlib.error, brotli.error, zstandard.ZstdError):
                raise Broken(f"is not valid {stage.name}, although its Content-Encoding says so") from None
            self._rooms[index] -= len(data)
            if self._rooms[index] < 0:
                self.over = True
        return data

    def finish(self) -> None:
        """Checks that every stream came to its end; no body at all is an empty one. Raises Broken."""
        if self._empty:
            return
        for stage in self._stages:
            if not stage.complete:
                raise Broken(f"was cut short: its {stage.name} data ends too early")


def wire_limit(limit: int) -> int:
    """The most bytes that a packed form of `limit` bytes may have: blocks that do not pack cost at
    most 5 bytes in 16 KiB (RFC 1951 §3.2.4, RFC 7932 §9.2, RFC 8878 §3.1.1.2), headers a few more."""
    return limit + (limit >> 8) + 4096


class _Stage(Protocol):
    name: str
    complete: bool

    def feed(self, data: bytes, room: int) -> bytes:
        """Decodes all of `data`; where that is more than `room` bytes, stops soon after `room`."""
        ...


class _Stream(Protocol):
    """One gzip member or zstd frame, in the manner of zlib's objects."""

    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


# -- gzip and zstd: streams that may follow one another

_GZIP: Final = 16 + zlib.MAX_WBITS
_SLICE: Final = 16 * 1024


class _Sequence:
    """Streams in a row, each begun by a magic number; what follows and has none is dropped."""

    def __init__(
        self, name: str, begin: Callable[[], _Stream], magic_length: int, is_magic: Callable[[bytes], bool]
    ) -> None:
        self.name = name
        self.complete = False
        self._begin = begin
        self._stream: _Stream | None = begin()
        self._magic_length = magic_length
        self._is_magic = is_magic
        self._undecided = b""
        self._dropping = False

    def feed(self, data: bytes, room: int) -> bytes:
        if len(data) <= _SLICE:
            return self._feed(data, room)
        # A stream's end copies all that is behind it; a megabyte of empty members must not make
        # that a thousand copies of a megabyte.
        pieces = []
        for start in range(0, len(data), _SLICE):
            piece = self._feed(data[start : start + _SLICE], room)
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                break
        return b"".join(pieces)

    def _feed(self, data: bytes, room: int) -> bytes:
        pieces: list[bytes] = []
        while data and room >= 0:
            if self._stream is None:
                data = self._next(data)
                if self._stream is None:
                    break
            piece = self._stream.decompress(data, room + 1)
            if piece:
                pieces.append(piece)
                room -= len(piece)
            if not self._stream.eof:
                break  # all of it was read, or there is no room: the caller stops
            data = self._stream.unused_data
            self._stream = None
            self.complete = True
        return b"".join(pieces)

    def _next(self, data: bytes) -> bytes:
        """Begins another stream if these bytes do; a magic number may be cut in two by the network."""
        if self._dropping:
            return b""
        data = self._undecided + data
        if self._undecided == b"":
            data = data.lstrip(b"\0")  # padding to a block of tape, which tar still writes
        if len(data) < self._magic_length:
            self._undecided = data
            return b""
        self._undecided = b""
        if not self._is_magic(data):
            self._dropping = True
            return b""
        self._stream = self._begin()
        self.complete = False
        return data


def _gzip() -> _Stage:
    def begin() -> Any:
        return zlib.decompressobj(_GZIP)

    return _Sequence("gzip", begin, 3, lambda data: data.startswith(b"\x1f\x8b\x08"))


_ZSTD_WINDOW: Final = 8 * 1024 * 1024  # the largest that HTTP allows (RFC 9659 §3)


class _ZstdFrame:
    """One zstd frame that can be told to stop, which the library's own object cannot.

    A block is at least 4 bytes on the wire and at most 128 KiB unpacked (RFC 8878 §3.1.1.2), so
    n bytes give at most 32 KiB times n: the data goes in by pieces that the room has room for, of
    256 bytes at the least.
    """

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        pieces, got, at = [], 0, 0
        while at < len(data) and got < max_length and not self.eof:
            step = max(256, (max_length - got) >> 15)
            piece = self._frame.decompress(data[at : at + step])
            at += step
            got += len(piece)
            pieces.append(piece)
            self.eof = self._frame.eof
        if self.eof:
            self.unused_data = self._frame.unused_data + data[at:]
        return b"".join(pieces)


def _zstd() -> _Stage:
    def is_magic(data: bytes) -> bool:  # a frame, or a skippable one
        return data.startswith(b"\x28\xb5\x2f\xfd") or (data[0] >> 4 == 5 and data[1:4] == b"\x2a\x4d\x18")

    return _Sequence("zstd", _ZstdFrame, 4, is_magic)


# -- deflate and br: one stream


class _Deflate:
    """ "deflate" means zlib (RFC 1950), and some servers send bare deflate data (RFC 1951) for it.

    Two bytes tell them apart: as bare data a zlib header would be a stored block whose padding bits
    are set, which nothing writes.
    """

    name = "deflate"

    def __init__(self) -> None:
        self.complete = False
        self._engine: Any = None
        self._head = b""

    def feed(self, data: bytes, room: int) -> bytes:
        if self._engine is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return b""
            is_zlib = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
            self._engine = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        if self.complete:
            return b""
        decoded: bytes = self._engine.decompress(data, room + 1)
        self.complete = self._engine.eof
        return decoded


class _Brotli:
    """Brotli (RFC 7932). Its library cannot tell bytes behind the end from broken data: both are Broken."""

    name = "br"

    def __init__(self) -> None:
        self.complete = False
        self._engine = brotli.Decompressor()

    def feed(self, data: bytes, room: int) -> bytes:
        pieces: list[bytes] = []
        if self.complete or not data:
            return b""
        while room >= 0:
            piece = self._engine.process(data, output_buffer_limit=room + 1)
            pieces.append(piece)
            room -= len(piece)
            data = b""
            if self._engine.is_finished() or self._engine.can_accept_more_data():
                break
        self.complete = self._engine.is_finished()
        return b"".join(pieces)


_STAGES: Final[dict[str, Callable[[], _Stage]]] = {
    "gzip": _gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _zstd,
}
