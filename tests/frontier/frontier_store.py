"""Short ways to write outcomes, and a store driven as the committer drives it."""

from __future__ import annotations

import hashlib
from typing import Any

from crawler.contracts import Entry, Found, Frontier, Group, Outcome, Recovered, Returned
from crawler.request import PLAIN, Options, make


def key_of(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def found(
    name: str,
    host: str = "a.example",
    *,
    depth: int = 0,
    age: int = 0,
    kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> Found:
    request = make(f"http://{host}/{name}", "parse_it", kwargs or {}, Options(**options) if options else PLAIN, depth)
    return Found(key_of(name), host, request, age)


def seeds(*names: str, **args: Any) -> Outcome:
    return Outcome(None, "none", found=[found(name, **args) for name in names])


def given_back(entry: Entry, tries: int, due: float) -> Outcome:
    return Outcome(entry, "returned", returned=Returned(tries, due))


class Store:
    """A frontier with the committer's part: what was accepted goes into the next group."""

    def __init__(self, frontier: Frontier) -> None:
        self.frontier = frontier
        self.recovered = Recovered()
        self.waiting: list[Outcome] = []
        self.number = 0

    async def open(self) -> Store:
        self.recovered = await self.frontier.open()
        self.number = self.recovered.commit
        return self

    def accept(self, outcome: Outcome) -> list[Entry]:
        entries = self.frontier.accept(outcome)
        self.waiting.append(outcome)
        return entries

    async def commit(self, **group: Any) -> list[Entry]:
        self.number += 1
        outcomes, self.waiting = self.waiting, []
        return await self.frontier.commit(Group(self.number, outcomes, **{"log_end": 0, **group}))

    async def add(self, outcome: Outcome) -> list[Entry]:
        """Accepts and commits: the entries, whichever of the two gives them."""
        return self.accept(outcome) + await self.commit()


def pending_of(recovered: Recovered) -> dict[tuple[str, tuple[int, int]], list[int]]:
    return {(host, level): list(ids) for host, level, ids in recovered.backlog}
