"""What the control groups of this process allow it, and what counts against that: cgroup v2 and v1.

Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst; proc(5) and
cgroups(7) for /proc/self/cgroup and /proc/self/mountinfo.

What counts is what the kernel cannot take back by itself: the group's usage without its page cache
and its reclaimable slab. The page cache of a crawl is large (the frontier's file, the item log) and
costs nobody anything, on the kernel's active list as on its inactive one; only the part that is mapped
(programs and libraries) is needed at every step. The process's own resident memory would be the wrong
measure: the kernel kills by the group's sum, with children, neighbours and shared memory in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crawler.memory.ceiling import Ceiling, Reading

__all__ = ["GroupCeiling", "group_ceilings"]

_NONE = 1 << 60  # v1 says "no limit" as the largest number of whole pages, near 2**63
_UNCERTAIN = 0.7  # below this share even the raw usage is far from a ceiling


def group_ceilings(root: Path = Path("/")) -> list[Ceiling]:
    """The groups of this process that could have a limit, from its own up to the topmost one it can see.

    All levels count: usage against the limit of a parent has what the siblings use in it. A limit may
    be changed while the crawl runs, so groups without one are in the list too. Empty where there are no
    control groups. `root` stands for "/".
    """
    own = _paths(_read(root / "proc/self/cgroup"))
    found: list[Ceiling] = []
    for version, mounted, point in _mounts(_read(root / "proc/self/mountinfo")):
        if version in own:
            top = root / point.lstrip("/")
            files = _V2 if version == 2 else _V1
            found += [
                GroupCeiling(level, files, "/" / level.relative_to(root))
                for level in _levels(top, mounted, own[version])
                if (level / files.usage).is_file()
            ]
    return found


@dataclass(slots=True, frozen=True)
class _Files:
    limits: tuple[str, ...]
    usage: str
    prefix: str
    """Of the lines of memory.stat that have the group's children in them."""


# Above memory.high nobody is killed: the kernel slows the group down until it hardly moves, which helps a crawl
# as little. So it is a limit too.
_V2 = _Files(("memory.max", "memory.high"), "memory.current", "")
_V1 = _Files(("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_")


class GroupCeiling:
    """One control group. `shown` is how its directory is called in a message."""

    def __init__(self, directory: Path, files: _Files, shown: Path) -> None:
        self._directory = directory
        self._files = files
        self._shown = shown

    def read(self) -> Reading | None:
        """Usage and limit now; None while it has no limit. A few reads of small files, some 50 µs."""
        files = self._files
        limit, name = min((_number(_read(self._directory / name)), name) for name in files.limits)
        used = _number(_read(self._directory / files.usage))
        if limit >= _NONE or used >= _NONE:
            return None
        if used > _UNCERTAIN * limit:  # memory.stat is the dear file: the kernel adds up all processors for it
            used -= min(self._reclaimable(), used)
        return Reading(used, max(limit, 1), f"{self._shown}/{name}")

    def _reclaimable(self) -> int:
        """Bytes that the kernel takes back when memory is short, before it kills."""
        stat = dict(line.split(" ", 1) for line in _read(self._directory / "memory.stat").splitlines() if " " in line)

        def of(name: str) -> int:
            return int(stat.get(self._files.prefix + name, 0))

        cache = of("inactive_file") + of("active_file")
        mapped = of("file_mapped") or of("mapped_file")
        return max(cache - mapped, 0) + of("slab_reclaimable")


def _paths(text: str) -> dict[int, str]:
    """From /proc/self/cgroup: cgroup version to the path of this process's memory group."""
    paths = {}
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            paths[2] = path
        elif "memory" in controllers.split(","):
            paths[1] = path
    return paths


def _mounts(text: str) -> Iterator[tuple[int, str, str]]:
    """From /proc/self/mountinfo: (cgroup version, which group is mounted, where)."""
    for line in text.splitlines():
        place, _, kind = line.partition(" - ")
        fields, (type_, _, options) = place.split(" "), kind.split(" ", 2)
        mounted, point = _unescaped(fields[3]), _unescaped(fields[4])
        if type_ == "cgroup2":
            yield 2, mounted, point
        elif type_ == "cgroup" and "memory" in options.split(","):
            yield 1, mounted, point


def _levels(top: Path, mounted: str, path: str) -> list[Path]:
    """The directories of the group `path` and of those above it, up to the mount's own.

    In a container the mount may show only a part of the tree: `mounted` is where that begins. A path
    outside of it (a process that was moved, a namespace's "/..") leaves the mount's top.
    """
    base = mounted.rstrip("/")
    inside = path.startswith(base + "/") and ".." not in path.split("/")
    parts = [part for part in path[len(base) :].split("/") if part] if inside else []
    return [top.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


def _number(text: str) -> int:
    """A limit or usage; "max", a missing or unreadable file: none."""
    return int(text) if text.strip().isdigit() else _NONE


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # not Linux, not mounted, not ours to read, or the group is gone: no limit that we could see
        return ""


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)
