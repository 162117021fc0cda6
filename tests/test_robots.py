"""robots.txt as the scheduler's gate: asked over real connections, timed by a clock of the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from small_site import Site

from crawler import robots
from crawler.contracts import Entry
from crawler.errors import ConnectFailed, Refused, TimedOut, TLSFailed
from crawler.events import Event, HostParked, HostWaits, Warned
from crawler.fetch import AiohttpFetcher
from crawler.request import Request
from crawler.response import Response
from crawler.robots import LIMIT, Robots
from crawler.scheduler import Scheduler
from crawler.settings import Settings
from crawler.urls import scheduling_host


class Crawl:
    """Robots, scheduler and fetcher together, as the engine runs them."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1_000_000.0
        self.settings = Settings(user_agent="bot/1.0", **settings)
        self.robots = Robots(self.settings, clock=lambda: self.now)
        self.scheduler = Scheduler(self.settings, lambda ids: [], gate=self.robots, clock=lambda: self.now)
        self.fetcher = AiohttpFetcher(self.settings)
        self.events: list[Event] = []
        self._id = 0

    def add(self, url: str) -> Entry:
        self._id += 1
        entry = Entry(self._id, b"", scheduling_host(url), Request(url))
        self.scheduler.add(entry)
        return entry

    async def ask(self) -> list[str]:
        """Fetches what is wanted."""
        wanted = self.robots.wanted()
        for events in await asyncio.gather(
            *(self.robots.fetch(origin, self.fetcher, self.scheduler) for origin in wanted)
        ):
            self.events += events
        return wanted

    async def verdict(self, url: str) -> str:
        """ "go", "robots" or "parked" for a page, however often its robots.txt must be asked for."""
        self.add(url)
        while True:
            handout = self.scheduler.take()
            if handout is not None:
                if not handout.skip:
                    self.scheduler.release(handout.entry.host)
                return handout.skip or "go"
            if self.scheduler.only_parked:
                return "parked"
            if not await self.ask():
                dues = [due for due in (self.robots.next_due(), self.scheduler.next_due()) if due is not None]
                assert dues, "nothing will ever happen again"
                self.now += min(dues) + 1e-6


@pytest.fixture
async def crawl() -> AsyncIterator[Crawl]:
    made = Crawl()
    async with made.fetcher:
        yield made


def text(body: str, **answer: Any) -> web.Response:
    return web.Response(text=body, **answer)


async def test_rules_are_obeyed_and_asked_for_once(site: Site, crawl: Crawl) -> None:
    site.pages["/robots.txt"] = lambda _: text("User-agent: bot\nDisallow: /private/\nAllow: /private/open")
    assert await crawl.verdict(f"{site.url}/private/x?y=1#z") == "robots"
    assert await crawl.verdict(f"{site.url}/private/open") == "go"
    assert await crawl.verdict(f"{site.url}/") == "go"
    assert site.hits["/robots.txt"] == 1
    assert crawl.robots.fetched == 1
    assert crawl.robots.idle


async def test_robots_can_be_turned_off(site: Site) -> None:
    crawl = Crawl(robots=False)
    async with crawl.fetcher:
        assert await crawl.verdict(f"{site.url}/") == "go"
    assert site.hits["/robots.txt"] == 0


async def test_rules_are_asked_for_again_after_a_day(site: Site, crawl: Crawl) -> None:
    answers = iter(["User-agent: *\nDisallow: /a", "User-agent: *\nDisallow: /b"])
    site.pages["/robots.txt"] = lambda _: text(next(answers))
    assert await crawl.verdict(f"{site.url}/a") == "robots"
    crawl.now += 24 * 3600 - 10
    assert await crawl.verdict(f"{site.url}/a") == "robots"
    crawl.now += 20
    assert await crawl.verdict(f"{site.url}/a") == "go"
    assert await crawl.verdict(f"{site.url}/b") == "robots"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
