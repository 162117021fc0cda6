"""Delays, limits, waits, parked hosts, the gate, restarts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from scheduler_world import World

from crawler.backlog import Backlog


def test_a_host_has_at_most_its_limit_in_flight() -> None:
    world = World(concurrency=32, concurrency_per_host=3)
    for _ in range(10):
        world.add("a")
    assert [world.take() is not None for _ in range(4)] == [True, True, True, False]
    world.scheduler.release("a")
    assert world.take() is not None
    assert world.take() is None
    assert (world.scheduler.in_flight, world.scheduler.pending) == (3, 6)


def test_delay_is_the_gap_between_sends() -> None:
    world = World(delay=2.0, concurrency_per_host=8)
    for _ in range(5):
        world.add("a")
    sends = []
    while world.scheduler.pending:
        if world.take() is not None:  # never released: answers are slow, sends go on
            sends.append(world.now)
        else:
            world.now += world.scheduler.next_due() or 0.0
    assert [b - a for a, b in pairwise(sends)] == pytest.approx([2.0] * 4)


def test_delays_of_hosts_do_not_add_up() -> None:
    world = World(delay=10.0)
    for host in "abc":
        world.add(host)
        world.add(host)
    assert [world.take() is not None for _ in range(4)] == [True, True, True, False]
    assert world.scheduler.next_due() == pytest.approx(10.0)


def test_retry_after_holds_back_the_whole_host() -> None:
    world = World()
    for _ in range(3):
        world.add("a")
    assert world.take() is not None
    world.scheduler.release("a", wait=30.0)
    assert world.take() is None
    assert world.scheduler.next_due() == pytest.approx(30.0)
    (view,) = world.scheduler.hosts()
    assert (view.waits, view.reason) == (pytest.approx(30.0), "retry-after")
    world.now += 30
    assert world.take() is not None


def test_crawl_delay_counts_from_the_last_send_and_has_a_ceiling() -> None:
    world = World(max_wait=60.0)
    world.add("a")
    world.scheduler.sent("a")  # its robots.txt
    world.now += 1
    world.scheduler.set_delay("a", 5.0)
    assert world.take() is None
    assert world.scheduler.next_due() == pytest.approx(4.0)
    world.now += 4
    assert world.take() is not None
    world.add("a")
    world.scheduler.set_delay("a", 1e9)
    world.now += 59.9
    assert world.take() is None
    world.now += 0.1
    assert world.take() is not None


def test_crawl_delay_is_not_forgotten_with_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.scheduler.places._RESTING", 1)
    world = World()
    world.add("slow")
    world.scheduler.set_delay("slow", 7.0)
    world.drain()
    world.now += 100
    for n in range(5):
        world.add(f"h{n}")
    world.drain()
    assert "slow" not in world.scheduler._places.hosts
    world.add("slow")
    world.add("slow")
    assert world.take() is not None
    assert world.take() is None
    assert world.scheduler.next_due() == pytest.approx(7.0)


def test_a_resting_host_keeps_its_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.scheduler.places._RESTING", 1)
    world = World()
    world.add("a")
    assert world.take() is not None
    world.scheduler.release("a", wait=50.0)
    for n in range(5):
        world.add(f"h{n}")
        world.drain()
    world.add("a")
    assert world.take() is None


# -- parked


def test_only_parked() -> None:
    world = World()
    world.add("a")
    world.add("b")
    retry = world.entry("a", due=world.now + 3)
    world.scheduler.give_back(retry)
    world.scheduler.park("a", world.now + 1000, "closed")
    assert not world.scheduler.only_parked
    assert world.scheduler.owed == 0
    entry = world.take()
    assert entry is not None
    assert entry.host == "b"
    assert not world.scheduler.only_parked  # one is in flight
    world.scheduler.release("b")
    assert world.take() is None
    assert world.scheduler.only_parked
    assert world.scheduler.pending == 2
    assert world.scheduler.parked() == {"a": (world.now + 1000, "closed")}
    world.now += 10
    assert world.take() is None  # the retry came due and stays
    assert world.scheduler.only_parked
    world.now += 1000
    assert world.take() is not None  # the crawl was still on: it goes on with the host
    assert world.scheduler.owed == 1
    assert world.scheduler.parked() == {}


def test_fetches_of_a_parked_host_are_skipped_so_that_nobody_waits_for_them() -> None:
    world = World()
    first = world.fetch("a")
    world.scheduler.park("a", world.now + 1000, "closed")
    second = world.fetch("a")
    assert world.scheduler.take("fetches") == (first, "parked")
    assert world.scheduler.take("fetches") == (second, "parked")
    assert world.scheduler.take() is None
    assert world.scheduler.in_flight == 0


# -- modes


def test_what_is_owed_goes_when_new_pages_may_not() -> None:
    world = World()
    world.add("a")
    world.add("b")
    retry = world.entry("b")
    world.scheduler.give_back(retry)
    fetch = world.fetch("c")
    assert world.scheduler.owed == 1
    assert world.take("fetches") is fetch
    assert world.take("fetches") is None
    assert world.take("owed") is retry
    assert world.take("owed") is None
    assert world.scheduler.owed == 0
    assert world.scheduler.pending == 2


def test_a_fetch_of_a_host_at_its_limit_waits() -> None:
    world = World(concurrency_per_host=1)
    world.add("a")
    assert world.take() is not None
    fetch = world.fetch("a")
    assert world.take("fetches") is None
    world.scheduler.release("a")
    assert world.take("fetches") is fetch


# -- the gate


def test_a_host_sleeps_until_the_gate_knows() -> None:
    world = World()
    world.verdicts["a"] = "wait"
    first = world.add("a")
    world.add("a")
    other = world.add("b")
    assert world.take() is other
    assert world.take() is None
    assert world.take() is None
    assert world.checked == ["a", "b"]
    assert {view.name: view.reason for view in world.scheduler.hosts()}["a"] == "robots"
    del world.verdicts["a"]
    world.scheduler.wake("a")
    assert world.take() is first


def test_skipped_pages_take_no_permit() -> None:
    world = World()
    world.verdicts["a"] = "robots"
    first, second = world.add("a"), world.add("a")
    assert world.scheduler.take() == (first, "robots")
    assert world.scheduler.take() == (second, "robots")
    assert world.scheduler.take() is None
    assert (world.scheduler.in_flight, world.scheduler.pending) == (0, 0)


def test_hosts_are_put_off_while_the_gate_is_full() -> None:
    world = World()
    world.verdicts["a"] = "later"
    entry = world.add("a")
    world.full = True
    assert world.take() is None
    assert world.take() is None
    assert world.checked == ["a"]
    world.full = False
    del world.verdicts["a"]
    assert world.take() is entry


def test_a_full_gate_does_not_pull_cold_hosts_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.scheduler.places._WARM", 8)
    monkeypatch.setattr("crawler.scheduler.places._STEP", 4)
    world = World()
    for n in range(1000):
        world.verdicts[f"h{n}"] = "later"
        world.add(f"h{n}")
    world.full = True
    assert world.take() is None
    assert len(world.checked) <= 8
    world.full = False
    world.verdicts.clear()
    assert len(world.drain()) == 1000


# -- restarts


def test_waits_hold_after_a_restart() -> None:
    world = World(delay=10.0)
    for host in "ab":
        world.add(host)
    world.take()
    world.now += 4
    world.take()
    waits = world.scheduler.waits()
    assert waits == {"a": (world.now, 6.0), "b": (world.now, 10.0)}
    assert world.scheduler.waits() == {}  # committed once

    later = World(max_wait=60.0)
    later.now = world.now + 2
    left = [later.entry(host) for host in "abc"]
    later.scheduler.restore(Backlog.of((entry.host, entry.level, [entry.id]) for entry in left))
    later.scheduler.restore_waits({**waits, "c": (world.now, -3.0)})
    starts = {}
    for _ in range(3):
        while (entry := later.take()) is None:
            later.now += later.scheduler.next_due() or 0.0
        starts[entry.host] = later.now - world.now
    assert starts == pytest.approx({"c": 2.0, "a": 6.0, "b": 10.0})


def test_a_restart_loop_hammers_nobody() -> None:
    """What was sent after the last commit is unknown: each host begins after one delay."""
    world = World(delay=5.0)
    left = [world.entry(host) for host in "ab"]
    world.scheduler.restore(Backlog.of((entry.host, entry.level, [entry.id]) for entry in left))
    world.scheduler.restore_waits({})
    assert world.take() is None
    assert world.scheduler.next_due() == pytest.approx(5.0)
    world.now += 5
    assert {entry.host for entry in (world.take(), world.take()) if entry} == {"a", "b"}


def test_a_new_crawl_begins_at_once() -> None:
    world = World(delay=5.0)
    world.scheduler.restore_waits({})
    world.add("a")
    assert world.take() is not None


def test_a_clock_that_was_set_back_does_not_lengthen_a_wait() -> None:
    world = World()
    entry = world.entry("a")
    world.scheduler.restore(Backlog.of([("a", entry.level, [entry.id])]))
    world.scheduler.restore_waits({"a": (world.now + 1e6, 20.0)})
    assert world.scheduler.next_due() == pytest.approx(20.0)


def test_a_long_committed_wait_parks_again() -> None:
    world = World(max_wait=300.0)
    entry = world.entry("a")
    world.scheduler.restore(Backlog.of([("a", entry.level, [entry.id])]))
    world.scheduler.restore_waits({"a": (world.now - 100, 3600.0)})
    assert world.take() is None
    assert world.scheduler.only_parked
    assert world.scheduler.parked()["a"][0] == pytest.approx(world.now + 3500)


def test_an_own_delay_never_parks() -> None:
    world = World(max_wait=1.0, delay=600.0)
    entry = world.entry("a")
    world.scheduler.restore(Backlog.of([("a", entry.level, [entry.id])]))
    world.scheduler.restore_waits({"a": (world.now, 600.0)})
    assert not world.scheduler.only_parked
    assert world.drain() == [entry]


def test_numbers_for_the_faces() -> None:
    world = World()
    world.add("a")
    world.add("a")
    world.add("a")
    world.take()
    world.take()
    world.now += 2
    world.scheduler.release("a", failed=True)
    world.now += 2
    (view,) = world.scheduler.hosts()
    assert (view.pages, view.errors, view.in_flight, view.pending) == (1, 1, 1, 1)
    assert view.mean_seconds == pytest.approx(3.0)  # 2 s, and 4 s so far


def test_the_retry_of_a_fetch_is_a_fetch() -> None:
    world = World()
    world.add("a")
    fetch = world.fetch("a")
    assert world.take() is fetch
    world.scheduler.release("a")
    fetch.due = world.now + 2
    world.scheduler.give_back(fetch)
    assert (world.scheduler.pending, world.scheduler.owed) == (1, 0)
    assert world.take("fetches") is None
    world.now += 2
    assert world.take() is fetch
    world.scheduler.give_back(world.fetch("b"))
    assert world.take("fetches") is not None


def test_pages_that_were_dropped_hold_nothing_up() -> None:
    """In a window, in the timer, given back, and in the chains of a parked host."""
    world = World(concurrency_per_host=1)
    gone = [world.add("ready"), world.add("parked")]
    kept = world.add("ready")
    late = world.entry("late", due=world.now + 1000)
    world.scheduler.give_back(late)
    back = world.entry("back", due=world.now)
    world.scheduler.give_back(back)
    gone += [world.add("parked") for _ in range(2500)] + [late, back]
    world.scheduler.park("parked", world.now + 5000, "down")
    assert (world.scheduler.pending, world.scheduler.owed) == (2505, 2)
    for entry in gone:
        del world.stored[entry.id]
    world.scheduler.forget(lambda entry: entry.id not in world.stored)
    assert (world.scheduler.pending, world.scheduler.owed, world.scheduler.only_parked) == (1, 0, False)
    assert world.scheduler.next_due() is None or world.scheduler.next_due() == 5000
    assert world.take() is kept
    assert world.take() is None
    alive = world.add("parked")
    world.add("parked")
    world.scheduler.forget(lambda entry: entry is not alive)
    assert world.scheduler.pending == 1 and world.scheduler.in_flight == 1
