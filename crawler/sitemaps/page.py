"""A sitemap's page while it is worked on: what it names goes to the store as it is read.

An ordinary page keeps its requests until it is done. A sitemap names 50,000 pages, and to number them all at
once would hold the event loop for half a second and their requests in memory. So they are handed over like
seeds, some hundred at a time, with the page itself still to be done: whoever kills the process has it read
again, and the store knows the ones it has. Only the page's own end says that it was read.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from crawler.contracts import Entry, Outcome, Skip
from crawler.counts import TALLY
from crawler.page import Page

if TYPE_CHECKING:
    from crawler.engine import Engine
    from crawler.request import Request

__all__ = ["SitemapPage"]


class SitemapPage(Page):
    """A `Page` that can hand over what it has yielded so far."""

    __slots__ = ("_left_out",)

    def __init__(self, engine: Engine, entry: Entry) -> None:
        super().__init__(engine, entry)
        self._left_out: list[tuple[Request, Skip]] = []

    async def hand_over(self) -> None:
        """Gives the requests that were yielded since the last call to the store, and waits while the disk is
        behind. Raises TypeError, ValueError for one whose arguments cannot be stored."""
        engine = self.engine
        if engine.committer.error is not None:
            return  # the crawl has failed: this page stays pending
        outcome = Outcome(self.entry, "none")  # what is found has it as parent, and it stays pending
        self._left_out += engine.linker.link(self.entry, self.take_requests(), outcome)
        # Counted once, when the page is done, however often it is read: all but what counts the pages that are new.
        for name in [name for name in outcome.counters if not name.startswith(TALLY)]:
            self.counters[name] = self.counters.get(name, 0) + outcome.counters.pop(name)
        if outcome.found:
            outcome.size = 200 * len(outcome.found)
            engine.accept(outcome)
            engine.wake.set()
        while engine.committer.full and engine.committer.error is None:
            with contextlib.suppress(Exception):  # kept in committer.error
                await engine.committer.flush()

    async def finish(self, outcome: Outcome) -> Outcome:
        """As for any page; what the rules left out is told now, of a page that was read to its end."""
        left_out, self._left_out = self._left_out, []
        if outcome.verdict == "done":
            for request, skip in left_out:
                await self._tell_skipped(request, skip, outcome)
        return await super().finish(outcome)
