"""What an embedded store knows on the loop: who is known, who is pending, what waits for its commit.

Both stores of one process keep the same ledger and differ in what they do with its records. `accept`
decides everything at once (dedupe, ids, whether an outcome counts), so that a page's children can be
handed out before its commit; `take` gives the decisions back when the group is committed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from crawler.binding import mark_of
from crawler.contracts import Entry, Group, Outcome, StateOp
from crawler.frontier.seen import SeenSet
from crawler.request import make
from crawler.state import apply

__all__ = ["GONE", "Again", "Ledger", "Record", "with_again"]

GONE = object()
"""The value of a state key that was deleted."""


class Again:
    """What a pending entry has beyond its row: how often it was tried and taken up, and when it is due."""

    __slots__ = ("due", "tries", "visit")

    def __init__(self, tries: int, due: float, visit: int) -> None:
        self.tries = tries
        self.due = due
        self.visit = visit


class Record:
    """An accepted outcome: the new entries, what is kept of their keys (`seen.kept`), and the state's values
    after it.

    `counts` is False for an outcome whose entry was not pending: it changes nothing. `again` is what
    the entry is given back with.
    """

    __slots__ = ("again", "counts", "digests", "ends", "entries", "outcome", "state")

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.counts = True
        self.ends = False
        self.again: Again | None = None
        self.entries: list[Entry] = []
        self.digests: list[bytes] = []
        self.state: dict[str, Any] = {}


class Ledger:
    """The loop's side of a store. `ended` has a byte for each id: 1 when it is not pending any more."""

    def __init__(self) -> None:
        self.seen = SeenSet()
        self.ended = bytearray(b"\1")  # ids begin at 1: there is no entry 0
        self.again: dict[int, Again] = {}
        self.deaths: dict[bytes, int] = {}
        self.state: dict[str, Any] = {}
        self._records: deque[Record] = deque()

    def is_pending(self, id: int, visit: int | None = None) -> bool:
        """Whether an id waits to be done; with `visit`, whether it does so in this visit."""
        if not 0 < id < len(self.ended) or self.ended[id]:
            return False
        if visit is None:
            return True
        again = self.again.get(id)
        return visit == (again.visit if again is not None else 0)

    def accept(self, outcome: Outcome) -> list[Entry]:
        """Numbers what is new; the store has frozen its arguments (`freeze_arguments`). Raises, before anything
        is changed, TypeError for a state operation that the value does not bear, ValueError for an outcome
        that contradicts itself."""
        entry, verdict = outcome.entry, outcome.verdict
        if (verdict == "returned") != (outcome.returned is not None):
            raise ValueError(f"the verdict is {verdict} and returned is {outcome.returned}: one needs the other")
        record = Record(outcome)
        touches = entry is not None and entry.id != 0 and verdict != "none"
        if touches and entry is not None and not self.is_pending(entry.id, entry.visit):
            record.counts = False
            self._records.append(record)
            return []
        if outcome.state:
            record.state = self._after(outcome.state)
            self._set(record.state)
        if touches and entry is not None:
            self._touch(entry, outcome, record)
        if outcome.found:
            self._number(outcome, record)
        self._records.append(record)
        return record.entries

    def take(self, group: Group) -> list[Record]:
        """The records of a group. Raises ValueError where its outcomes are not the next accepted ones."""
        records, waiting = [], self._records
        for record, outcome in zip(waiting, group.outcomes, strict=False):
            if record.outcome is not outcome:
                break
            records.append(record)
        if len(records) != len(group.outcomes):
            raise ValueError(f"group {group.number} is not made of the outcomes accepted next, in their order")
        for _ in records:
            waiting.popleft()
        return [record for record in records if record.counts]

    def _number(self, outcome: Outcome, record: Record) -> None:
        add, deaths, number = self.seen.add, self.deaths, len(self.ended)
        for found in outcome.found:
            key, request = found.key, found.request
            digest = add(key, found.mark or mark_of(request._callback, request._kwargs))
            if digest is not None:
                died = deaths.get(key, 0) if deaths else 0
                record.entries.append(Entry(number, key, found.host, request, found.age, 0, died))
                record.digests.append(digest)
                number += 1
        self.ended.extend(bytes(number - len(self.ended)))

    def _touch(self, entry: Entry, outcome: Outcome, record: Record) -> None:
        back = outcome.returned
        if back is None:
            self.ended[entry.id] = 1
            self.again.pop(entry.id, None)
            record.ends = True
        else:
            record.again = self.again[entry.id] = Again(back.tries, back.due, entry.visit)

    def _after(self, ops: Sequence[StateOp]) -> dict[str, Any]:
        """The values of the keys that the operations touch, after them."""
        keys = {op.key for op in ops}
        for key in keys:
            key.encode()  # a lone surrogate is no text that a database takes: ValueError
        values = {key: self.state[key] for key in keys if key in self.state}
        apply(values, ops)
        for key, value in values.items():
            if type(value) is int and not -(1 << 63) <= value < 1 << 64:
                raise TypeError(f"state[{key!r}] has become {value}: MessagePack stores 64 bits")
        return {key: values.get(key, GONE) for key in keys}

    def _set(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            if value is GONE:
                self.state.pop(key, None)
            else:
                self.state[key] = value


def with_again(entry: Entry, again: Again | None) -> Entry:
    """Gives an entry the tries, the due time and the visit that it was returned with, in place."""
    if again is not None:
        entry.due, entry.visit = again.due, again.visit
        if entry.tries != again.tries or entry.request.tries != again.tries:
            old = entry.request
            entry.tries = again.tries
            entry.request = make(old._url, old._callback, old._kwargs, old._options, old._depth, again.tries)
    return entry
