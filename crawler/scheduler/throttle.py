"""The adaptive throttle: how many requests at once and how far apart a host is asked, by how it answers.

Additive increase, multiplicative decrease (AIMD, as TCP's congestion control: RFC 5681 §3.1), from the setting's
limit downwards. A host that answers as it always did is asked as the settings say: there is no slow ramp.

- Slow: even the quickest answer of a round (as many as go at once, at least four) takes more than three times what
  answers take at their best, and half a second more. A quarter less at once; an ordinary round gives one back.
- Busy (429, 503): half at once, and the host is left alone: as long as it says (Retry-After), or for a second, and
  twice that each time it is busy again before it has answered well in between. 429 also sets requests apart, by the
  rate at which it did answer. What was under way when it began belongs to the same incident and doubles nothing.
- Wrong (other statuses that are tried again): a quarter less at once.
- Silent (no connection, no answer): half at once. So many in a row open the circuit: the host is left alone, then a
  single request probes it, and what it hears closes the circuit or leaves it alone for twice as long.

All is forgiven step by step, a gap and a doubling after ten quiet seconds each.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from crawler.settings import Settings

__all__ = ["Answer", "Pace", "Slowed", "Throttle"]

Answer = Literal["unsent", "good", "busy", "too many", "wrong", "silent"]
"""How a request ended, as the throttle sees it. "too many" is status 429, "busy" 503; a 404 is "good": an answer."""

_SLOWER, _SLOW_BY = 3.0, 0.5  # times, and seconds more, than at its best: what counts as slow
_ROUND: Final = 4  # answers that a round has at least
_QUIET: Final = 10.0  # seconds without trouble after which one step is forgiven, and then again
_EASED: Final = 0.8  # a gap's next step down
_APART: Final = 1.25  # times the gap at which it did answer
_NO_GAP: Final = 0.005  # seconds: a shorter one is none


class Slowed(NamedTuple):
    """What was decided for a host that is in trouble. Seconds."""

    reason: str
    wait: float
    at_once: int
    gap: float
    open: bool
    """The circuit is open: too many requests in a row had no answer."""


class Throttle:
    """The rules for all hosts. `jitter` gives numbers from 0 to 1."""

    def __init__(self, settings: Settings, jitter: Callable[[], float] = random.random) -> None:
        self.most = min(settings.concurrency_per_host, settings.concurrency)
        self.first_wait = settings.retry_wait
        self.longest_wait = settings.retry_wait_max
        self.silent_in_a_row = settings.breaker_failures
        self.jitter = jitter

    def wait(self, level: int) -> float:
        """Seconds for the `level`-th time in a row, from 1: doubled each time, and up to a half more by chance."""
        return self.first_wait * 2.0 ** min(level - 1, 30) * (1 + self.jitter() / 2)


class Pace:
    """How one host is asked. Times are those of the scheduler's clock."""

    __slots__ = (
        "_at_best",
        "_good",
        "_level",
        "_limit",
        "_opened",
        "_quickest",
        "_quiet_from",
        "_round_ends",
        "_rules",
        "_silent",
        "_since",
        "_trouble",
        "gap",
        "limit",
    )

    def __init__(self, rules: Throttle, now: float) -> None:
        self.limit = rules.most
        """Requests at once."""
        self.gap = 0.0
        """Seconds between two requests; 0: none."""
        self._rules = rules
        self._limit = float(rules.most)
        self._good, self._since = 0, now  # good answers since the last incident, or since the first answer
        self._round_ends = max(rules.most, _ROUND)  # at this many of them
        self._quickest = self._at_best = inf  # seconds of the quickest answer: of this round, and of all
        self._level = 0  # incidents in a row
        self._silent = self._opened = 0  # requests without an answer in a row, and how often the circuit opened
        self._trouble = self._quiet_from = 0.0

    @property
    def slowed(self) -> bool:
        """Whether it is asked less than the settings allow, or was in trouble lately."""
        return bool(self.limit < self._rules.most or self.gap or self._level or self._silent)

    def good(self, now: float, seconds: float) -> None:
        """An answer, `seconds` after its request was sent."""
        self._good += 1
        if seconds < self._quickest:
            self._quickest = seconds
        if self._silent:
            self._silent = self._opened = 0
        if self._good >= self._round_ends:
            self._end_round(now)

    def trouble(self, answer: Answer, now: float, seconds: float, asked: float) -> Slowed | None:
        """Any other answer. `asked`: the seconds for which the host asked to be left alone, 0 where it did not.

        None where nothing comes of it but fewer requests at once, or where it belongs to what is known already.
        """
        if answer == "silent":
            self._silent += 1
        else:
            self._silent = self._opened = 0
        if now - seconds < self._trouble:  # sent before the trouble began
            return None
        self._trouble = now
        if answer == "silent":
            return self._no_answer(now)
        if answer == "wrong":
            self._slow_down(0.75, now)
            return None
        return self._busy(answer, now, asked)

    def _busy(self, answer: Answer, now: float, asked: float) -> Slowed:
        rules = self._rules
        if answer == "too many":
            rate = self._good / max(now - self._since, 1.0)
            self.gap = min(max(_APART / rate if rate else 2 * self.gap, self.gap), rules.longest_wait)
        self._level = self._level + 1 if self._good < self.limit else 1
        self._good, self._since = 0, now
        self._slow_down(0.5, now)
        wait = asked or min(rules.wait(self._level), rules.longest_wait)
        status = "status 429" if answer == "too many" else "status 503"
        return Slowed(f"{status} with Retry-After" if asked else status, wait, self.limit, self.gap, False)

    def _no_answer(self, now: float) -> Slowed | None:
        self._slow_down(0.5, now)
        if self._silent < self._rules.silent_in_a_row:
            return None
        self._opened += 1
        self._limit, self.limit = 1.0, 1  # the next request is a probe
        wait = self._rules.wait(self._opened + 2)  # 4 s at first: this is more than the bad luck of one request
        return Slowed(f"{self._silent} requests in a row had no answer", wait, 1, self.gap, True)

    def _slow_down(self, factor: float, now: float) -> None:
        self._limit = max(1.0, self._limit * factor)
        self.limit = int(self._limit)
        self._quiet_from = now
        self._begin_round()

    def _begin_round(self) -> None:
        self._quickest = inf
        self._round_ends = self._good + max(self.limit, _ROUND)

    def _end_round(self, now: float) -> None:
        """The quickest answer is what is looked at: large pages, and our own work between two looks at the sockets,
        make some answers slow; a host that has too much to do makes all of them slow."""
        quickest, best = self._quickest, self._at_best
        if quickest > _SLOWER * best + _SLOW_BY and self.limit > 1:
            self._slow_down(0.75, now)
            return
        self._at_best = min(quickest, best) if self.limit > 1 else quickest  # it has but one request of ours to answer
        if self._limit < self._rules.most:
            self._limit = min(self._limit + 1, float(self._rules.most))
            self.limit = int(self._limit)
        self._begin_round()
        if self._quiet_from and now >= self._quiet_from + _QUIET:
            self._level = max(self._level - 1, 0)
            self.gap = self.gap * _EASED if self.gap > _NO_GAP else 0.0
            self._quiet_from = now if self.slowed else 0.0
