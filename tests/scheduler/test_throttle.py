"""The throttle against simulated hosts, by a simulated clock; and against one over real sockets."""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from small_site import Site, page

from crawler import Crawl, Spider
from crawler.events import Event, HostParked, HostSlowed, PageFailed
from crawler.scheduler.throttle import Answer, Pace, Slowed, Throttle
from crawler.settings import Settings

Host = Callable[[float, int], tuple[Answer, float]]
"""What a simulated host says to a request at a time, with so many under way: the answer and its seconds."""


class Simulation:
    """Asks a host as its pace says, as fast as that allows. Records when it asked and what it heard."""

    def __init__(self, host: Host, **settings: Any) -> None:
        self.rules = Throttle(Settings(**settings), jitter=lambda: 0.0)
        self.pace = Pace(self.rules, 0.0)
        self.host = host
        self.now = 0.0
        self.next_at = 0.0
        self.asked: list[tuple[float, Answer]] = []
        self.slowed: list[tuple[float, Slowed]] = []
        self.limits: list[int] = []

    def run(self, until: float) -> Simulation:
        flying: list[tuple[float, int, float, Answer]] = []
        numbers = itertools.count()
        while self.now < until:
            while len(flying) < self.pace.limit and self.now >= self.next_at:
                answer, seconds = self.host(self.now, len(flying))
                heapq.heappush(flying, (self.now + seconds, next(numbers), self.now, answer))
                self.asked.append((self.now, answer))
                self.next_at = self.now + self.pace.gap
            moments = [flying[0][0]] if flying else []
            if len(flying) < self.pace.limit:
                moments.append(self.next_at)
            self.now = max(self.now, min(moments))
            while flying and flying[0][0] <= self.now:
                _, _, sent, answer = heapq.heappop(flying)
                self._heard(answer, self.now - sent)
            self.limits.append(self.pace.limit)
        return self

    def _heard(self, answer: Answer, seconds: float) -> None:
        if answer == "good":
            self.pace.good(self.now, seconds)
            return
        slowed = self.pace.trouble(answer, self.now, seconds, 0.0)
        if slowed is not None:
            self.slowed.append((self.now, slowed))
            self.next_at = max(self.next_at, self.now + slowed.wait)

    def count(self, answer: Answer, begin: float = 0.0) -> int:
        return sum(1 for moment, heard in self.asked if heard == answer and moment >= begin)


def test_a_host_that_answers_as_ever_is_asked_at_the_limit_from_the_first_moment() -> None:
    done = Simulation(lambda now, flying: ("good", 0.05)).run(30)
    assert set(done.limits) == {8} and done.pace.gap == 0 and not done.pace.slowed
    assert len(done.asked) == pytest.approx(8 * 30 / 0.05, rel=0.01)


def test_a_large_page_now_and_then_slows_nothing() -> None:
    number = itertools.count()
    done = Simulation(lambda now, flying: ("good", 10.0 if next(number) % 5 == 4 else 0.05)).run(60)
    assert set(done.limits) == {8}


def test_a_host_that_has_too_much_to_do_is_asked_less() -> None:
    """One request after the other, each in 0.3 s, between two times when it was quick."""
    free_at = 0.0

    def host(now: float, flying: int) -> tuple[Answer, float]:
        nonlocal free_at
        if not 5 < now < 65:
            return "good", 0.1
        free_at = max(free_at, now) + 0.3
        return "good", free_at - now

    crawl = Simulation(host).run(30)
    crawl.limits.clear()
    assert crawl.run(60).pace.limit < 5 and min(crawl.limits) >= 1 and max(crawl.limits) < 5
    assert crawl.count("good", 30) >= 0.9 * 30 / 0.3, "it is kept busy all the same"
    assert crawl.run(90).pace.limit == 8


def test_a_host_that_is_slower_from_now_on_is_not_slow_for_ever() -> None:
    done = Simulation(lambda now, flying: ("good", 0.1 if now < 5 else 2.0)).run(20)
    assert done.pace.limit < 8
    assert done.run(600).pace.limit == 8


def test_a_rate_is_found_and_kept() -> None:
    """Five requests a second, 429 beyond."""
    recent: deque[float] = deque()

    def host(now: float, flying: int) -> tuple[Answer, float]:
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= 5:
            return "too many", 0.01
        recent.append(now)
        return "good", 0.01

    done = Simulation(host).run(120)
    assert done.count("good") > 120 * 5 * 0.6
    assert done.count("too many", 20) < 0.03 * done.count("good", 20)


