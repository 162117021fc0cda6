"""Which page was executing when a process died: a mapped file with a slot for each thread of callbacks.

While a page's code has the CPU its key stands in the slot of the thread; at each await it is taken
out. The kernel keeps what is written to a mapping when its process is killed, so a slot that is not
empty at the next start names a page the process died on. Pages that merely waited are never named.
Setting and clearing costs 0.2 µs a step.

    head    32 bytes: magic "\\x89SLOTS\\r\\n", u32 version (1), u32 number of slots, both little-endian,
            16 random bytes: the epoch, which tells one process's slots from another's
    slots   16 bytes each: a page key, or zeros

The epoch is recorded with the deaths in one transaction, so a kill while they are charged charges
none twice. A power cut may lose what stood here; then nobody is charged.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from crawler.contracts import NOBODY, Died
from crawler.durable import write_whole
from crawler.errors import DiskError, StateError

__all__ = ["SLOTS", "Slots", "read_slots"]

T = TypeVar("T")
KEY = len(NOBODY)
SLOTS = 64  # more than asyncio's thread pool has threads
_MAGIC = b"\x89SLOTS\r\n"
_HEAD = struct.Struct("<8sII16s")
_VERSION = 1


class Slots:
    """The slots of this process. Without a path they are in memory, for a store that keeps nothing.

    `memory[first:last]` is the slot of the event loop's thread, for the code that steps callbacks.
    """

    first = _HEAD.size
    last = _HEAD.size + KEY

    def __init__(self, path: Path | None = None) -> None:
        size = _HEAD.size + SLOTS * KEY
        self.memory: mmap.mmap | bytearray = bytearray(size) if path is None else _fresh(path, size)
        self._own = threading.local()
        self._taken = 1  # the first is the loop's
        self._lock = threading.Lock()

    def during(self, key: bytes, call: Callable[..., T], *args: Any) -> T:
        """Calls on the loop's thread, in the name of a page."""
        memory = self.memory
        memory[self.first : self.last] = key
        try:
            return call(*args)
        finally:
            memory[self.first : self.last] = NOBODY

    def enter(self, key: bytes) -> None:
        """The calling thread, one of the pool, executes code of this page from now on."""
        at = self._place()
        self.memory[at : at + KEY] = key

    def leave(self) -> None:
        """The calling thread is done with its page."""
        at = self._place()
        with contextlib.suppress(ValueError):  # closed: the crawl has ended without this thread
            self.memory[at : at + KEY] = NOBODY

    def close(self) -> None:
        """Gives the mapping back, with nobody in it: what ends in order has died on no page, also where a thread
        is left at its work. The file stays."""
        self.memory[self.first :] = bytes(len(self.memory) - self.first)
        if isinstance(self.memory, mmap.mmap):
            self.memory.close()

    def _place(self) -> int:
        number = getattr(self._own, "number", None)
        if number is None:
            with self._lock:
                number = self._own.number = self._taken
                self._taken = min(self._taken + 1, SLOTS - 1)  # beyond that the last one is shared
        return self.first + int(number) * KEY


def read_slots(path: Path) -> Died:
    """The pages that the last process died on; none where there was no process.

    Raises StateError for a file that is not ours, DiskError for one that cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Died(b"", [])
    except OSError as error:
        raise DiskError(f"cannot read {path}: {error.strerror}; give this user the right to") from None
    if len(content) < _HEAD.size or not content.startswith(_MAGIC):
        raise StateError(f"{path} is damaged or not ours; move it away: nothing is lost but the memory of crashes")
    _, version, count, epoch = _HEAD.unpack_from(content)
    if version > _VERSION:
        raise StateError(f"{path} was made by a newer version of crawler (format {version}): use that one")
    if len(content) != _HEAD.size + count * KEY:
        raise StateError(f"{path} is cut short; move it away: nothing is lost but the memory of crashes")
    slots = (content[at : at + KEY] for at in range(_HEAD.size, len(content), KEY))
    return Died(epoch, [key for key in slots if key != NOBODY])


def _fresh(path: Path, size: int) -> mmap.mmap:
    head = _HEAD.pack(_MAGIC, _VERSION, SLOTS, secrets.token_bytes(16))
    try:
        write_whole(path, head + bytes(size - len(head)), mode=0o600)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return mmap.mmap(fd, size)
        finally:
            os.close(fd)
    except OSError as error:
        raise DiskError(f"cannot write {path}: {error.strerror}; make room or rights, then start again") from None
