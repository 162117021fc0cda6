"""Earlier runs: what became of each, told from what it left on disk.

Looking takes no lock and changes nothing, so it may be done beside any crawl. A run's numbers are
those of its last commit; one that kept its store in memory has only what its end wrote to stats.json.
A directory that cannot be read is listed with the reason: what is hidden is neither mended nor missed.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from crawler.errors import StateError, UsageError
from crawler.flock import is_held
from crawler.frontier.recovery import Meta, read_meta
from crawler.runs.choose import Ended, stored
from crawler.runs.directory import RunDirectory
from crawler.runs.identity import Identity

__all__ = ["Holder", "RunInfo", "State", "disk_bytes", "history", "look", "spider_directories"]

State = Literal["running", "ended", "limit", "unpublished", "interrupted", "stopped", "killed", "unreadable"]
"""running; ended; ended at a limit; ended, outputs not in place yet; stopped by a signal; stopped for
another reason; ended without a word (killed, power cut); a directory that cannot be read."""


class Holder(msgspec.Struct, frozen=True):
    """The process that works on a run, as it wrote into the lock's file."""

    pid: int = 0
    """0 where the note could not be read."""
    host: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run. Numbers are None where nothing tells them; times are epoch seconds.

    `reason` is why it ended, stopped or cannot be read. `resumable`: the run has work left and kept
    what is needed to go on. `identity` is None for an unreadable one.
    """

    path: Path
    identity: Identity | None
    state: State
    reason: str = ""
    resumable: bool = False
    exit_code: int | None = None
    holder: Holder | None = None
    pages: int | None = None
    items: int | None = None
    failed: int | None = None
    """Requests that failed for good and callbacks that failed."""
    pending: int | None = None
    started: float | None = None
    """When the run was made."""
    last: float | None = None
    """Its last known sign of life: commit or end."""
    seconds: float | None = None
    """Of work, over all its processes, as of the last commit."""
    kept: bool = False
    """It has a store on disk: state that a next run carries on."""
    outputs: tuple[Path, ...] = ()
    """The files of its `-o`."""

    @property
    def spider(self) -> str:
        """The spider's name, as its directory has it."""
        return self.path.parent.name

    @property
    def name(self) -> str:
        """`spider/id`, as commands take it."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def partial(self) -> tuple[Path, ...]:
        """Output files that it left half done, and that nobody is writing now."""
        names = [path.with_name(f"{path.name}.partial") for path in self.outputs]
        return tuple(path for path in names if path.is_file() and not _is_held(path))


def spider_directories(runs_dir: Path, spider: str = "") -> list[Path]:
    """The directories of all spiders that ever ran, or of one. None where nothing ever ran.

    Raises UsageError for a spider that is not among them, StateError for a place that cannot be read.
    """
    try:
        found = sorted(path for path in runs_dir.iterdir() if path.is_dir() and not path.name.startswith("."))
    except FileNotFoundError:
        found = []
    except OSError as error:
        raise StateError(f"{runs_dir} cannot be read: {error.strerror}; name another place with --runs-dir") from None
    named = [path for path in found if path.name == spider]
    if spider and not named:
        names = ", ".join(path.name for path in found) or "none"
        raise UsageError(f"no runs of a spider {spider!r} in {runs_dir}: give a spider's name; there are {names}")
    return [path.absolute() for path in (named if spider else found)]


def history(directories: Iterable[Path], limit: int | None = None) -> tuple[list[RunInfo], int]:
    """The runs in spiders' directories, newest first, at most `limit` of them; and how many there are."""
    found = [entry for directory in directories for entry in _entries(directory)]
    found.sort(key=lambda entry: (entry.started or 0.0, entry.path.name), reverse=True)
    latest = _latest_starts(found)
    shown = found if limit is None else found[:limit]
    looked = [_now(entry, entry.path in latest) for entry in shown]
    return [info for info in looked if info.path.exists()], len(found)  # one may have been removed beside us


