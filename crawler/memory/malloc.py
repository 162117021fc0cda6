"""How glibc's malloc keeps freed memory, and how it is made to give it back. Nothing elsewhere (musl, macOS).

Sources: mallopt(3), malloc_trim(3); the numbers of the parameters are those of glibc's malloc.h.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctypes import CDLL

__all__ = ["keep_freed", "release"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP = 32 * 1024 * 1024  # glibc refuses a higher M_MMAP_THRESHOLD (4 MiB * sizeof(long))


def keep_freed(most: int) -> bool:
    """Lets this process keep up to `most` freed bytes at the end of its heap; whether malloc could be told.

    By itself glibc gives memory back to the kernel as soon as 128 KiB are free there, and asks for it
    again at the next page: a page fault for each 4 KiB, page by page. Blocks below a quarter of `most`
    come from the heap and not from a mapping of their own, for the same reason.
    """
    libc = _glibc()
    if libc is None or most <= 0:
        return False
    most = min(most, 2**31 - 1)  # an int
    mapped = max(min(most // 4, _LARGEST_MMAP), 128 * 1024)
    return bool(libc.mallopt(_M_TRIM_THRESHOLD, most)) and bool(libc.mallopt(_M_MMAP_THRESHOLD, mapped))


def release() -> None:
    """Drops garbage and gives freed memory back to the system. Takes some ms, a second with a very large heap."""
    gc.collect()
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> CDLL | None:
    """The C library of this process, where it is glibc: known by a function that no other has."""
    if sys.platform != "linux":
        return None
    import ctypes  # 4 ms, so not before it is needed

    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