async def test_4xx_allows_everything(site: Site, crawl: Crawl, status: int) -> None:
    site.pages["/robots.txt"] = lambda _: text("User-agent: *\nDisallow: /", status=status)
    assert await crawl.verdict(f"{site.url}/x") == "go"
    assert site.hits["/robots.txt"] == 1


@pytest.mark.parametrize("status", [429, 500, 503, 599])
async def test_5xx_forbids_is_asked_again_and_parks(site: Site, crawl: Crawl, status: int) -> None:
    site.pages["/robots.txt"] = lambda _: web.Response(status=status)
    begin = crawl.now
    assert await crawl.verdict(f"{site.url}/x") == "parked"
    assert site.hits["/robots.txt"] == 3  # retries + 1
    assert crawl.now - begin == pytest.approx(3.0, abs=0.01)  # 1 s, then 2 s
    assert [type(event) for event in crawl.events] == [HostWaits, HostWaits, HostParked]
    ((until, reason),) = crawl.scheduler.parked().values()
    assert reason == f"robots.txt of {site.url}: status {status}"
    assert until == pytest.approx(crawl.now + 4, abs=0.01)
    assert site.hits["/x"] == 0


async def test_a_crawl_that_is_still_on_asks_a_parked_host_again(site: Site, crawl: Crawl) -> None:
    site.pages["/robots.txt"] = lambda _: web.Response(status=500)
    assert await crawl.verdict(f"{site.url}/x") == "parked"
    site.pages["/robots.txt"] = lambda _: web.Response(status=404)
    crawl.now += 5
    assert await crawl.verdict(f"{site.url}/y") == "go"


async def test_5xx_once_costs_a_second(site: Site, crawl: Crawl) -> None:
    answers = iter([web.Response(status=500), text("User-agent: *\nDisallow: /x")])
    site.pages["/robots.txt"] = lambda _: next(answers)
    assert await crawl.verdict(f"{site.url}/x") == "robots"
    assert await crawl.verdict(f"{site.url}/y") == "go"


async def test_retry_after_is_kept(site: Site, crawl: Crawl) -> None:
    site.pages["/robots.txt"] = lambda _: web.Response(status=503, headers={"Retry-After": "3600"})
    assert await crawl.verdict(f"{site.url}/x") == "parked"
    assert site.hits["/robots.txt"] == 1
    ((until, _),) = crawl.scheduler.parked().values()
    assert until == pytest.approx(crawl.now + 3600, abs=1)


async def test_old_rules_hold_while_new_ones_cannot_be_had(site: Site, crawl: Crawl) -> None:
    answers = iter([text("User-agent: *\nDisallow: /x"), web.Response(status=500)])
    site.pages["/robots.txt"] = lambda _: next(answers)
    assert await crawl.verdict(f"{site.url}/x") == "robots"
    crawl.now += 25 * 3600
    assert await crawl.verdict(f"{site.url}/x") == "robots"
    assert await crawl.verdict(f"{site.url}/y") == "go"
    assert site.hits["/robots.txt"] == 2


