"""`--append`: adding a run's whole output to the end of FILE, once, whatever happens in between.

When the run begins, FILE's length and a digest of its end are recorded with the first commit (the
*base*). The run's output grows beside it, in FILE.partial. After the commit that says that the run
has ended, FILE is cut back to its base and the whole output is written behind it. So:

- killed before the append: FILE is as it was;
- killed in the middle: FILE is its base and the beginning of our output. The next start sees just
  that, cuts back and appends again;
- killed after it: FILE is its base and all of our output; appending again gives the same file. The
  partial file is there until the publication is committed, and what it held can be rebuilt;
- the disk fills in the middle: FILE is cut back to its base, the partial file stays;
- FILE is anything else (somebody wrote to it, another run appended): it is not touched, and the
  error says where our output is.

Gzip files are compared by their content, since a rebuilt one has its members cut elsewhere.
"""

from __future__ import annotations

import contextlib
import csv
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from crawler.errors import SettingsError, StateError
from crawler.outputs.csv import parse_header
from crawler.outputs.failure import disk_error
from crawler.outputs.filesink import TAIL, tail_digest

__all__ = ["Base", "append_whole", "existing_header", "record_base"]

_CHUNK = 1024 * 1024


class Base(msgspec.Struct, frozen=True, array_like=True):
    """What FILE was when the run began."""

    length: int
    """Bytes."""
    tail: bytes
    """Digest of its end."""
    glue: bool
    """Its last line lacks the newline, so ours must bring it."""


def record_base(path: Path, *, gzip: bool) -> Base:
    """Looks at FILE; one that does not exist is empty. Raises SettingsError, DiskError."""
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            if gzip and length and file.read(2) != b"\x1f\x8b":
                raise SettingsError(f"cannot append to {path}: it is no gzip file")
            tail = _tail(file, length)
    except FileNotFoundError:
        return Base(0, tail_digest(b""), False)
    except OSError as error:
        raise disk_error(path, error, "read") from None
    return Base(length, tail_digest(tail), not gzip and length > 0 and not tail.endswith(b"\n"))


def existing_header(path: Path, base: Base, *, gzip: bool) -> tuple[str, ...] | None:
    """The columns of a CSV file that is appended to; None for an empty one. Raises SettingsError."""
    if base.length == 0:
        return None
    try:
        with path.open("rb") as file:
            start = next(_content(file, 0, gzip=gzip), b"")[:TAIL]
        return parse_header(start)
    except (csv.Error, _Torn):
        raise SettingsError(f"cannot append to {path}: its header cannot be read") from None
    except OSError as error:
        raise disk_error(path, error, "read") from None


def append_whole(path: Path, base: Base, partial: Path, skip: int, *, gzip: bool) -> None:
    """Makes FILE its base followed by the partial file (from byte `skip` on where the base has a head).

    Raises StateError when FILE changed meanwhile, DiskError; FILE is its base then.
    """
    skip = skip if base.length else 0
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise disk_error(path, error) from None
    with os.fdopen(fd, "r+b") as file, partial.open("rb") as ours:
        _check_ours(file, path, base, ours, skip, gzip=gzip)
        try:
            file.truncate(base.length)
            file.seek(base.length)
            if base.glue:
                file.write(b"\n")
            ours.seek(skip)
            while chunk := ours.read(_CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                file.truncate(base.length)
                os.fsync(file.fileno())
            raise disk_error(path, error, "append to") from None


class _Torn(Exception):
    """Bytes that are no gzip data."""


def _check_ours(file: BinaryIO, path: Path, base: Base, ours: BinaryIO, skip: int, *, gzip: bool) -> None:
    length = os.fstat(file.fileno()).st_size
    same = length >= base.length and tail_digest(_tail(file, base.length)) == base.tail
    if same and length > base.length:
        added = _content(file, base.length, gzip=gzip)
        mine = _content(ours, skip, gzip=gzip)
        same = _is_beginning(added, mine, b"\n" if base.glue else b"")
    if not same:
        raise StateError(
            f"{path} was changed while the run was going ({base.length} bytes then, {length} now), so nothing was "
            f"appended; the run's output is in {ours.name}: put it where you want it and begin a new run with --fresh"
        )


def _is_beginning(added: Iterator[bytes], mine: Iterator[bytes], expected: bytes) -> bool:
    """Whether `added` is a beginning of `expected` followed by `mine`."""
    try:
        for part in added:
            while len(expected) < len(part):
                more = next(mine, None)
                if more is None:
                    return False
                expected += more
            if not expected.startswith(part):
                return False
            expected = expected[len(part) :]
    except _Torn:
        return False
    return True


def _tail(file: BinaryIO, length: int) -> bytes:
    file.seek(max(0, length - TAIL))
    return file.read(min(TAIL, length))


def _content(file: BinaryIO, start: int, *, gzip: bool) -> Iterator[bytes]:
    """The file's bytes, or what they unpack to; an unfinished gzip member gives what it has."""
    file.seek(start)
    inflate = zlib.decompressobj(31)
    while chunk := file.read(_CHUNK):
        if not gzip:
            yield chunk
            continue
        while chunk:
            if inflate.eof:
                inflate = zlib.decompressobj(31)
            try:
                content = inflate.decompress(chunk, _CHUNK)
            except zlib.error:
                raise _Torn from None
            chunk = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            if content:
                yield content
    if gzip and not inflate.eof and (rest := inflate.flush()):
        yield rest
