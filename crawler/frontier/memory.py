"""The store that keeps nothing: a crawl in memory, for tests, notebooks and small jobs."""

from __future__ import annotations

from collections.abc import Sequence

from crawler.contracts import Entry, Group, Outcome, Recovered
from crawler.errors import StateError
from crawler.frontier.bodies import freeze_arguments
from crawler.frontier.ledger import Ledger, with_again

__all__ = ["MemoryFrontier"]


class MemoryFrontier:
    """`contracts.Frontier` without a disk: entries are kept as they are until they are done.

    It forgets everything when it is closed, so state, counters, meta and hosts' waits, which are only
    ever read by a later process, are not kept at all; they are checked as the durable stores do.
    """

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._entries: dict[int, Entry] = {}
        self._number = 0
        self._closed = False

    async def open(self) -> Recovered:
        """Nothing is known: the defaults."""
        return Recovered()

    def known(self, key: bytes) -> bool:
        """Whether a request with this key was ever accepted."""
        return key in self._ledger.seen

    def mark(self, key: bytes) -> int:
        """How the request was made that was accepted with this key; -1: none was."""
        return self._ledger.seen.find(key)

    def is_pending(self, entry: Entry) -> bool:
        """Whether an outcome of this entry would count: it is pending, in this visit."""
        return self._ledger.is_pending(entry.id, entry.visit)

    def accept(self, outcome: Outcome) -> list[Entry]:
        """Dedupes and numbers what the page found; all of it may be handed out now."""
        self._check()
        for found in outcome.found:
            freeze_arguments(found.request)
        entries = self._ledger.accept(outcome)
        for entry in entries:
            self._entries[entry.id] = entry
        done = outcome.entry
        if done is not None and not self._ledger.is_pending(done.id):
            self._entries.pop(done.id, None)
        return entries

    async def commit(self, group: Group) -> list[Entry]:
        """Closes the group's account; there is nothing to write."""
        self._check()
        if group.number <= self._number:
            raise ValueError(f"group {group.number} comes after group {self._number}")
        self._ledger.take(group)
        self._number = group.number
        return []

    def bodies(self, ids: Sequence[int]) -> list[Entry]:
        """The entries of pending ids, in the order asked."""
        self._check()
        again, entries = self._ledger.again, self._entries
        return [with_again(entries[id], again.get(id)) for id in ids if id in entries]

    async def close(self) -> None:
        """Forgets everything."""
        self._closed = True
        self._entries.clear()
        self._ledger = Ledger()

    def _check(self) -> None:
        if self._closed:
            raise StateError("the frontier is closed")
