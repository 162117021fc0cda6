"""What limits, exit codes and faces count by.

Counters are plain names in one dict. The ones of a page travel with its outcome and are committed
with it, so they hold across restarts and a page that is repeated after a kill counts once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["TALLY", "Counts", "Example", "HostStats", "Stats"]

TALLY = "tally/"
"""Counters that begin so are what rules reckon with; nobody is shown them."""


class Example(msgspec.Struct, frozen=True):
    """The first failure of a kind: where and what."""

    url: str
    message: str


class HostStats(msgspec.Struct, frozen=True):
    """One host, in this process. Seconds."""

    host: str
    pages: int
    errors: int
    mean_seconds: float
    in_flight: int
    pending: int
    waits: float = 0.0
    """Seconds until it may be asked again."""
    reason: str = ""
    """Why it waits: delay, robots, retry-after, parked."""


class Stats(msgspec.Struct, frozen=True):
    """The numbers of a run, of stats.json and of every face. Names are stable.

    `counters` hold over the whole run, earlier processes included: pages (first hand-outs whose
    outcome is committed), responses, items, bytes, retries, redirects, requests_failed,
    callbacks_failed, fetches (`self.fetch`), duplicates (links to known pages),
    duplicates_with_arguments (of these, those with another callback or other arguments),
    near_duplicates (pages; `near_duplicates`), robots (fetches
    of robots.txt),
    "status/200", "error/TimedOut", "skipped/domain", "trap/SETTING PLACE" (links that a trap's rule left out),
    "dropped/REASON", "user/NAME".
    """

    spider: str
    run: str
    path: str
    state: str
    """starting, running, paused, stopping, ended"""
    reason: str
    exit_code: int | None
    started: float
    """Epoch seconds."""
    seconds: float
    """Of this process."""
    counters: dict[str, int]
    pages_per_second: float
    """Over the last ten seconds."""
    pages_per_second_mean: float
    """Over this process."""
    pending: int
    in_flight: int
    known: int
    hosts: list[HostStats]
    """The slowest first, at most 20."""
    examples: dict[str, Example]
    """One failure of each kind, by counter name ("error/TimedOut", "callback/ValueError")."""
    outputs: dict[str, str]
    """Output path to its state: writing, complete, or where the partial file is."""
    warnings: list[str]
    callbacks_blocked: dict[str, float]
    """Callback name to the longest time, in seconds, that it blocked the loop."""
    stages: dict[str, float] = msgspec.field(default_factory=dict)
    """CPU time of this process in µs a response: the stages of `crawler.stages`, "other" and their sum, "cpu"
    (docs/performance.md). Empty before the first."""


class _Said(msgspec.Struct):
    examples: dict[str, Example]
    warnings: list[str]


class Counts:
    """The live counters of one crawl."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}  # what earlier processes committed
        self.here: dict[str, int] = {}
        self._tallies: dict[str, int] = {}  # there may be one a host
        self.examples: dict[str, Example] = {}
        self.warnings: list[str] = []
        self.blocked: dict[str, float] = {}
        self.started = time.time()
        self._clock = time.monotonic()
        self._said = (0, 0)
        self._recent: deque[tuple[float, int]] = deque(maxlen=256)

    def restore(self, counters: Mapping[str, int], said: bytes | None) -> None:
        """Takes up what earlier processes committed: counters, and what `unsaid` gave."""
        self._tallies = {name: n for name, n in counters.items() if name.startswith(TALLY)}
        self._before = {name: n for name, n in counters.items() if name not in self._tallies}
        if said:
            kept = msgspec.msgpack.decode(said, type=_Said)
            self.examples, self.warnings = kept.examples, kept.warnings
            self._said = (len(self.examples), len(self.warnings))

    def unsaid(self) -> bytes | None:
        """Examples and warnings for the next commit; None while there are no new ones."""
        size = (len(self.examples), len(self.warnings))
        if size == self._said:
            return None
        self._said = size
        return msgspec.msgpack.encode(_Said(self.examples, self.warnings))

    def add(self, counters: Mapping[str, int]) -> None:
        """Counts what an accepted outcome brings."""
        here = self.here
        for name, n in counters.items():
            kept = self._tallies if name[:6] == TALLY else here
            kept[name] = kept.get(name, 0) + n

    @property
    def total(self) -> dict[str, int]:
        """All counters of the run, but for what only rules reckon with."""
        before, here = self._before, self.here
        return {**before, **{name: n + before.get(name, 0) for name, n in here.items()}}

    def __getitem__(self, name: str) -> int:
        return self._before.get(name, 0) + self.here.get(name, 0)

    def tally(self, name: str) -> int:
        """What a rule has reckoned in what was accepted so far, earlier processes included."""
        return self._tallies.get(name, 0)

    def example(self, name: str, url: str, message: str) -> None:
        """Keeps the first failure of each kind."""
        if name not in self.examples and len(self.examples) < 100:
            self.examples[name] = Example(url, message[:500])

    def warn(self, message: str) -> bool:
        """Keeps a warning once; False when it was there already."""
        if message in self.warnings or len(self.warnings) >= 50:
            return False
        self.warnings.append(message)
        return True

    @property
    def seconds(self) -> float:
        """Seconds since this process began to crawl."""
        return time.monotonic() - self._clock

    def rates(self) -> tuple[float, float]:
        """Pages a second over the last ten seconds, and over this process."""
        now, pages = time.monotonic(), self.here.get("pages", 0)
        while len(self._recent) > 1 and now - self._recent[0][0] > 10:
            self._recent.popleft()
        then, before = self._recent[0] if self._recent else (self._clock, 0)
        if not self._recent or now - self._recent[-1][0] >= 0.2:
            self._recent.append((now, pages))
        mean = pages / max(now - self._clock, 1e-6)
        recent = (pages - before) / (now - then) if now - then > 0.05 else mean
        return recent, mean

    def failed_share(self) -> float:
        """Failed requests among all that came to an end."""
        failed = self["requests_failed"]
        ended = failed + self["responses"]
        return failed / ended if ended else 0.0

    def by_prefix(self, prefix: str) -> dict[str, int]:
        """The counters of one family, without the prefix: `by_prefix("status/")`."""
        return {name[len(prefix) :]: n for name, n in sorted(self.total.items()) if name.startswith(prefix)}


def stats_json(stats: Stats) -> dict[str, Any]:
    """The content of stats.json."""
    built: dict[str, Any] = msgspec.to_builtins(stats)
    return built
