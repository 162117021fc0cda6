"""`crawler run …` with one feature taken out of its code, or put in: python ours_without.py FEATURE run …

What can be set by a setting is not here. Each is the least that takes the feature's own work away; the pages and
items stay the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import aiohttp

from crawler import assembly
from crawler.cli import main
from crawler.events import Committed, Ended, Started
from crawler.fetch import session
from crawler.frontier import transaction
from crawler.stages import Stages


def stages() -> None:
    """No page is measured."""
    Stages.sample = lambda self, stage: 0  # type: ignore[method-assign]


def retry() -> None:
    """The onion without its retry layer."""
    wrap = assembly.wrap
    assembly.wrap = lambda fetch, layers: wrap(fetch, layers[1:])  # type: ignore[attr-defined]


def events() -> None:
    """Nobody hears of pages: neither the terminal nor crawl.log."""
    emit = assembly.Assembly.emit

    def some(self: Any, event: Any) -> None:
        if isinstance(event, Started | Committed | Ended):
            emit(self, event)

    assembly.Assembly.emit = some  # type: ignore[method-assign]


def explain() -> None:
    """A page's end is recorded without its status, time, tries and words."""

    def ends(records: Any, now: float) -> list[tuple[object, ...]]:
        entries = [record.outcome.entry for record in records if record.ends]
        return [(entry.id, "done", 0, None, None, 0.0, 0, 0) for entry in entries]

    transaction._done = ends


def tracing() -> None:
    """With aiohttp's own tracing: every signal of a request has one listener, which does nothing."""

    async def hear(*_: object) -> None: ...

    trace = aiohttp.TraceConfig()
    for name in dir(trace):
        if name.startswith("on_"):
            getattr(trace, name).append(hear)
    make = session.ClientSession
    session.ClientSession = lambda **options: make(trace_configs=[trace], **options)  # type: ignore[misc,assignment]


def nothing() -> None:
    """As it is."""


FEATURES: dict[str, Callable[[], None]] = {
    made.__name__: made for made in (stages, retry, events, explain, tracing, nothing)
}

if __name__ == "__main__":
    FEATURES[sys.argv.pop(1)]()
    main()
