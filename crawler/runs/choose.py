"""Which run a start works on: an unfinished one of the same spider and arguments, a named one, or a new one.

After a kill, a signal or an error an unfinished run goes on. After a limit it goes on only if that
limit is now higher or gone and the spider's file is unchanged; so the same `--max-pages 1000` every
night works every night. A run that ended and was not yet published is published, nothing more. Which
of these it was is said in `Choice.note`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from crawler.errors import StateError, UsageError
from crawler.runs.directory import RunDirectory, check_readable, new_id, newest, newest_first
from crawler.runs.identity import Identity
from crawler.runs.intact import check_frontier_there

if TYPE_CHECKING:
    from crawler.frontier.recovery import Meta
    from crawler.settings import Settings

__all__ = ["Choice", "Ended", "TakeUp", "Wanted", "choose", "stored"]

TakeUp = Literal["", "callbacks", "failed"]
"""Which failed pages are pending again: none, those that the spider's code failed on, all."""


class Ended(msgspec.Struct, frozen=True):
    """How a run ended, as its store's meta value "ended"; "stopped" has the same form."""

    code: int
    reason: str
    limit: str = ""
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a start is about: the identity a new run would have, and what the user asked for.

    `run` is a run that was named (`--resume RUN`), `retry_failed` its failed requests once more.
    """

    identity: Identity
    run: RunDirectory | None = None
    retry_failed: bool = False
    scope: Mapping[str, Any] = field(default_factory=dict)
    """The settings that say what is followed."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The run to work on. `publish_only`: it ended before its outputs were put in place.

    `before` is the run whose `self.state` a new one begins with.
    """

    directory: RunDirectory
    resumed: bool
    note: str = ""
    publish_only: Ended | None = None
    take_up: TakeUp = ""
    before: RunDirectory | None = None


def stored(meta: Mapping[str, bytes], name: str, type: Any) -> Any:
    """A named value of a run's store, decoded; None where there is none."""
    return msgspec.msgpack.decode(meta[name], type=type) if meta.get(name) else None


def choose(spider_dir: Path, wanted: Wanted, settings: Settings) -> Choice:
    """Decides, and makes the directory of a new run. The caller holds the lock of (spider, arguments).

    Raises UsageError for a run that was asked for and cannot go on, StateError where files of the last one are
    missing or unreadable.
    """
    identity = wanted.identity
    if wanted.run is not None:
        return _named(wanted, wanted.run)
    last = newest(spider_dir, identity.digest)
    if settings.frontier != "memory" and settings.resume != "never":
        check_readable(spider_dir, last.identity.id if last is not None else "")
        if last is not None:
            check_frontier_there(last)
    if wanted.retry_failed:
        if last is None:
            raise UsageError(f"there is no run of {identity.spider} with these arguments whose failures could be tried")
        return _named(wanted, last)
    choice = _unfinished(wanted, settings, last) if last is not None and settings.frontier != "memory" else None
    if isinstance(choice, Choice):
        return choice
    if (
        last is not None
        and settings.frontier != "memory"
        and _never_began(last)
        and _rules(last.identity) == _rules(identity)
    ):
        return Choice(last, False, before=_ended_well(spider_dir, identity.digest))
    fresh = _numbered(identity, new_id(spider_dir))
    before = _ended_well(spider_dir, identity.digest) if settings.frontier != "memory" else None
    return Choice(RunDirectory.create(spider_dir, fresh), False, choice or "", before=before)


def _never_began(run: RunDirectory) -> bool:
    """Whether its process was killed before it had made the run's store."""
    return not (run.frontier.exists() or run.log.exists() or run.stats.exists())


def _numbered(identity: Identity, id: str) -> Identity:
    """The identity of a new run."""
    return msgspec.structs.replace(identity, id=id, created=time.time())


def _unfinished(wanted: Wanted, settings: Settings, last: RunDirectory) -> Choice | str:
    """The last run, if it goes on; else why a new one begins."""
    if not last.frontier.exists():
        return ""
    own = wanted.identity
    try:
        meta = _meta(last)
    except StateError:
        if settings.resume != "never":
            raise
        return f"run {last.identity.id} cannot be read and is left as it is"
    ended: Ended | None = stored(meta.meta, "ended", Ended)
    if settings.resume == "never":
        if ended is not None and not meta.meta.get("published"):
            export = f"crawler export {last.identity.spider}/{last.identity.id} -o FILE"
            return f"run {last.identity.id} has ended without its outputs in place: {export} writes them"
        return f"run {last.identity.id} is left as it is, since resume = never" if ended is None else ""
    if ended is not None and not meta.meta.get("published"):
        return Choice(last, True, "it had ended; its outputs are put in place", ended)
    if ended is None:
        if _rules(last.identity) != _rules(own):
            return f"run {last.identity.id} has other canonicalisation settings: a new run begins"
        return _going_on(wanted, last, meta, _how_it_stopped(meta))
    if not ended.limit:
        return f"the last one, {last.identity.id}, has ended"
    now = getattr(settings, ended.limit, None)
    limit = f"{ended.limit} = {ended.value:g}"
    if now is not None and now <= ended.value:
        return f"the last one, {last.identity.id}, has ended at {limit}"
    if _rules(last.identity) != _rules(own):
        return f"run {last.identity.id} has other canonicalisation settings: a new run begins"
    if _changed(meta, last.identity, own) and settings.resume != "always":
        return f"the last one, {last.identity.id}, has ended at {limit}, and the spider's file has changed since"
    to = "it is gone" if now is None else f"it is {now:g}"
    return _going_on(wanted, last, meta, f"it had ended at {limit}, now {to}")


