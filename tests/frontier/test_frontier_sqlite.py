"""The durable store: what a reopened file knows, and what its thread may not disturb."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from frontier_store import Store, found, given_back, key_of, pending_of, seeds

from crawler.contracts import Group, Outcome, StateOp
from crawler.frontier import SQLiteFrontier, read_meta
from crawler.state import decode_value

Reopen = Callable[[], Awaitable[Store]]


# -- what comes back


async def test_pending_comes_back_by_host_and_level(durable: Reopen) -> None:
    store = await durable()
    await store.add(seeds("a", "b", host="one"))
    await store.add(seeds("c", host="two", depth=1))
    (d,) = await store.add(seeds("d", host="one", priority=5))
    (e,) = await store.add(seeds("e", host="one", depth=1))
    await store.add(Outcome(e, "done"))
    await store.add(seeds("f", host="one"))
    recovered = (await durable()).recovered
    assert pending_of(recovered) == {
        ("one", (0, 0)): [1, 2, 6],
        ("two", (0, 1)): [3],
        ("one", (-5, 0)): [d.id],
    }
    assert recovered.returned == [] and (recovered.pending, recovered.known) == (5, 6)


@pytest.mark.parametrize(
    ("priority", "depth"),
    [(2047, 4095), (-2048, 0), (2048, 0), (-2049, 4096), (0, 4096), (2**31 - 1, 10**6), (-(2**31), 1)],
)
async def test_every_level_comes_back(durable: Reopen, priority: int, depth: int) -> None:
    store = await durable()
    await store.add(seeds("a", "b", "c", host="one", priority=priority, depth=depth))
    assert pending_of((await durable()).recovered) == {("one", (-priority, depth)): [1, 2, 3]}


async def test_returned_entries_come_back_whole(durable: Reopen) -> None:
    store = await durable()
    a, b, c, d = await store.add(seeds("a", "b", "c", "d", depth=2))
    store.accept(given_back(a, 1, 5.5))
    store.accept(given_back(d, 1, 7.5))
    store.accept(Outcome(d, "failed"))
    (target,) = store.accept(Outcome(b, "redirected", found=[found("t", age=b.age)]))
    await store.commit()
    store = await durable()
    assert pending_of(store.recovered) == {("a.example", (0, 2)): [c.id]}
    by_id = {entry.id: entry for entry in store.recovered.returned}
    assert set(by_id) == {a.id, target.id}
    again = by_id[a.id]
    assert (again.key, again.tries, again.due, again.age, again.request.tries) == (a.key, 1, 5.5, a.id, 1)
    assert again.request.url == a.request.url and by_id[target.id].age == b.id
    assert [entry.due for entry in store.frontier.bodies([a.id])] == [5.5]
    await store.add(Outcome(again, "done"))
    assert [entry.id for entry in (await durable()).recovered.returned] == [target.id]


async def test_nothing_is_kept_of_a_return_when_its_page_is_done(durable: Reopen, tmp_path: Path) -> None:
    store = await durable()
    a, b = await store.add(seeds("a", "b"))
    store.accept(given_back(a, 1, 5.5))
    store.accept(given_back(b, 1, 5.5))
    await store.commit()
    await store.add(Outcome(a, "done"))
    assert set(store.frontier._ledger.again) == {b.id}  # type: ignore[attr-defined]
    with sqlite3.connect(tmp_path / "f.sqlite") as connection:
        assert connection.execute("SELECT id FROM returned").fetchall() == [(b.id,)]
    connection.close()


async def test_known_keys_and_ids_go_on(durable: Reopen) -> None:
    store = await durable()
    (a, _) = await store.add(seeds("a", "b"))
    await store.add(Outcome(a, "done"))
    store = await durable()
    assert store.frontier.known(a.key) and store.frontier.known(key_of("b"))
    assert [entry.id for entry in await store.add(seeds("a", "b", "c"))] == [3]
    assert store.frontier.bodies([a.id]) == []
    assert await store.add(Outcome(a, "done", found=[found("late")])) == []


async def test_what_was_not_committed_is_forgotten(durable: Reopen) -> None:
    store = await durable()
    (a,) = await store.add(seeds("a"))
    store.accept(Outcome(a, "done", found=[found("b")], state=[StateOp("set", "x", 1)], counters={"pages": 1}))
    store = await durable()
    assert not store.frontier.known(key_of("b"))
    assert pending_of(store.recovered) == {("a.example", (0, 0)): [a.id]}
    assert store.recovered.state == {} and store.recovered.counters == {}
    assert [entry.id for entry in store.accept(seeds("b"))] == [2]  # its number was never given


async def test_numbers_and_named_values_come_back(durable: Reopen, tmp_path: Path) -> None:
    store = await durable()
    (a,) = store.accept(Outcome(None, "none", found=[found("a")], counters={"seeds": 1, "status/200": 2}))
    await store.commit(log_end=100, meta={"cursor": b"1", "other": b"x"})
    store.accept(Outcome(a, "done", counters={"status/200": 3, "user/\udc80": 1}, seeds_done=True))
    await store.commit(log_end=250, meta={"cursor": b"2"})
    await store.commit(log_end=251)
    recovered = (await durable()).recovered
    assert (recovered.commit, recovered.log_end, recovered.seeds_done) == (3, 251, True)
    assert recovered.counters == {"seeds": 1, "status/200": 5, "user/?": 1}
    assert recovered.meta == {"cursor": b"2", "other": b"x", "callbacks": b"\x91\xa8parse_it"}
    read = read_meta(tmp_path / "f.sqlite")  # while the store is open
    assert (read.commit, read.log_end, read.seeds_done, read.known, read.pending) == (3, 251, True, 1, 0)
    assert (read.counters, read.meta) == (recovered.counters, recovered.meta)


async def test_state_operations_are_applied_in_order(durable: Reopen) -> None:
    store = await durable()
    ops = [("set", "a", 1), ("add", "a", 2), ("set", "gone", [1]), ("put", "tags", "x"), ("max", "m", 3)]
    store.accept(Outcome(None, "none", state=[StateOp(*op) for op in ops]))
    store.accept(Outcome(None, "none", state=[StateOp("delete", "gone"), StateOp("put", "tags", "y")]))
    await store.commit()
    store.accept(Outcome(None, "none", state=[StateOp("max", "m", 2), StateOp("min", "a", -1)]))
    store = await durable()  # the last ones were not committed
    values = {key: decode_value(raw) for key, raw in store.recovered.state.items()}
    assert values == {"a": 3, "tags": frozenset({"x", "y"}), "m": 3}
    await store.add(Outcome(None, "none", state=[StateOp("add", "a", 0.5), StateOp("put", "tags", "x")]))
    values = {key: decode_value(raw) for key, raw in (await durable()).recovered.state.items()}
    assert values == {"a": 3.5, "tags": frozenset({"x", "y"}), "m": 3}


async def test_a_group_writes_the_state_as_it_was_then(durable: Reopen) -> None:
    store = await durable()
    store.accept(Outcome(None, "none", state=[StateOp("set", "n", 1)]))
    group = Group(1, store.waiting, 0)
    store.waiting = []
    store.frontier.accept(Outcome(None, "none", state=[StateOp("set", "n", 2)]))  # belongs to the next group
    await store.frontier.commit(group)
    assert decode_value((await durable()).recovered.state["n"]) == 1


async def test_an_outcome_that_does_not_count_leaves_no_trace(durable: Reopen) -> None:
    store = await durable()
    (a,) = await store.add(seeds("a"))
    await store.add(Outcome(a, "done", counters={"pages": 1}))
    await store.add(Outcome(a, "done", counters={"pages": 1}, state=[StateOp("add", "n", 1)], seeds_done=True))
    recovered = (await durable()).recovered
    assert recovered.counters == {"pages": 1} and recovered.state == {} and not recovered.seeds_done


async def test_waits_of_hosts_come_back_until_they_are_over(durable: Reopen) -> None:
    store = await durable()
    now = time.time()
    await store.add(seeds("a", host="one"))
    await store.commit(hosts={"one": (now, 900.0), "never.asked": (now, 600.0), "over": (now - 100, 50.0)})
    store = await durable()
    assert store.recovered.hosts == {"one": (now, 900.0), "never.asked": (now, 600.0)}
    await store.commit(hosts={"one": (now, 0.0)})
    assert set((await durable()).recovered.hosts) == {"never.asked"}


async def test_deaths_are_looked_at_when_a_request_is_accepted_and_read(durable: Reopen, tmp_path: Path) -> None:
    store = await durable()
    (a,) = await store.add(seeds("a"))
    await store.frontier.close()
    with sqlite3.connect(tmp_path / "f.sqlite") as connection:
        connection.executemany("INSERT INTO death VALUES (?, ?)", [(a.key, 2), (key_of("b"), 1)])
    connection.close()
    store = await durable()
    assert [entry.deaths for entry in store.frontier.bodies([a.id])] == [2]
    assert [entry.deaths for entry in store.accept(seeds("b", "c"))] == [1, 0]


async def test_messages_of_any_bytes_are_stored(durable: Reopen, tmp_path: Path) -> None:
    store = await durable()
    (a,) = await store.add(seeds("a"))
    await store.add(Outcome(a, "failed", 0, "BadResponse", "not \udcff HTTP\0" + "x" * 9000))
    with sqlite3.connect(tmp_path / "f.sqlite") as connection:
        ((verdict, error, message),) = connection.execute("SELECT verdict, error, message FROM done")
    connection.close()
    assert (verdict, error) == ("failed", "BadResponse") and message.startswith("not ? HTTP") and len(message) == 2000


# -- threads


async def test_all_writes_happen_in_the_thread_that_was_given(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as thread:
        store = await Store(SQLiteFrontier(tmp_path / "f", durable=True, executor=thread)).open()
        await store.add(seeds("a"))
        await store.frontier.close()
        assert thread.submit(lambda: 1).result() == 1  # it is its owner's, and alive


async def test_a_cancelled_wait_does_not_undo_the_commit(durable: Reopen) -> None:
    store = await durable()
    store.accept(seeds("a", "b"))
    waiting = asyncio.create_task(store.commit())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await store.add(seeds("c"))
    assert (await durable()).recovered.known == 3


async def test_accepting_goes_on_while_a_group_is_written(durable: Reopen) -> None:
    store = await durable()
    store.accept(seeds(*map(str, range(300))))
    waiting = asyncio.create_task(store.commit())
    await asyncio.sleep(0)
    (late,) = store.accept(seeds("late"))
    assert len(store.frontier.bodies([1, 300, late.id])) == 3
    await waiting
    assert len(store.frontier.bodies([1, 300, late.id])) == 3
    await store.commit()
    assert (await durable()).recovered.pending == 301
