"""Which run a start goes on with: an unfinished one of the same spider and arguments, or a new one.

After a kill, a signal or an error an unfinished run goes on. After a limit it goes on only if that
limit is now higher or gone and the spider's file is unchanged; so the same `--max-pages 1000` every
night works every night. A run that ended and was not yet published is published, nothing more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from crawler.runs.directory import RunDirectory, new_id, newest
from crawler.runs.identity import Identity, args_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crawler.settings import Settings

__all__ = ["Choice", "Ended", "choose"]


class Ended(msgspec.Struct, frozen=True):
    """How a run ended, as its store's meta value "ended"; "stopped" has the same form."""

    code: int
    reason: str
    limit: str = ""
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """The run to work on. `publish_only`: it ended before its outputs were put in place."""

    directory: RunDirectory
    resumed: bool
    note: str = ""
    publish_only: Ended | None = None


_CHANGED = "the spider's file has changed since: what is queued goes through the new code; --fresh begins anew"


def choose(
    spider_dir: Path,
    spider: str,
    args: Mapping[str, Any],
    settings: Settings,
    *,
    fingerprint_version: int,
    canonical: dict[str, Any],
    code: str,
    seeds: str = "",
) -> Choice:
    """Decides, and makes the directory of a new run. The caller holds the lock of (spider, args)."""

    def fresh(note: str = "") -> Choice:
        identity = Identity(
            new_id(spider_dir), spider, dict(args), time.time(), fingerprint_version, canonical, code, seeds
        )
        return Choice(RunDirectory.create(spider_dir, identity), False, note)

    if settings.frontier == "memory":
        return fresh()
    last = newest(spider_dir, args_digest(args, seeds))
    if last is None or not last.frontier.exists():
        return fresh()
    from crawler.frontier.sqlite import read_meta

    meta = read_meta(last.frontier).meta
    ended = msgspec.msgpack.decode(meta["ended"], type=Ended) if meta.get("ended") else None
    if ended is not None and not meta.get("published"):
        return Choice(last, True, "it had ended; its outputs are put in place", ended)
    if settings.resume == "never":
        return fresh()
    identity = last.identity
    canonical = msgspec.to_builtins(canonical)  # as run.json has it: lists, not tuples
    if (identity.fingerprint_version, identity.canonical) != (fingerprint_version, canonical):
        return fresh(f"run {identity.id} has other canonicalisation settings: a new run begins")
    if ended is None:
        return Choice(last, True, _CHANGED if identity.code != code else "")
    if not ended.limit:
        return fresh()
    now = getattr(settings, ended.limit, None)
    raised = now is None or now > ended.value
    if raised and (identity.code == code or settings.resume == "always"):
        limit = "gone" if now is None else f"{now:g}"
        return Choice(last, True, f"{ended.limit} was {ended.value:g}, it is {limit}")
    return fresh()
