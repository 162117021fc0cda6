"""Whether the files of a run that goes on are all there and belong together, looked at before any is touched.

Each file of its own can be whole and yet not the one that the others were written with: a key that was made
anew, a log that was restored from an older copy, a frontier whose write-ahead log was left behind in a move.
To go on with such a set would fetch every page again, or drop items that were committed.
"""

from __future__ import annotations

from crawler.errors import StateError
from crawler.frontier.recovery import read_meta
from crawler.outputs.log import last_commit
from crawler.runs.directory import RunDirectory
from crawler.runs.identity import hash_key, key_digest

__all__ = ["check_frontier_there", "check_intact", "key_of"]


def check_frontier_there(run: RunDirectory) -> None:
    """Refuses a run that had a frontier and has none any more: the slots are made after it. Raises StateError."""
    if run.slots.exists() and not run.frontier.exists():
        raise StateError(
            f"{run.frontier} is not there any more, so run {run.identity.id} cannot go on: "
            "put it back, or begin a new run with --fresh"
        )


def check_intact(run: RunDirectory, key: bytes, durability: str) -> None:
    """Compares hash key, frontier and item log of a run with each other. Raises StateError.

    With "relaxed" a power cut may have undone commits of the frontier that the item log still has: they are
    cut off, as promised. With "strict" that cannot have happened, so a part of the frontier was lost.
    """
    _check_key(run, key)
    meta = read_meta(run.frontier)
    own = meta.meta.get("run", b"").decode()
    if own and own != run.identity.id:
        raise StateError(
            f"{run.frontier} is the one of run {own}, not of {run.identity.id}: put the right file back, with "
            "its -wal, or begin a new run with --fresh"
        )
    size = run.log.stat().st_size if run.log.exists() else 0
    if size < meta.log_end:
        raise StateError(
            f"{run.log} is shorter than recorded ({size} bytes, not {meta.log_end}): it was cut, replaced or removed. "
            f"Put the right file back, or begin a new run with --fresh"
        )
    last = last_commit(run.log, meta.log_end)
    if durability == "strict" and last > meta.commit + 1:  # one more is what a kill between log and frontier leaves
        raise StateError(
            f"{run.frontier} has lost commits (it is as of number {meta.commit}, {run.log.name} has {last}): put the "
            f"right file back, with its -wal; or go on from there with --durability relaxed, fetching again what is "
            "missing; or begin a new run with --fresh"
        )


def key_of(run: RunDirectory) -> bytes:
    """The hash key that the run was made with. Raises StateError where it is not there any more."""
    if not (run.path.parent / "hash.key").exists():
        raise StateError(f"{run.path.parent / 'hash.key'} is not there any more: put it back")
    key = hash_key(run.path.parent)
    _check_key(run, key)
    return key


def _check_key(run: RunDirectory, key: bytes) -> None:
    if run.identity.key and run.identity.key != key_digest(key):
        raise StateError(
            f"{run.path.parent / 'hash.key'} is not the key that run {run.identity.id} was made with, so no page would "
            "be known again: put that key back, or begin a new run with --fresh"
        )
