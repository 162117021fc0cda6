"""Removing runs by number, age and size, and what must never go.

A plan is made from what is seen, shown to the user, and carried out under the lock of (spider,
arguments): there all that protects a run is looked at again, so that a crawl which began or ended
meanwhile loses nothing. Under the lock a run's directory only gets a name that is no run's; its files
go after that, with the lock given back. So a crawl is kept out for milliseconds, a kill leaves no half
run, and what it does leave is swept by the next prune.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from crawler.durable import sync_directory
from crawler.errors import AlreadyRunning, StateError
from crawler.runs.directory import all_runs
from crawler.runs.history import RunInfo, disk_bytes, look
from crawler.runs.lock import Lock

__all__ = ["Done", "Kept", "Plan", "Removal", "Rule", "Rules", "carry_out", "plan", "sweep"]

Rule = Literal["keep", "older_than", "max_bytes"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What goes; each rule on its own, None: not by this. All None removes nothing."""

    keep: int | None = None
    """Of each (spider, arguments) all but so many of the newest."""
    older_than: float | None = None
    """What ended, or was last alive, longer ago than so many seconds."""
    max_bytes: int | None = None
    """The oldest, until all together take no more than so many bytes."""
    unfinished: bool = False
    """Also runs that could go on."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A run that goes, the bytes it takes on the disk, and the rule that says so."""

    run: RunInfo
    bytes: int
    rule: Rule


@dataclass(frozen=True, slots=True)
class Kept:
    """A run that a rule is about and that stays, and why."""

    run: RunInfo
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What would go, oldest first, and what stays against a rule. `left`: bytes of all that stays."""

    removals: list[Removal]
    kept: list[Kept]
    left: int

    @property
    def bytes(self) -> int:
        """What goes."""
        return sum(removal.bytes for removal in self.removals)


@dataclass(slots=True)
class Done:
    """What was carried out. `problems`: what could not be removed, one line each."""

    removed: list[Removal] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    partial: list[Path] = field(default_factory=list)
    """Half-done output files of removed runs; they stay."""
    problems: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """What was given back to the disk."""
        return sum(removal.bytes for removal in self.removed)


def plan(runs: Sequence[RunInfo], rules: Rules, now: float | None = None) -> Plan:
    """Decides among the runs of `history` (all of them, newest first). Changes nothing."""
    now = time.time() if now is None else now
    bytes_of = {run.path: disk_bytes(run.path) for run in runs}
    safe = _protected(runs, rules)
    why: dict[Path, Rule] = {**_too_old(runs, rules, now), **_too_many(runs, rules)}
    left = sum(bytes_of.values()) - sum(bytes_of[path] for path in why if path not in safe)
    for run in reversed(runs):
        if rules.max_bytes is None or left <= rules.max_bytes:
            break
        if run.path not in why:
            why[run.path] = "max_bytes"
            left -= 0 if run.path in safe else bytes_of[run.path]
    going = [run for run in reversed(runs) if run.path in why]
    return Plan(
        [Removal(run, bytes_of[run.path], why[run.path]) for run in going if run.path not in safe],
        [Kept(run, safe[run.path]) for run in going if run.path in safe],
        left,
    )


def carry_out(removals: Iterable[Removal], rules: Rules) -> Done:
    """Removes runs as planned, but for those that must stay by now. What fails is told, the rest goes on."""
    done = Done()
    groups: dict[Path, list[Removal]] = {}
    for removal in removals:
        groups.setdefault(_lock_of(removal.run), []).append(removal)
    for lock, group in groups.items():
        try:
            aside = _set_aside(lock, group, rules, done)
        except AlreadyRunning as error:
            done.kept += [Kept(removal.run, str(error)) for removal in group]
            continue
        except StateError as error:
            done.problems.append(str(error))
            continue
        for removal, path in aside:
            done.partial += [partial for partial in removal.run.partial if partial not in done.partial]
            if _deleted(path, removal.run.name, done.problems):
                done.removed.append(removal)
    return done


def sweep(spider_dirs: Iterable[Path]) -> list[str]:
    """Deletes what a prune that was killed had set aside; what cannot be deleted is returned, a line each."""
    problems: list[str] = []
    for spider_dir in spider_dirs:
        for path in () if spider_dir.is_symlink() else spider_dir.glob(f"{_ASIDE}*"):
            if path.is_dir() and not path.is_symlink():
                _deleted(path, f"{spider_dir.name}/{path.name}", problems)
    return problems


# -- what the rules are about


def _too_many(runs: Sequence[RunInfo], rules: Rules) -> dict[Path, Rule]:
    if rules.keep is None:
        return {}
    seen: dict[Path, int] = {}
    found: dict[Path, Rule] = {}
    for run in runs:
        if run.identity is not None:
            lock = _lock_of(run)
            seen[lock] = seen.get(lock, 0) + 1
            if seen[lock] > rules.keep:
                found[run.path] = "keep"
    return found


def _too_old(runs: Sequence[RunInfo], rules: Rules, now: float) -> dict[Path, Rule]:
    if rules.older_than is None:
        return {}
    return {run.path: "older_than" for run in runs if now - (run.last or run.started or now) > rules.older_than}


# -- what never goes


def _protected(runs: Iterable[RunInfo], rules: Rules) -> dict[Path, str]:
    """Why a run stays, for those that do. `runs` has all of each (spider, arguments), newest first."""
    runs = list(runs)
    busy = {_lock_of(run) for run in runs if run.state == "running"}
    safe: dict[Path, str] = {}
    well: set[tuple[Path, str]] = set()
    for run in runs:
        reason = _own_reason(run, rules)
        if _in_place(run) and run.state in ("ended", "limit") and run.exit_code == 0:
            # The newest with a store gives the next run its state; the newest at all is the last good result.
            roles = {(_lock_of(run), role) for role in (["result", "state"] if run.kept else ["result"])}
            if not reason and not roles <= well:
                reason = "the newest that ended well"
            well |= roles
        if not reason and _lock_of(run) in busy:
            reason = "a crawl of the same spider and arguments is running"
        if reason:
            safe[run.path] = reason
    return safe


def _in_place(run: RunInfo) -> bool:
    """Whether it lies where it was made: what was copied or moved was put there by somebody for a purpose."""
    identity = run.identity
    return identity is not None and (identity.spider, identity.id) == (run.path.parent.name, run.path.name)


def _own_reason(run: RunInfo, rules: Rules) -> str:
    """What protects a run whatever others there are; empty: nothing."""
    links = [path for path in (run.path, run.path.parent) if path.is_symlink()]
    if links:
        return f"{links[0].name} is a symbolic link"
    if run.identity is None or run.state == "unreadable":
        return f"it cannot be read: {run.reason}"
    if not _in_place(run):
        return f"it is a copy of {run.identity.spider}/{run.identity.id}"
    if run.state == "running":
        return "it is running"
    if run.state == "unpublished":
        return "its outputs are not in place yet: the next start does that"
    if run.resumable and not rules.unfinished:
        return "it can go on: --include-unfinished"
    inside = [path for path in run.outputs if path.is_relative_to(run.path.resolve()) and path.exists()]
    return f"an output is in it: {inside[0].name}" if inside else ""


# -- the doing


_ASIDE = ".removed-"
"""A name that begins with a dot is no run's, whatever is in it."""


