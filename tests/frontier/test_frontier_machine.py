"""The stores against a model that fits on a page: random work, crashes and reopenings in between."""

from __future__ import annotations

import asyncio
import copy
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from frontier_store import Store, found, given_back, key_of, pending_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crawler.binding import mark_of
from crawler.contracts import Entry, Outcome, StateOp
from crawler.frontier import MemoryFrontier, SQLiteFrontier
from crawler.state import apply, decode_value

NAMES = st.lists(st.sampled_from([f"page{n}" for n in range(40)]), max_size=6)
HOSTS = st.sampled_from(["one", "two", "three:8080"])
LEVELS = st.tuples(st.sampled_from([0, 0, 5, -3, 5000]), st.sampled_from([0, 1, 2, 5000]))
OPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["set", "add", "max", "min"]), st.sampled_from("abc"), st.integers(-9, 9)),
        st.tuples(st.just("put"), st.just("tags"), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.sampled_from(["a", "tags"]), st.none()),
    ).map(lambda op: StateOp(*op)),
    max_size=3,
)
FINAL = st.sampled_from(["done", "failed", "handled", "redirected", "skipped"])


@dataclass
class Row:
    id: int
    host: str
    level: tuple[int, int]
    age: int
    tries: int = 0
    due: float = 0.0
    pending: bool = True
    visit: int = 0
    failed: str = ""
    mark: int = 0


@dataclass
class Model:
    """All that a store is to know."""

    rows: dict[bytes, Row] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    cookies: dict[str, bytes] = field(default_factory=dict)
    log_end: int = 0
    number: int = 0
    seeds_done: bool = False

    def take_up(self, which: str) -> int:
        """Makes failed pages pending again, in their next visit; how many."""
        rows = [row for row in self.rows.values() if row.failed and (which == "failed" or "callback" in row.failed)]
        for row in rows:
            counter = "callbacks_failed" if "callback" in row.failed else "requests_failed"
            own = row.failed if "callback" in row.failed else f"error/{row.failed}"
            for name in (counter, own):
                self.counters[name] -= 1
                if not self.counters[name]:
                    del self.counters[name]
            row.visit, row.tries, row.due, row.pending, row.failed = row.visit + 1, 0, 0.0, True, ""
        return len(rows)