async def test_no_answer_forbids(crawl: Crawl, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    assert await crawl.verdict(f"{url}/x") == "parked"
    ((_, reason),) = crawl.scheduler.parked().values()
    assert reason.startswith(f"robots.txt of {url}: ")
    assert len(crawl.events) == 3


async def test_a_name_without_address_lets_its_pages_fail_by_themselves(crawl: Crawl) -> None:
    assert await crawl.verdict("http://no-such-host.invalid/x") == "go"
    assert crawl.robots.fetched == 3


@pytest.mark.parametrize("kind", [TLSFailed, Refused])
async def test_what_waiting_does_not_mend_lets_its_pages_fail_by_themselves(crawl: Crawl, kind: Any) -> None:
    async def refuse(request: Request, **_: Any) -> None:
        raise kind("no", request=request)

    crawl.fetcher = refuse  # type: ignore[assignment]
    assert await crawl.verdict("https://a.example/x") == "go"
    assert crawl.robots.fetched == 1
    crawl.now += 61
    assert await crawl.verdict("https://a.example/y") == "go"
    assert crawl.robots.fetched == 2


async def test_one_dead_origin_does_not_park_a_host_whose_other_one_answers(crawl: Crawl) -> None:
    async def answer(request: Request, **_: Any) -> Response:
        if request.url.startswith("http://"):
            raise ConnectFailed("refused", request=request)
        return Response(request.url, 200, CIMultiDictProxy(CIMultiDict()), b"User-agent: *\nDisallow: /x", request)

    crawl.fetcher = answer  # type: ignore[assignment]
    assert await crawl.verdict("https://a.example/x") == "robots"
    assert await crawl.verdict("http://a.example/y") == "go"  # it fails by itself
    assert await crawl.verdict("https://a.example/y") == "go"
    assert crawl.scheduler.parked() == {}


async def test_redirects_are_followed_to_other_hosts_too(site: Site, crawl: Crawl) -> None:
    other = Site()
    await other.start()
    try:
        site.pages["/robots.txt"] = lambda _: web.Response(status=301, headers={"Location": "/r1"})
        for n in range(1, 5):
            site.pages[f"/r{n}"] = lambda _, n=n: web.Response(status=302, headers={"Location": f"r{n + 1}"})
        site.pages["/r5"] = lambda _: web.Response(status=308, headers={"Location": f"{other.url}/there"})
        other.pages["/there"] = lambda _: text("User-agent: *\nDisallow: /x")
        assert await crawl.verdict(f"{site.url}/x") == "robots"
        assert await crawl.verdict(f"{other.url}/x") == "go"  # its own robots.txt is a 404
        assert other.hits["/robots.txt"] == 1
    finally:
        await other.stop()


@pytest.mark.parametrize("location", ["/robots.txt", "ftp://x.example/robots.txt", "http://[", ""])
async def test_redirects_that_lead_nowhere_allow(site: Site, crawl: Crawl, location: str) -> None:
    site.pages["/robots.txt"] = lambda _: web.Response(status=302, headers={"Location": location})
    assert await crawl.verdict(f"{site.url}/x") == "go"
    assert site.hits["/robots.txt"] <= 11


async def test_html_sets_no_rules_and_is_said_once(site: Site, crawl: Crawl) -> None:
    site.pages["/robots.txt"] = "\n<!DOCTYPE html>\n<pre>User-agent: *\nDisallow: /\n</pre>"
    assert await crawl.verdict(f"{site.url}/x") == "go"
    (warning,) = crawl.events
    assert isinstance(warning, Warned)
    assert warning.url == f"{site.url}/robots.txt"
    crawl.now += 25 * 3600
    assert await crawl.verdict(f"{site.url}/x") == "go"
    assert len(crawl.events) == 1


async def test_rules_of_the_wrong_type_are_rules(site: Site, crawl: Crawl) -> None:
    site.pages["/robots.txt"] = "User-agent: *\nDisallow: /x\n"  # the site says text/html
    assert await crawl.verdict(f"{site.url}/x") == "robots"


async def test_bytes_that_are_no_text(site: Site, crawl: Crawl) -> None:
    site.pages["/robots.txt"] = b"\xef\xbb\xbfUser-agent: *\nDisallow: /\xff\xfe\nDisallow: /x\n"
    assert await crawl.verdict(f"{site.url}/x") == "robots"
    assert await crawl.verdict(f"{site.url}/y") == "go"


async def test_500_kib_are_read_and_no_half_rule(site: Site, crawl: Crawl) -> None:
    """The rest is ignored, also of an answer without end; the line that was cut is no rule."""
    head = b"User-agent: *\nDisallow: /first\n"
    last = b"\nDisallow: /half-a-rule"
    filler = b"# " + b"x" * (LIMIT - len(head) - len(last) - 2 + 5)

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(head + filler + last)
        try:
            while True:
                await answer.write(b"x" * 65536)
                await asyncio.sleep(0.001)
        except OSError:
            return answer

    site.pages["/robots.txt"] = endless
    assert await crawl.verdict(f"{site.url}/first") == "robots"
    assert await crawl.verdict(f"{site.url}/half-a-life") == "go"
    assert await crawl.verdict(f"{site.url}/") == "go"


async def test_crawl_delay_is_the_hosts_delay(site: Site, crawl: Crawl) -> None:
    site.pages["/robots.txt"] = lambda _: text("User-agent: *\nCrawl-delay: 7")
    begin = crawl.now
    assert await crawl.verdict(f"{site.url}/1") == "go"
    assert await crawl.verdict(f"{site.url}/2") == "go"
    assert crawl.now - begin == pytest.approx(14.0, abs=0.01)  # robots.txt itself counts


async def test_robots_counts_for_the_delay(site: Site) -> None:
    crawl = Crawl(delay=3.0)
    async with crawl.fetcher:
        begin = crawl.now
        assert await crawl.verdict(f"{site.url}/1") == "go"
        assert crawl.now - begin == pytest.approx(3.0, abs=0.01)


async def test_only_so_many_are_asked_for_at_a_time() -> None:
    crawl = Crawl(concurrency=4)
    for n in range(100):
        crawl.add(f"http://h{n}.example/")
    assert crawl.scheduler.take() is None
    assert crawl.scheduler.take() is None
    assert crawl.robots.full
    wanted = crawl.robots.wanted()
    assert wanted == [f"http://h{n}.example" for n in range(4)]
    assert crawl.robots.wanted() == []
    assert len(crawl.robots._asked) == 8


async def test_slow_ones_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robots, "_SLOW_AFTER", 0.05)
    crawl = Crawl(concurrency=2)
    silent = [f"http://silent-{n}.example" for n in range(12)]
    for place in silent:
        crawl.add(f"{place}/")
    gone = asyncio.Event()

    async def never(request: Request, **words: Any) -> Response:
        await gone.wait()
        raise TimedOut("no answer", request=request, phase="headers")

    fetching: list[asyncio.Task[Any]] = []
    asked: list[str] = []
    for _ in range(8):
        while crawl.scheduler.take() is not None:
            pass
        for place in crawl.robots.wanted():
            asked.append(place)
            fetching.append(asyncio.create_task(crawl.robots.fetch(place, never, crawl.scheduler)))
        await asyncio.sleep(0.07)
    assert asked == silent[:10], "four times `concurrency` slow ones and `concurrency` others: each holds a connection"
    assert crawl.robots.full and not crawl.robots.wanted()
    gone.set()
    await asyncio.gather(*fetching)
    assert not crawl.robots.full and crawl.robots._fetching == 0


async def test_http_and_https_have_rules_of_their_own(crawl: Crawl) -> None:
    crawl.add("http://a.example/x")
    assert crawl.scheduler.take() is None
    crawl.scheduler.wake("a.example")
    entry = Entry(99, b"", "a.example", Request("https://a.example/x"))
    assert crawl.robots.check(entry) == "wait"
    assert crawl.robots.wanted() == ["http://a.example", "https://a.example"]


async def test_many_known_origins_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch, site: Site, crawl: Crawl) -> None:
    monkeypatch.setattr("crawler.robots._ORIGINS", 1)
    other = Site()
    await other.start()
    try:
        for _ in range(2):
            assert await crawl.verdict(f"{site.url}/") == "go"
            assert await crawl.verdict(f"{other.url}/") == "go"
        assert len(crawl.robots._known) == 1
        assert site.hits["/robots.txt"] == other.hits["/robots.txt"] == 2
    finally:
        await other.stop()