def look(run: RunDirectory) -> RunInfo:
    """What the files of a run say, whether a process works on it or not. Never raises for what is in them."""
    own = RunInfo(run.path, run.identity, "killed", "nothing was committed", started=run.identity.created)
    try:
        return _from_store(run, own) if run.frontier.exists() else _from_stats(run, own)
    except (StateError, msgspec.MsgspecError, ValueError, OSError) as error:
        return replace(own, state="unreadable", reason=str(error))


def disk_bytes(path: Path) -> int:
    """What a directory and all in it take on the disk. Links are not followed; what vanishes meanwhile is 0."""
    total = 0
    waiting = [path]
    while waiting:
        directory = waiting.pop()
        with contextlib.suppress(OSError):
            total += directory.lstat().st_blocks * 512
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        with contextlib.suppress(OSError):
                            total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


# -- which directories are runs


_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
_OURS = ("run.json", "frontier.sqlite", "items.log")


def _entries(spider_dir: Path) -> list[RunInfo]:
    """All that is a run in a spider's directory, or was one, with no more than its name and time."""
    entries = []
    with contextlib.suppress(OSError):
        for path in spider_dir.iterdir():
            if path.name.startswith(".") or not path.is_dir():
                continue
            if _RUN_ID.fullmatch(path.name) or any((path / name).exists() for name in _OURS):
                entries.append(_entry(path))
    return entries


def _entry(path: Path) -> RunInfo:
    try:
        identity = RunDirectory.read(path).identity
        time.localtime(identity.created)
    except (StateError, ValueError, OverflowError, OSError) as error:
        return RunInfo(path, None, "unreadable", str(error), started=_named_time(path) or _modified(path))
    return RunInfo(path, identity, "killed", started=identity.created)


def _named_time(path: Path) -> float | None:
    """When a run was made, by its id."""
    with contextlib.suppress(ValueError, OverflowError):
        return time.mktime(time.strptime(path.name[:15], "%Y%m%d-%H%M%S"))
    return None


# -- who works on it


def _latest_starts(entries: Iterable[RunInfo]) -> set[Path]:
    """Of each (spider, arguments) the run that a process began to work on last.

    Mostly the newest, but `--resume RUN` may go on with any: each start writes the run's `slots` anew.
    """
    latest: dict[tuple[Path, str], tuple[float, Path]] = {}
    for entry in entries:
        if entry.identity is not None:
            slots = _modified(RunDirectory(entry.path, entry.identity).slots)
            start = max(entry.identity.created, slots or 0.0)
            group = (entry.path.parent, entry.identity.digest)
            latest[group] = max(latest.get(group, (start, entry.path)), (start, entry.path))
    return {path for _, path in latest.values()}


def _now(entry: RunInfo, latest: bool) -> RunInfo:
    """The run as it stands. Its process may begin or end between two looks: files first, then the lock."""
    if entry.identity is None:
        return entry
    run = RunDirectory(entry.path, entry.identity)
    info = look(run)
    if not latest or info.state in ("ended", "limit", "unreadable"):
        return info
    holder = _holder(entry.path.parent / f"{entry.identity.digest}.lock")
    if holder is None:
        return look(run) if info.state == "killed" else info  # it may have said how it ended since
    return replace(info, state="running", reason="", resumable=False, exit_code=None, holder=holder)


def _holder(lock: Path) -> Holder | None:
    if not _is_held(lock):
        return None
    try:
        return msgspec.json.decode(lock.read_bytes()[:1024], type=Holder)
    except (OSError, msgspec.DecodeError):
        return Holder()


def _is_held(path: Path) -> bool:
    try:
        return is_held(path)
    except OSError:
        return False


# -- what its files say


class _Stats(msgspec.Struct):
    """What is needed of stats.json, as in crawler/counts.py."""

    state: str = ""
    reason: str = ""
    exit_code: int | None = None
    started: float = 0.0
    seconds: float = 0.0
    pending: int = 0
    counters: dict[str, int] = {}
    outputs: dict[str, str] = {}