class MemoryMachine(RuleBasedStateMachine):
    """What holds for every store."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.now = Model()  # what is accepted
        self.kept = Model()  # what is committed
        self.entries: dict[int, Entry] = {}
        self.ended: list[Entry] = []
        self.store = self.open()

    def open(self) -> Store:
        return self.runner.run(Store(MemoryFrontier()).open())

    def teardown(self) -> None:
        self.runner.run(self.store.frontier.close())
        self.runner.close()

    # -- the rules

    @rule(names=NAMES, host=HOSTS, level=LEVELS, ops=OPS, last=st.booleans())
    def seed(self, names: list[str], host: str, level: tuple[int, int], ops: list[StateOp], last: bool) -> None:
        self.accept(self.outcome(None, "none", names, host, level, ops, seeds_done=last))

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), verdict=FINAL, names=NAMES, host=HOSTS, level=LEVELS, ops=OPS)
    def finish(
        self, data: st.DataObject, verdict: Any, names: list[str], host: str, level: tuple[int, int], ops: list[StateOp]
    ) -> None:
        entry = data.draw(st.sampled_from(list(self.entries.values())))
        age = entry.age if verdict == "redirected" else 0
        error = data.draw(st.sampled_from(["TimedOut", "callback/ValueError"])) if verdict == "failed" else ""
        self.accept(self.outcome(entry, verdict, names, host, level, ops, age=age, error=error))
        row = self.now.rows[entry.key]
        row.pending, row.failed = False, error
        self.ended.append(self.entries.pop(entry.id))

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), due=st.integers(1, 10**10))
    def give_back(self, data: st.DataObject, due: int) -> None:
        entry = data.draw(st.sampled_from(list(self.entries.values())))
        row = self.now.rows[entry.key]
        row.tries, row.due = row.tries + 1, due / 4
        self.accept(given_back(entry, row.tries, row.due))

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), names=NAMES, ops=OPS)
    def finish_what_is_finished(self, data: st.DataObject, names: list[str], ops: list[StateOp]) -> None:
        """A second outcome of a page that is not pending: nothing may change."""
        entry = data.draw(st.sampled_from(self.ended))
        before = copy.deepcopy(self.now)
        outcome = self.outcome(entry, "done", names, "one", (0, 0), ops)
        self.now = before
        assert self.store.accept(outcome) == []

    @rule(cookies=st.dictionaries(st.sampled_from("xyz"), st.sampled_from([b"", b"1", b"2"])))
    def commit(self, cookies: dict[str, bytes]) -> None:
        self.now.number += 1
        self.now.log_end += 10
        self.now.cookies = {key: raw for key, raw in {**self.now.cookies, **cookies}.items() if raw}
        self.runner.run(self.store.commit(log_end=self.now.log_end, cookies=cookies))
        self.kept = copy.deepcopy(self.now)

    @invariant()
    def bodies_are_the_pending_ones(self) -> None:
        asked = sorted(range(-1, len(self.now.rows) + 3), key=lambda id: id * 7919 % 101)
        rows = {row.id: row for row in self.now.rows.values() if row.pending}
        bodies = self.store.frontier.bodies(asked)
        assert [entry.id for entry in bodies] == [id for id in asked if id in rows]
        for entry in bodies:
            row = rows[entry.id]
            assert (entry.host, entry.level, entry.age) == (row.host, row.level, row.age)
            assert (entry.tries, entry.due, entry.request.tries) == (row.tries, row.due, row.tries)
            assert entry.visit == row.visit and self.store.frontier.is_pending(entry)
            assert self.now.rows[entry.key] is row

    @invariant()
    def known_are_the_accepted_ones(self) -> None:
        for name in [f"page{n}" for n in range(40)]:
            row = self.now.rows.get(key_of(name))
            assert self.store.frontier.known(key_of(name)) is (row is not None)
            assert self.store.frontier.mark(key_of(name)) == (row.mark if row is not None else -1)

    # -- how they are made

    def outcome(
        self,
        entry: Entry | None,
        verdict: Any,
        names: list[str],
        host: str,
        level: tuple[int, int],
        ops: list[StateOp],
        *,
        age: int = 0,
        seeds_done: bool = False,
        error: str = "",
    ) -> Outcome:
        """An outcome, entered in the model."""
        model, (priority, depth) = self.now, level
        words = {"n": depth} if depth else {}
        for name in names:
            if key_of(name) not in model.rows:
                id = len(model.rows) + 1
                mark = mark_of("parse_it", words)
                model.rows[key_of(name)] = Row(id, host, (-priority, depth), age or id, mark=mark)
        apply(model.state, ops)
        counters = {"pages": 1, f"verdict/{verdict}": len(names)}
        if error:
            own = error if "callback" in error else f"error/{error}"
            counters |= {"callbacks_failed" if "callback" in error else "requests_failed": 1, own: 1}
        for counter, n in counters.items():
            model.counters[counter] = model.counters.get(counter, 0) + n
        model.seeds_done |= seeds_done
        requests = [found(name, host, depth=depth, age=age, priority=priority, kwargs=words) for name in names]
        return Outcome(entry, verdict, found=requests, state=ops, counters=counters, seeds_done=seeds_done, error=error)

    def accept(self, outcome: Outcome) -> None:
        entries = self.store.accept(outcome)
        if outcome.verdict != "returned":
            new = dict.fromkeys(one.key for one in outcome.found if one.key not in {e.key for e in self.all_entries()})
            assert [entry.key for entry in entries] == list(new)
        for entry in entries:
            assert entry.id == self.now.rows[entry.key].id
            self.entries[entry.id] = entry

    def all_entries(self) -> list[Entry]:
        return [*self.entries.values(), *self.ended]


class SQLiteMachine(MemoryMachine):
    """What holds for a store with a disk as well."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        (self.directory / "0").mkdir()
        self.generation = 0
        super().__init__()

    def open(self, take_up: str = "") -> Store:
        return self.runner.run(Store(SQLiteFrontier(self.path, durable=False, take_up=take_up)).open())

    @property
    def path(self) -> Path:
        return self.directory / str(self.generation) / "f.sqlite"

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.directory)

    @rule(clean=st.booleans(), take_up=st.sampled_from(["", "", "callbacks", "failed"]))
    def reopen(self, clean: bool, take_up: str) -> None:
        """As the process ends, or dies: then the files are taken as they lie there."""
        old = self.store
        if not clean:
            self.generation += 1
            shutil.copytree(self.directory / str(self.generation - 1), self.path.parent)
        if clean:
            self.runner.run(old.frontier.close())
            self.store = self.open(take_up)
        else:
            self.store = self.open(take_up)
            self.runner.run(old.frontier.close())
        taken = self.kept.take_up(take_up) if take_up else 0
        assert self.store.frontier.taken_up == taken  # type: ignore[attr-defined]
        self.now = copy.deepcopy(self.kept)
        self.check_recovered()

    def check_recovered(self) -> None:
        recovered, model = self.store.recovered, self.now
        assert (recovered.commit, recovered.log_end) == (model.number, model.log_end)
        assert (recovered.seeds_done, recovered.counters) == (model.seeds_done, model.counters)
        assert {key: decode_value(raw) for key, raw in recovered.state.items()} == model.state
        assert recovered.cookies == model.cookies
        rows = {row.id: row for row in model.rows.values() if row.pending}
        assert (recovered.known, recovered.pending) == (len(model.rows), len(rows))
        plain: dict[tuple[str, tuple[int, int]], list[int]] = {}
        for id, row in sorted(rows.items()):
            if not row.tries and not row.visit and row.age == id:
                plain.setdefault((row.host, row.level), []).append(id)
        assert pending_of(recovered) == plain
        own = {entry.id: entry for entry in recovered.returned}
        assert set(own) == set(rows) - {id for ids in plain.values() for id in ids}
        bodies = self.store.frontier.bodies(sorted(rows))
        self.entries = {entry.id: own.get(entry.id, entry) for entry in bodies}
        self.ended = [entry for entry in self.ended if not self.pending_or_unknown(entry)]

    def pending_or_unknown(self, entry: Entry) -> bool:
        row = self.now.rows.get(entry.key)
        return row is None or row.id != entry.id or row.pending


def examples(count: int) -> settings:
    return settings(max_examples=count, stateful_step_count=30, deadline=None)


class TestMemory(MemoryMachine.TestCase):  # type: ignore[misc, name-defined]
    settings = examples(20)


class TestSQLite(SQLiteMachine.TestCase):  # type: ignore[misc, name-defined]
    settings = examples(20)


@pytest.mark.full
class TestMemoryLong(MemoryMachine.TestCase):  # type: ignore[misc, name-defined]
    settings = examples(200)


@pytest.mark.full
class TestSQLiteLong(SQLiteMachine.TestCase):  # type: ignore[misc, name-defined]
    settings = examples(300)
