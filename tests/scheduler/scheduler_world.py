"""A world for a scheduler: a clock that tests move, a store of pages, a gate that tests open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crawler.contracts import Entry
from crawler.request import PLAIN, Options, make
from crawler.scheduler import Scheduler
from crawler.settings import Settings


class World:
    def __init__(self, **settings: Any) -> None:
        self.now = 1_000_000.0
        self.stored: dict[int, Entry] = {}
        self.reads: list[list[int]] = []
        self.verdicts: dict[str, str] = {}  # by host; else "go"
        self.full = False
        self.checked: list[str] = []
        self.settings = Settings(**settings)
        self.scheduler = Scheduler(self.settings, self.bodies, gate=self, clock=lambda: self.now)
        self._id = 0

    # the frontier's and the gate's side

    def bodies(self, ids: Sequence[int]) -> list[Entry]:
        self.reads.append(list(ids))
        return [self.stored[id] for id in ids if id in self.stored]

    def check(self, entry: Entry) -> str:
        self.checked.append(entry.host)
        return self.verdicts.get(entry.host, "go")

    # the engine's side

    def entry(self, host: str, priority: int = 0, depth: int = 0, *, age: int = 0, due: float = 0.0) -> Entry:
        self._id += 1
        options = Options(priority=priority) if priority else PLAIN
        request = make(f"http://{host}/{self._id}", "", {}, options, depth)
        entry = Entry(self._id, b"", host, request, age=age, due=due)
        self.stored[entry.id] = entry
        return entry

    def add(self, host: str, priority: int = 0, depth: int = 0) -> Entry:
        entry = self.entry(host, priority, depth)
        self.scheduler.add(entry)
        return entry

    def fetch(self, host: str) -> Entry:
        entry = Entry(0, b"", host, make(f"http://{host}/fetch", "", {}, PLAIN, 0))
        self.scheduler.fetch(entry)
        return entry

    def take(self, mode: Any = "all") -> Entry | None:
        handout = self.scheduler.take(mode)
        if handout is None:
            return None
        assert handout.skip == ""
        self.stored.pop(handout.entry.id, None)
        return handout.entry

    def drain(self) -> list[Entry]:
        """Hands out and ends at once, moving the clock where only time helps."""
        taken = []
        while True:
            entry = self.take()
            if entry is not None:
                taken.append(entry)
                self.scheduler.release(entry.host)
                continue
            due = self.scheduler.next_due()
            if due is None:
                return taken
            self.now += due + 1e-6