def _named(wanted: Wanted, run: RunDirectory) -> Choice:
    """A run that the user asked for, finished or not."""
    identity, own = run.identity, wanted.identity
    name = f"run {identity.spider}/{identity.id}"
    if identity.spider != own.spider:
        raise UsageError(f"{name} is of the spider {identity.spider}, not of {own.spider}: name that spider's file")
    if identity.digest != own.digest:
        raise UsageError(f"{name} has other arguments or seeds ({_shown(identity)}): give those, or leave all out")
    if not run.frontier.exists():
        raise UsageError(f"{name} kept nothing to go on with (frontier = memory): begin a new run")
    if _rules(identity) != _rules(own):
        canonical = msgspec.to_builtins(own.canonical)
        changed = ", ".join(sorted(key for key, value in identity.canonical.items() if value != canonical.get(key)))
        raise UsageError(
            f"{name} was made with other settings of what is one page ({changed or 'fingerprint version'}): "
            "set them as they were, or begin a new run"
        )
    meta = _meta(run)
    ended: Ended | None = stored(meta.meta, "ended", Ended)
    how = f"it had ended ({ended.reason})" if ended is not None else _how_it_stopped(meta)
    return _going_on(wanted, run, meta, f"as asked; {how}")


def _going_on(wanted: Wanted, run: RunDirectory, meta: Meta, how: str) -> Choice:
    pages, pending = meta.counters.get("pages", 0), meta.pending
    notes = [f"{how}; {_plural(pages, 'page')} done, {_plural(pending, 'request')} pending"]
    changed = _changed(meta, run.identity, wanted.identity)
    if changed:
        notes.append("the spider's file has changed since: what is pending goes through the new code")
    scope = stored(meta.meta, "scope", dict)
    if scope is not None:
        plain = msgspec.to_builtins(wanted.scope)
        notes += [
            f"{key} was {scope[key]}, is {plain[key]}"
            for key in sorted(plain)
            if scope.get(key, plain[key]) != plain[key]
        ]
    take_up: TakeUp = "failed" if wanted.retry_failed else "callbacks" if changed else ""
    before = None if _began(run, meta) else _ended_well(run.path.parent, run.identity.digest)
    return Choice(run, True, "; ".join(notes), take_up=take_up, before=before)


def _began(run: RunDirectory, meta: Meta) -> bool:
    """Whether a crawl has committed anything in it ("time"; before that was recorded, any commit)."""
    return "time" in meta.meta or (meta.commit > 0 and not run.identity.target)


def _plural(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _how_it_stopped(meta: Meta) -> str:
    if "time" not in meta.meta and not meta.commit:
        return "it had not begun"
    stopped: Ended | None = stored(meta.meta, "stopped", Ended)
    return f"it had stopped ({stopped.reason})" if stopped is not None else "it was killed, or could not write its end"


def _changed(meta: Meta, identity: Identity, own: Identity) -> bool:
    """Whether the spider's file is another than the last process of the run had."""
    return (meta.meta.get("code") or identity.code.encode()) != own.code.encode()


def _rules(identity: Identity) -> tuple[int, Any]:
    return identity.fingerprint_version, msgspec.to_builtins(identity.canonical)


def _shown(identity: Identity) -> str:
    words = [f"{name}={value}" for name, value in identity.args.items()]
    return " ".join([*words, *([f"--urls {identity.seeds}"] if identity.seeds else [])]) or "none"


def _ended_well(spider_dir: Path, digest: str) -> RunDirectory | None:
    """The newest run of (spider, arguments) that ended with 0."""
    for run in newest_first(spider_dir, digest):
        if not run.frontier.exists():
            continue
        with contextlib.suppress(StateError):  # a damaged one is refused where somebody wants to go on with it
            ended: Ended | None = stored(_meta(run).meta, "ended", Ended)
            if ended is not None and ended.code == 0:
                return run
    return None


def _meta(run: RunDirectory) -> Meta:
    from crawler.frontier.recovery import read_meta

    return read_meta(run.frontier)