def _lock_of(run: RunInfo) -> Path:
    assert run.identity is not None, "what cannot be read is never removed"
    return run.path.parent / f"{run.identity.digest}.lock"


def _set_aside(lock: Path, group: list[Removal], rules: Rules, done: Done) -> list[tuple[Removal, Path]]:
    """Renames what may still go, under the lock; makes the new names durable before anything is deleted."""
    spider_dir = lock.parent
    aside = []
    with Lock(lock, f"spider {spider_dir.name!r}"):
        there = [look(run) for run in all_runs(spider_dir) if f"{run.identity.digest}.lock" == lock.name]
        safe = _protected(sorted(there, key=lambda run: (run.started or 0.0, run.path.name), reverse=True), rules)
        names = {run.path for run in there}
        for removal in group:
            path = removal.run.path
            if path in safe:
                done.kept.append(Kept(removal.run, safe[path]))
            elif path in names:  # else another prune was faster
                new = path.with_name(f"{_ASIDE}{path.name}-{secrets.token_hex(2)}")
                try:
                    path.rename(new)
                except OSError as error:
                    done.problems.append(f"{removal.run.name} cannot be removed: {error.strerror}")
                else:
                    aside.append((removal, new))
    try:
        if aside:
            sync_directory(spider_dir)
    except OSError as error:  # a power cut could bring the old names back: they must have all their files then
        done.problems.append(f"{spider_dir} cannot be synced ({error.strerror}): the next prune goes on")
        return []
    return aside


def _deleted(path: Path, name: str, problems: list[str]) -> bool:
    """Whether a directory is gone now; if not, the reason is in `problems`."""
    while path.exists():
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            continue  # another prune sweeps the same
        except OSError as error:
            problems.append(f"{name} is no run any more, but {path} cannot be deleted: {error.strerror}")
            return False
    return True
