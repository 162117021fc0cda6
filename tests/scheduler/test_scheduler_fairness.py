"""One bad host costs the others nothing: simulated crawls on a clock that does not run by itself."""

from __future__ import annotations

from collections import Counter
from heapq import heappop, heappush

import pytest
from scheduler_world import World


def crawl(
    world: World, seconds: dict[str, float], until: str = "", share: float = 1.0
) -> tuple[dict[str, float], Counter[str]]:
    """Runs to the end with `concurrency` workers; host to the moment of its last answer, and pages by host.

    `until`: only pages of hosts whose name begins so count; it ends once this `share` of them is done.
    """
    begin = world.now
    ended: dict[str, float] = {}
    pages: Counter[str] = Counter()
    flying: list[tuple[float, int, str]] = []
    wanted = int(sum(entry.host.startswith(until) for entry in world.stored.values()) * share)
    number = 0
    while wanted:
        while len(flying) < world.settings.concurrency and (entry := world.take()) is not None:
            number += 1
            heappush(flying, (world.now + seconds[entry.host], number, entry.host))
        due = world.scheduler.next_due()
        if flying and (due is None or flying[0][0] <= world.now + due):
            world.now, _, host = heappop(flying)
            world.scheduler.release(host)
            ended[host] = world.now - begin
            pages[host] += 1
            wanted -= host.startswith(until)
        else:
            assert due is not None, "work is left, and nothing will ever become ready"
            world.now += due
    return ended, pages


def healthy_time(bad: int, *, per_host: int = 8, hosts: int = 47, pages: int = 40) -> float:
    world = World(concurrency=32, concurrency_per_host=per_host)
    seconds: dict[str, float] = {}
    for n in range(hosts):
        seconds[f"ok-{n}"] = 0.1
    for n in range(bad):
        seconds[f"dead-{n}"] = 60.0
    for _ in range(pages):
        for host in seconds:
            world.add(host)
    ended, done = crawl(world, seconds, until="ok-")
    assert all(done[f"ok-{n}"] == pages for n in range(hosts))
    return max(moment for host, moment in ended.items() if host.startswith("ok-"))


def test_47_healthy_hosts_beside_three_dead_ones() -> None:
    """Of 32 workers the three silent hosts hold their shares, no more: 3 of 32 at most."""
    alone, beside = healthy_time(0), healthy_time(3)
    assert beside <= alone * 32 / 29 * 1.05


@pytest.mark.parametrize("hosts", [5, 12, 17, 31])
def test_few_healthy_hosts_beside_four_silent_ones(hosts: int) -> None:
    """Silent hosts keep to their share as long as the others have work for theirs."""
    world = World(concurrency=32, concurrency_per_host=8)
    seconds = {f"ok-{n}": 0.1 for n in range(hosts)} | {f"dead-{n}": 1e9 for n in range(4)}
    for _ in range(60):
        for host in seconds:
            world.add(host)
    crawl(world, seconds, until="ok-", share=0.8)
    dead = sum(view.in_flight for view in world.scheduler.hosts() if view.name.startswith("dead-"))
    assert dead <= 4 * -(-32 // (hosts + 4))


def test_one_healthy_host_goes_beyond_its_share_while_it_answers() -> None:
    """Sixteen hosts with one slow page each do not slow down the one that answers."""
    world = World(concurrency=32, concurrency_per_host=8)
    seconds = {"ok": 0.1} | {f"slow-{n}": 1e6 for n in range(16)}
    for host in seconds:
        world.add(host)
    for _ in range(400):
        world.add("ok")
    ended, _ = crawl(world, seconds, until="ok")
    assert ended["ok"] <= 401 / 8 * 0.1 + 1.0


def test_a_throttling_host_costs_the_others_nothing() -> None:
    world = World(concurrency=4, concurrency_per_host=4)
    for _ in range(30):
        world.add("throttles")
        world.add("ok")
    order = []
    while world.scheduler.pending:
        entry = world.take()
        if entry is None:
            world.now += world.scheduler.next_due() or 0.0
            continue
        order.append(entry.host)
        world.scheduler.release(entry.host, wait=100.0 if entry.host == "throttles" else 0.0)
    assert order.index("throttles") <= 1
    assert order[: 2 + 29].count("ok") >= 29


def test_many_hosts_with_a_delay_are_as_fast_as_the_delays_allow() -> None:
    world = World(concurrency=32, delay=1.0)
    seconds = {f"h{n}": 0.01 for n in range(2000)}
    for _ in range(3):
        for host in seconds:
            world.add(host)
    ended, done = crawl(world, seconds)
    assert set(done.values()) == {3}
    assert max(ended.values()) < 3.2  # 6,000 pages: two delays and the time of 32 workers


def test_cost_does_not_grow_with_silent_hosts_in_the_way() -> None:
    """What is looked at for a hand-out, counted: hosts that may not go are not looked at again."""
    world = World(concurrency=32)
    for n in range(500):
        world.verdicts[f"asleep-{n}"] = "wait"
        world.add(f"asleep-{n}")
    for _ in range(200):
        world.add("ok")
    assert len(world.drain()) == 200
    assert len(world.checked) == 700
