"""Which page of a host, and which host: against the obvious scheduler, a sorted list."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheduler_world import World

from crawler.backlog import Backlog
from crawler.contracts import Entry
from crawler.scheduler import places as module


def test_best_priority_then_depth_then_age() -> None:
    world = World(concurrency_per_host=1)
    deep = world.add("a", depth=3)
    shallow = world.add("a", depth=1)
    second = world.add("a", depth=1)
    urgent = world.add("a", priority=5, depth=9)
    assert world.drain() == [urgent, shallow, second, deep]


def test_the_target_of_a_redirect_takes_its_sources_place() -> None:
    world = World(concurrency_per_host=1)
    source, *others = [world.add("a") for _ in range(40)]
    assert world.take() is source
    target = world.entry("a", age=source.age)
    world.scheduler.give_back(target)
    world.scheduler.release("a")
    assert world.drain() == [target, *others]


def test_a_retry_waits_and_then_goes_before_younger_ones() -> None:
    world = World(concurrency_per_host=1)
    first = world.add("a")
    others = [world.add("a") for _ in range(30)]
    assert world.take() is first
    first.due = world.now + 5
    world.scheduler.give_back(first)
    world.scheduler.release("a")
    assert world.take() is others[0]
    world.scheduler.release("a")
    assert world.scheduler.next_due() == pytest.approx(5)
    world.now += 5
    assert world.drain() == [first, *others[1:]]


def test_a_better_newcomer_enters_the_full_window() -> None:
    world = World(concurrency_per_host=2)
    old = [world.add("a", depth=2) for _ in range(50)]
    new = [world.add("a", depth=1) for _ in range(50)]
    assert world.drain() == new + old


def test_fetches_go_before_new_pages_of_their_host_only() -> None:
    world = World(concurrency_per_host=1)
    page, other = world.add("a"), world.add("b")
    fetch = world.fetch("a")
    assert world.drain() == [fetch, other, page]


def test_ids_that_are_gone_are_dropped() -> None:
    world = World(concurrency_per_host=1)
    entries = [world.add("a") for _ in range(100)]
    for entry in entries[80:90]:
        del world.stored[entry.id]
    assert world.drain() == entries[:80] + entries[90:]  # the first of them stand in the window
    assert world.scheduler.pending == 0
    assert world.scheduler.idle


def test_only_a_window_is_kept_in_full() -> None:
    world = World(concurrency=32)
    for _ in range(1000):
        world.add("a")
    kept = [entry for host in world.scheduler._places.hosts.values() for entry in host.window]
    assert len(kept) == 64
    assert world.reads == []
    assert world.scheduler.pending == 1000
    world.drain()
    assert max(len(ids) for ids in world.reads) == 64


def test_windows_are_smaller_where_many_hosts_have_one() -> None:
    world = World(concurrency=32)
    for number in range(50):
        for _ in range(100):
            world.add(f"h{number}")
    kept = [len(host.window) for host in world.scheduler._places.hosts.values()]
    assert sum(kept) < 50 * 20


def test_a_refill_does_not_wait_for_a_window_of_retries() -> None:
    """Pages given back that are worse than what the chains hold do not go before it."""
    world = World(concurrency_per_host=1)
    first = world.add("a", depth=1)
    late = world.entry("a", depth=9)
    world.scheduler.give_back(late)
    rest = [world.add("a", depth=2) for _ in range(10)]
    assert world.drain() == [first, *rest, late]


# -- the oracle

Step = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 3), st.integers(-1, 1), st.integers(0, 3)),
    st.tuples(st.just("take"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("back"), st.integers(0, 7), st.integers(0, 4), st.just(0)),
    st.tuples(st.just("end"), st.integers(0, 7), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 5), st.just(0), st.just(0)),
)


@settings(max_examples=250, deadline=None)
@given(
    steps=st.lists(Step, max_size=120),
    restored=st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 1), st.integers(0, 2)), max_size=30),
    limit=st.integers(1, 3),
    warm=st.sampled_from([1, 2, 1024]),
)
def test_within_a_host_as_a_sorted_list(
    steps: list[tuple[str, int, int, int]], restored: list[tuple[int, int, int]], limit: int, warm: int
) -> None:
    """Whatever is added, handed out, given back: what a host gives next is the least of all it may give."""
    before = module._WARM, module._STEP
    module._WARM, module._STEP = warm, 1 if warm <= 2 else 64  # hosts go cold after one, two, never
    try:
        world = World(concurrency=4, concurrency_per_host=limit)
        ready: dict[str, list[Entry]] = {f"h{n}": [] for n in range(4)}
        timed: list[Entry] = []
        flying: list[Entry] = []
        chains: dict[tuple[str, tuple[int, int]], list[int]] = {}
        for n, priority, depth in restored:
            entry = world.entry(f"h{n}", priority, depth)
            chains.setdefault((entry.host, entry.level), []).append(entry.id)
            ready[entry.host].append(entry)
        world.scheduler.restore(Backlog.of((host, level, ids) for (host, level), ids in chains.items()))
        known = dict(world.stored)

        def take() -> None:
            handout = world.scheduler.take()
            due = [entry for entry in timed if entry.due <= world.now]
            for entry in due:
                timed.remove(entry)
                ready[entry.host].append(entry)
            at_once = Counter(entry.host for entry in flying)
            may = {host for host, entries in ready.items() if entries and at_once[host] < limit}
            if handout is None:
                assert not may or flying, "something could go and nothing did, with nothing in flight"
                return
            entry = handout.entry
            assert entry.host in may
            assert entry is min(ready[entry.host], key=lambda entry: entry.order)
            ready[entry.host].remove(entry)
            flying.append(entry)

        for what, a, b, c in steps:
            if what == "add":
                entry = world.add(f"h{a}", b, c)
                known[entry.id] = entry
                ready[entry.host].append(entry)
            elif what == "take":
                take()
            elif what == "wait":
                world.now += a
            elif flying:
                entry = flying.pop(a % len(flying))
                world.scheduler.release(entry.host)
                if what == "back":
                    entry.due = world.now + b if b else 0.0
                    timed.append(entry)
                    world.scheduler.give_back(entry)
            assert world.scheduler.pending == sum(map(len, ready.values())) + len(timed)
            assert world.scheduler.in_flight == len(flying)
        while flying or timed or any(ready.values()):  # everything comes out in the end
            left = len(timed) + sum(map(len, ready.values()))
            while flying:
                world.scheduler.release(flying.pop().host)
            world.now += 10
            take()
            assert len(timed) + sum(map(len, ready.values())) < left or not left
        assert world.scheduler.idle
        assert world.scheduler.owed == 0
    finally:
        module._WARM, module._STEP = before


# -- between hosts


def test_round_robin() -> None:
    world = World(concurrency_per_host=1)
    for host in "abc":
        for _ in range(3):
            world.add(host)
    assert "".join(entry.host for entry in world.drain()) == "abcabcabc"


def test_round_robin_goes_on_through_cold_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WARM", 4)
    monkeypatch.setattr(module, "_STEP", 2)
    world = World(concurrency_per_host=1)
    hosts = [f"h{n}" for n in range(20)]
    for host in hosts * 3:
        world.add(host)
    assert len(world.scheduler._places.cold) == 16
    taken = [entry.host for entry in world.drain()]
    assert [Counter(taken[n : n + 20]) for n in (0, 20, 40)] == [Counter(hosts)] * 3


def test_one_in_eight_goes_to_the_best_priority_of_all() -> None:
    world = World(concurrency_per_host=1)
    for n in range(40):
        for _ in range(8):
            world.add(f"h{n}")
    best = [world.add("urgent", priority=9) for _ in range(20)]
    taken = world.drain()
    places = [taken.index(entry) for entry in best]
    assert places == sorted(places)
    gaps = [b - a for a, b in pairwise(places)]
    assert max(gaps) <= 8
    assert len(taken) == 340


def test_the_best_priority_is_found_among_cold_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WARM", 4)
    monkeypatch.setattr(module, "_STEP", 2)
    world = World(concurrency_per_host=1)
    for n in range(100):
        world.add(f"h{n}")
    urgent = world.add("h99", priority=3)
    other = world.add("late", priority=2)
    taken = world.drain()
    assert taken.index(urgent) <= 8
    assert taken.index(other) <= 16
    assert len(taken) == 102


def test_negative_priorities_do_not_become_favourites() -> None:
    world = World(concurrency_per_host=1)
    for _ in range(30):
        for host in ("low", "lower"):
            world.add(host, priority=-5)
        world.add("plain")
    taken = world.drain()
    assert [entry.host for entry in taken[:3]] == ["low", "lower", "plain"]  # turns come as any other's
    assert Counter(entry.host for entry in taken[:32])["plain"] > 32 / 3