@pytest.mark.parametrize("answer", ["busy", "too many"])
def test_an_incident_doubles_once_and_not_for_each_request(answer: Answer) -> None:
    done = Simulation(lambda now, flying: (answer, 0.01)).run(200)
    waits = [slowed.wait for _, slowed in done.slowed]
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert done.pace.limit == 1
    assert len(done.asked) <= 8 + 4 + 2 + len(waits)


def test_one_bad_page_among_good_ones_costs_seconds_not_minutes() -> None:
    number = itertools.count(1)
    done = Simulation(lambda now, flying: ("busy" if next(number) % 100 == 0 else "good", 0.02)).run(60)
    assert {slowed.wait for _, slowed in done.slowed} == {1.0}
    assert done.pace.gap == 0 and len(done.asked) > 60 * 40


def test_trouble_is_forgiven_after_a_quiet_time() -> None:
    done = Simulation(lambda now, flying: ("too many" if now < 3 else "good", 0.01)).run(4)
    assert done.pace.slowed
    assert not done.run(400).pace.slowed and done.pace.limit == 8 and done.pace.gap == 0


def test_wrong_answers_mean_fewer_at_once_and_no_wait() -> None:
    done = Simulation(lambda now, flying: ("wrong", 0.05)).run(3)
    assert done.pace.limit == 1 and not done.slowed and done.pace.gap == 0


def test_the_circuit_opens_probes_once_and_closes() -> None:
    done = Simulation(lambda now, flying: ("silent", 0.1) if now < 50 else ("good", 0.1)).run(200)
    opened = [(round(now, 1), slowed.wait) for now, slowed in done.slowed]
    assert [wait for _, wait in opened] == [4, 8, 16, 32], opened
    assert all(slowed.open for _, slowed in done.slowed)
    probes = [moment for moment, answer in done.asked if answer == "silent" and moment > 4]
    assert len(probes) == 3, "one request each time"
    assert done.pace.limit == 8 and not done.pace.slowed


def test_a_few_failures_between_answers_open_nothing() -> None:
    number = itertools.count(1)
    done = Simulation(lambda now, flying: ("silent" if next(number) % 4 == 0 else "good", 0.05)).run(20)
    assert not done.slowed


# -- over real sockets


class Follow(Spider):
    """Asks for all pages at once."""

    name = "follow"
    url = ""

    async def parse(self, response: Any) -> Any:
        yield {"path": response.yarl.path}
        yield response.links()


async def crawled(site: Site, settings: dict[str, Any]) -> tuple[Any, list[Event], list[Any]]:
    told: list[Event] = []
    Follow.start_urls = [f"{site.url}/"]
    async with Crawl(Follow, settings=settings, listeners=[told.append]) as crawl:
        items = [item["path"] async for item in crawl]
        return await crawl.wait(), told, items


def limited(site: Site, pages: int, rate: int) -> list[float]:
    """A site that answers so many requests in any second, and 429 beyond; when it answered."""
    answered: list[float] = []

    def answer(request: web.Request) -> web.Response:
        now = time.monotonic()
        if len(answered) >= rate and answered[-rate] > now - 1:
            return web.Response(status=429)
        answered.append(now)
        return page(*(f"/{n}" for n in range(pages)) if request.path == "/" else ())

    for path in ["/", *(f"/{n}" for n in range(pages))]:
        site.pages[path] = answer
    return answered


async def test_a_site_with_a_rate_gives_all_its_pages(site: Site, fast: dict[str, Any]) -> None:
    limited(site, 60, 20)
    run, told, items = await crawled(site, {**fast, "retry_wait": 0.2})
    assert run.exit_code == 0 and len(items) == 61
    assert not [event for event in told if isinstance(event, PageFailed)]
    slowed = [event for event in told if isinstance(event, HostSlowed)]
    assert slowed and slowed[0].gap > 0 and slowed[0].at_once < 8
    assert sum(site.hits.values()) - site.hits["/robots.txt"] <= 61 + 8 + 8 * len(slowed)


async def test_a_host_without_answer_is_parked_and_keeps_its_pages(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page(*(f"/{n}" for n in range(40)))

    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    for n in range(40):
        site.pages[f"/{n}"] = hang_up
    settings = {**fast, "breaker_failures": 3, "retries": 9, "retry_wait": 0.05, "max_wait": 1.0}
    run, told, _ = await crawled(site, settings)
    assert run.exit_code == 4
    (parked,) = [event for event in told if isinstance(event, HostParked)]
    assert "in a row" in parked.reason
    assert not [event for event in told if isinstance(event, PageFailed)]
