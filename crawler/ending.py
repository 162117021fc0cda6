"""How a crawl ends: its limits, its reason, its exit code."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crawler.errors import CrawlerError

if TYPE_CHECKING:
    from crawler.counts import Counts
    from crawler.settings import Settings

__all__ = ["End", "Limits"]


@dataclass(slots=True, frozen=True)
class End:
    """Why a crawl ended. `final`: the run is over, its outputs are published; else it can go on.

    `limit` names the setting that was reached and `value` what it was: a later run goes on only
    when it is higher or gone. `interrupted`: pages in flight get `grace` seconds. `leaves`: they get
    none and stay pending.
    """

    reason: str
    code: int
    text: str = ""
    final: bool = True
    interrupted: bool = False
    leaves: bool = False
    limit: str = ""
    value: float = 0.0
    error: BaseException | None = field(default=None, compare=False)

    @classmethod
    def failure(cls, error: BaseException) -> End:
        """Something of ours broke, or the disk did."""
        code = error.exit_code if isinstance(error, CrawlerError) else 1
        text = str(error) or type(error).__name__
        return cls(f"failed: {text}", code, text, final=False, error=error)

    @classmethod
    def signal(cls, name: str, code: int) -> End:
        """SIGINT (130) or SIGTERM (143)."""
        return cls(f"interrupted by {name}", code, f"interrupted by {name}", final=False, interrupted=True)

    @classmethod
    def parked(cls, hosts: dict[str, tuple[float, str]], now: float) -> End:
        """Only hosts are left that must not be asked for now."""
        named = [
            f"{host} ({reason}; not before {time.strftime('%H:%M:%S', time.localtime(until))})"
            if until > now
            else f"{host} ({reason})"
            for host, (until, reason) in sorted(hosts.items())[:3]
        ]
        more = f" and {len(hosts) - 3} more" if len(hosts) > 3 else ""
        reason = f"only parked hosts are left: {', '.join(named)}{more}"
        return cls(reason, 4, reason, final=False)


class Limits:
    """The limits that a user set, asked at each turn of the loop."""

    def __init__(self, settings: Settings, counts: Counts) -> None:
        self._settings = settings
        self._counts = counts
        limits = (settings.max_items, settings.max_bytes, settings.max_errors, settings.max_seconds)
        self._any = any(limit is not None for limit in limits)  # asked once a page

    def pages_full(self, in_flight: int) -> bool:
        """Whether `max_pages` is reached by pages counted and in flight together.

        In flight are also retries, which were counted before: then the limit waits for them, which
        hands out later and never too much.
        """
        limit = self._settings.max_pages
        return limit is not None and self._counts["pages"] + in_flight >= limit

    def at_max_pages(self) -> End:
        """The end by `max_pages`."""
        return self._limit("max_pages", self._settings.max_pages or 0)

    def seconds_left(self) -> float:
        """Until `max_seconds`; endless where there is no such limit."""
        limit = self._settings.max_seconds
        return float("inf") if limit is None else limit - self._counts.seconds

    def reached(self) -> End | None:
        """A limit that ends the crawl after the page that reached it."""
        if not self._any:
            return None
        settings, counts = self._settings, self._counts
        if settings.max_items is not None and counts["items"] >= settings.max_items:
            return self._limit("max_items", settings.max_items)
        if settings.max_bytes is not None and counts["bytes"] >= settings.max_bytes:
            return self._limit("max_bytes", settings.max_bytes)
        if settings.max_errors is not None and counts["requests_failed"] >= settings.max_errors:
            return self._limit("max_errors", settings.max_errors, code=3)
        if settings.max_seconds is not None and counts.seconds >= settings.max_seconds:
            return self._limit("max_seconds", settings.max_seconds)
        return None

    def judge(self, end: End) -> End:
        """The exit code after all pages ended: quality below the asked is 3, nothing at all is 1."""
        if end.code != 0:
            return end
        counts, settings = self._counts, self._settings
        failed, callbacks = counts["requests_failed"], counts["callbacks_failed"]
        share = counts.failed_share()
        if callbacks > settings.max_failed_callbacks:
            text = f"the spider's code failed {'once' if callbacks == 1 else f'{callbacks} times'}"
        elif failed and (share > settings.max_failed_share or share == 1.0):
            text = f"{failed} of {failed + counts['responses']} requests failed ({share:.0%})"
        else:
            return end
        return End(f"{end.reason}; {text}", 3, text, end.final, limit=end.limit, value=end.value)

    @staticmethod
    def _limit(name: str, value: float, code: int = 0) -> End:
        text = f"limit reached: {name} = {value:g}" if value < 1e6 else f"limit reached: {name} = {value:,.0f}"
        return End(text, code, text, limit=name, value=value)