def _from_store(run: RunDirectory, own: RunInfo) -> RunInfo:
    meta = read_meta(run.frontier)
    ended: Ended | None = stored(meta.meta, "ended", Ended)
    stopped: Ended | None = stored(meta.meta, "stopped", Ended)
    stats = _stats_if_readable(run)
    last, seconds = _number(meta, "time"), _number(meta, "seconds")
    if last is None and stats is not None:
        last, seconds = stats.started + stats.seconds, stats.seconds
    info = replace(
        own, **_counted(meta.counters), pending=meta.pending, kept=True,
        last=max(last or 0.0, run.identity.created), seconds=seconds, outputs=_recorded_outputs(meta.meta),
    )  # fmt: skip
    if ended is not None:
        published = bool(meta.meta.get("published"))
        state: State = "unpublished" if not published else "limit" if ended.limit else "ended"
        return replace(info, state=state, reason=ended.reason, exit_code=ended.code)
    if stopped is not None:
        return _stopped(info, stopped.reason, stopped.code)
    # A disk that failed: its end could not be committed, but perhaps written. Older than the last commit, it
    # is of an earlier process. (A second of grace, for a clock that was set.)
    if stats is not None and stats.exit_code is not None and stats.started + stats.seconds + 1 >= (last or 0.0):
        return _stopped(info, stats.reason, stats.exit_code)
    return replace(info, resumable=True, reason="" if meta.commit else "nothing was committed")


def _from_stats(run: RunDirectory, own: RunInfo) -> RunInfo:
    """A run that kept its store in memory, or that was killed before it had one."""
    try:
        stats = msgspec.json.decode(run.stats.read_bytes(), type=_Stats)
    except FileNotFoundError:
        return replace(own, last=_modified(run.log) or own.started, reason="it kept nothing to go on with")
    except msgspec.MsgspecError as error:
        raise StateError(f"{run.stats} cannot be read ({error})") from None
    items = os.path.realpath(run.items)
    outputs = tuple(
        Path(name) for name, said in stats.outputs.items() if said.startswith("partial: ") and name != items
    )
    info = replace(
        own, **_counted(stats.counters), pending=stats.pending, outputs=outputs,
        last=stats.started + stats.seconds, seconds=stats.seconds,
    )  # fmt: skip
    if stats.state != "ended" or stats.exit_code is None:
        return replace(_stopped(info, stats.reason, stats.exit_code), resumable=False)
    limit = stats.reason.startswith("limit reached")
    return replace(info, state="limit" if limit else "ended", reason=stats.reason, exit_code=stats.exit_code)


def _stopped(info: RunInfo, reason: str, code: int | None) -> RunInfo:
    state: State = "interrupted" if code in (130, 143) else "stopped"
    return replace(info, state=state, reason=reason, exit_code=code, resumable=True)


def _counted(counters: Mapping[str, int]) -> dict[str, Any]:
    return {
        "pages": counters.get("pages", 0),
        "items": counters.get("items", 0),
        "failed": counters.get("requests_failed", 0) + counters.get("callbacks_failed", 0),
    }


def _recorded_outputs(meta: Mapping[str, bytes]) -> tuple[Path, ...]:
    """The files among the recorded projections: a path, or a sink's name and a path."""
    names = [name.removeprefix("output/") for name in meta if name.startswith("output/")]
    return tuple(Path(name[name.index("/") :]) for name in names if name.startswith("/") or " /" in name)


def _stats_if_readable(run: RunDirectory) -> _Stats | None:
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(run.stats.read_bytes(), type=_Stats)
    return None


def _number(meta: Meta, name: str) -> float | None:
    return float(meta.meta[name]) if meta.meta.get(name) else None


def _modified(path: Path) -> float | None:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return None
