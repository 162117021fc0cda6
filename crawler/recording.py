"""What goes with every commit beside its pages: cursors, waits, cookies, times, what the crawl was told to do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from crawler.contracts import StateOp
from crawler.frontier.recovery import read_state
from crawler.state import decode_value

if TYPE_CHECKING:
    from pathlib import Path

    from crawler.contracts import Group, Recovered
    from crawler.counts import Counts
    from crawler.fetch.cookies import Cookies
    from crawler.near import NearDuplicates
    from crawler.outputs import Outputs
    from crawler.robots import Robots
    from crawler.scheduler import Scheduler
    from crawler.settings import Settings

__all__ = ["Recording", "carried_state", "scope_settings", "skipped_length"]


class Recording:
    """Fills the groups of one process. `run` is the run's id, `code` the digest of the spider's file, `scope`
    what is followed."""

    def __init__(self, run: str, code: str, scope: Mapping[str, Any]) -> None:
        self._told = {"run": run.encode(), "code": code.encode(), "scope": msgspec.msgpack.encode(scope)}

    def begin(
        self,
        recovered: Recovered,
        counts: Counts,
        outputs: Outputs,
        cookies: Cookies,
        unowned: dict[str, bytes],
        robots: Robots,
        scheduler: Scheduler,
    ) -> None:
        """The parts that are asked at each commit."""
        self._counts, self._outputs = counts, outputs
        self._cookies, self._unowned, self._robots, self._scheduler = cookies, unowned, robots, scheduler
        self._seconds = float(recovered.meta.get("seconds") or 0)
        self._first = True
        self.near: NearDuplicates | None = None

    def prepare(self, group: Group) -> None:
        """Adds all that changed since the last group, and the cookies that its pages brought."""
        group.meta.update({f"output/{name}": raw for name, raw in self._outputs.cursors().items()})
        group.hosts.update(self._scheduler.waits())
        for records in (self._unowned, *(outcome.cookies for outcome in group.outcomes)):
            if records:
                group.cookies.update(self._cookies.committed(records))
        self._unowned.clear()
        group.robots.update(self._robots.answered())
        group.meta["time"] = f"{time.time():.3f}".encode()
        group.meta["seconds"] = f"{self._seconds + self._counts.seconds:.3f}".encode()
        if self.near is not None:
            self.near.prepare(group)
        said = self._counts.unsaid()
        if said is not None:
            group.meta["said"] = said
        if self._first:  # the run is under way again, with this code and these rules
            self._first = False
            group.meta.update({**self._told, "ended": b"", "published": b"", "stopped": b""})


def scope_settings(settings: Settings, allowed_domains: Sequence[str]) -> dict[str, Any]:
    """The settings that say what is followed: other ones on resuming are said, and applied to what is pending."""
    return {
        "allowed_domains": sorted(allowed_domains),
        "max_depth": settings.max_depth,
        "max_url": settings.max_url,
        "scope": settings.scope,
        "extra_hops": settings.extra_hops,
        "traps": settings.traps,
        "robots": settings.robots,
    }


def carried_state(frontier: Path) -> list[StateOp]:
    """The state that an earlier run ended with, as the writes that a new one begins with."""
    return [StateOp("set", key, decode_value(raw)) for key, raw in read_state(frontier).items()]


def skipped_length(meta: Mapping[str, bytes]) -> int | None:
    """The committed length of skipped.jsonl in bytes; None for a run of a version that did not record it."""
    if "skipped" in meta:
        return int(meta["skipped"])
    return None if meta and "time" not in meta else 0
