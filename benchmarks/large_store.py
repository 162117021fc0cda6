"""A store of any size, filled and asked the real way, for the benchmarks of what size costs.

Its URLs are numbered as they are found, from 1, and `host` says which host each is of. Pages go the way
they go in a crawl, but for the network and the spider: fingerprints and look-ups (`Linker`), `accept`,
commit (item log and SQLite, both synced), in groups of 200 pages.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crawler.canonical import CanonicalRules
from crawler.codec import encode_item
from crawler.contracts import Entry, Group, ItemRecord, Outcome
from crawler.frontier import SQLiteFrontier
from crawler.frontier.fingerprint import Fingerprinter
from crawler.linking import Linker
from crawler.outputs import ItemLog
from crawler.request import PLAIN, Request, make
from crawler.scope import Scope
from crawler.settings import Settings

__all__ = ["LINKS", "PAGES", "Store", "megabytes"]

PAGES, LINKS = 200, 30
ROUNDS = 15
FINGERPRINTER = Fingerprinter(bytes(16), CanonicalRules())
MENU = 200  # pages that "every page links to"
ITEM = ItemRecord(0, *encode_item({"title": "A book of three hundred pages", "price": 51.77, "stock": 22}))


Page = tuple[Entry | None, list[Request]]
"""A page, or the seeds, and the links on it."""


def megabytes() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Store:
    """A frontier and its log, filled with URLs that are numbered as they are found, from 1."""

    def __init__(
        self, directory: Path, host: Callable[[int], str], *, durable: bool = True, items: bool = True
    ) -> None:
        self.host = host
        self.items = [ITEM] if items else []
        self.known = 0
        self.ended = 0
        self._thread = ThreadPoolExecutor(1)
        self._log = ItemLog(directory / "items.log", durable=durable)
        self._frontier = SQLiteFrontier(directory / "frontier.sqlite", durable=durable, executor=self._thread)
        self._linker = Linker(FINGERPRINTER, Scope(Settings(), ()), self._frontier, Settings())
        self._number = 0
        self._random = random.Random(1)

    async def open(self) -> None:
        recovered = await self._frontier.open()
        self._number, self.known, self.ended = recovered.commit, recovered.known, recovered.known - recovered.pending

    async def close(self) -> None:
        await self._frontier.close()
        self._log.close()
        self._thread.shutdown()

    async def fill(self, known: int, new: int) -> None:
        """Pages in order, each with so many links, all new, up to `known` URLs."""
        if self.known - self.ended < PAGES:
            await self.commit([(None, self.new(min(known, PAGES * new), 0))])
        while self.known < known:
            pages = min(PAGES, -(-(known - self.known) // new))
            await self.commit([(page, self.new(new, page.request.depth + 1)) for page in self.next(pages)])

    async def cost(self, new: int, *, anywhere: bool) -> tuple[float, float, float]:
        """µs a page: median and mean of the groups; and of reading an entry at its hand-out."""
        costs, reads = [], []
        for _ in range(ROUNDS):
            begin = time.process_time()
            entries = self.some() if anywhere else self.next(PAGES)
            reads.append((time.process_time() - begin) / PAGES * 1e6)
            pages: list[Page] = []
            for page in entries:
                depth = page.request.depth + 1
                links = [*self.old(LINKS - new, depth, anywhere=anywhere), *self.new(new, depth)]
                self._random.shuffle(links)
                pages.append((page, links))
            gc.freeze()  # a crawl has the links of one page in memory at a time, not of a whole group
            begin = time.process_time()
            await self.commit(pages)
            costs.append((time.process_time() - begin) / PAGES * 1e6)
            gc.unfreeze()
        return statistics.median(costs), statistics.mean(costs), statistics.median(reads)

    async def commit(self, pages: Sequence[Page]) -> None:
        """What the engine and the committer do with pages and their links."""
        outcomes = []
        for entry, links in pages:
            outcome = Outcome(entry, "none")
            if entry is not None:
                outcome = Outcome(entry, "done", 200, items=self.items, counters={"pages": 1, "items": 1})
            self._linker.link(entry, enumerate(links), outcome)
            self._frontier.accept(outcome)
            outcomes.append(outcome)
        self._number += 1
        records = [(o.entry.key, item) for o in outcomes if o.entry is not None for item in o.items]
        end = await asyncio.get_running_loop().run_in_executor(self._thread, self._log.append, self._number, records)
        await self._frontier.commit(Group(self._number, outcomes, end))

    def new(self, count: int, depth: int) -> list[Request]:
        first = self.known + 1
        self.known += count
        return [self.request(n, depth) for n in range(first, self.known + 1)]

    def old(self, count: int, depth: int, *, anywhere: bool) -> list[Request]:
        most = self.known if anywhere else min(self.known, MENU)
        return [self.request(n, depth) for n in self._random.choices(range(1, most + 1), k=count)]

    def request(self, n: int, depth: int) -> Request:
        return make(f"http://{self.host(n)}/catalogue/item-{n}/index.html", "parse", {}, PLAIN, depth)

    def next(self, count: int) -> list[Entry]:
        """The oldest that are pending."""
        entries: list[Entry] = []
        while len(entries) < count:
            first = self.ended + 1
            self.ended += count - len(entries)
            entries += self.read(range(first, self.ended + 1))
        return entries

    def some(self) -> list[Entry]:
        """Pending ones from anywhere."""
        entries: dict[int, Entry] = {}
        while len(entries) < PAGES:
            ids = self._random.sample(range(self.ended + 1, self.known + 1), PAGES)
            entries.update((entry.id, entry) for entry in self.read(ids))
        return list(entries.values())[:PAGES]

    def read(self, ids: Sequence[int]) -> list[Entry]:
        """As the scheduler asks: a window at a time."""
        return [entry for at in range(0, len(ids), 16) for entry in self._frontier.bodies(ids[at : at + 16])]
