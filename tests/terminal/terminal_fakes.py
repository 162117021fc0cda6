"""A crawl's numbers and events without a crawl."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from crawler import events
from crawler.counts import Example, HostStats, Stats, stats_json

COUNTERS = {
    "pages": 1240, "responses": 1225, "items": 1020, "bytes": 3_565_158, "retries": 3, "redirects": 12, "robots": 2,
    "duplicates": 410, "requests_failed": 15, "status/200": 1215, "status/301": 12, "status/404": 13,
    "error/BadStatus": 13, "error/TimedOut": 2, "skipped/domain": 40, "skipped/robots": 3,
}  # fmt: skip
EXAMPLES = {
    "error/BadStatus": Example("http://shop.example/products/999", "status 404 Not Found"),
    "error/TimedOut": Example("http://shop.example/slow", "no answer within 60 s (sock_read)"),
}
HOSTS = [
    HostStats("slow.example", 12, 1, 2.31, 2, 40, 28.0, "retry-after"),
    HostStats("shop.example", 1200, 14, 0.031, 8, 14),
]


def make_stats(**changes: Any) -> Stats:
    base = Stats(
        spider="books", run="20250105-120302-a1b2", path="/srv/runs/books/20250105-120302-a1b2", state="running",
        reason="", exit_code=None, started=time.time(), seconds=10.0, counters=dict(COUNTERS), pages_per_second=124.3,
        pages_per_second_mean=118.2, pending=14, in_flight=32, known=1300, hosts=list(HOSTS), examples=dict(EXAMPLES),
        outputs={}, warnings=[], callbacks_blocked={},
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def ended_stats(reason: str = "complete", code: int = 0, **changes: Any) -> Stats:
    return make_stats(
        **{"state": "ended", "reason": reason, "exit_code": code, "pending": 0, "in_flight": 0, **changes}
    )


class FakeCrawl:
    """Counts how often it was asked; each time a page more is done."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.asked = 0

    def stats(self) -> Stats:
        self.asked += 1
        counters = {**COUNTERS, "pages": COUNTERS["pages"] + self.asked, **self.changes.get("counters", {})}
        return make_stats(**{**self.changes, "counters": counters})


def started(path: Path | str, **changes: Any) -> events.Started:
    fields = {"spider": "books", "run": "r1", "path": str(path), "resumed": False, **changes}
    return events.Started(**fields)


def ended(stats: Stats | None = None) -> events.Ended:
    stats = stats or ended_stats()
    assert stats.exit_code is not None
    return events.Ended(stats.reason, stats.exit_code, stats_json(stats))


def failed(
    url: str = "http://shop.example/a", message: str = "no answer within 60 s", **more: Any
) -> events.PageFailed:
    return events.PageFailed(url, "shop.example", "TimedOut", message, **more)


def done(url: str = "http://shop.example/b") -> events.PageDone:
    return events.PageDone(url, "shop.example", 200, 0.031, 8_000, 1, 30, "done")
