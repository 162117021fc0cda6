"""What the engine promises: limits, retries, politeness, ends, resumption — through a real crawl."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web
from small_site import Site, page

from crawler import AlreadyRunning, Crawl, Request, Response, Run, Spider, run, stream
from crawler.events import Event, PageFailed, PageReturned


def items_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "items.jsonl").read_text().splitlines()]


def spider_of(site: Site, **attributes: Any) -> type[Spider]:
    """A spider that follows all links and yields one item a page."""

    class Follow(Spider):
        name = "follow"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield {"path": response.yarl.path_qs}
            yield response.follow_all("a")

    for name, value in attributes.items():
        setattr(Follow, name, value)
    return Follow


def tree(site: Site, pages: int, fan: int = 5) -> None:
    """Pages /0 … /n-1 in a tree below "/"."""
    site.pages["/"] = page(*(f"/{n}" for n in range(fan)))
    for n in range(pages):
        children = [f"/{child}" for child in range((n + 1) * fan, (n + 2) * fan) if child < pages]
        site.pages[f"/{n}"] = page(*children, title=str(n))


@pytest.mark.parametrize("frontier", ["sqlite", "memory"])
async def test_every_page_once(site: Site, fast: dict[str, Any], frontier: str) -> None:
    tree(site, 300)
    result = await run(spider_of(site), settings={**fast, "frontier": frontier})
    assert result.exit_code == 0
    assert len(items_of(result)) == len({item["path"] for item in items_of(result)}) == 301
    assert all(count == 1 for count in site.hits.values())
    assert site.peak <= 8  # concurrency_per_host


@pytest.mark.parametrize("limit", [1, 7, 50])
async def test_max_pages_is_exact(site: Site, fast: dict[str, Any], limit: int) -> None:
    tree(site, 300)
    result = await run(spider_of(site), settings={**fast, "max_pages": limit})
    assert result.exit_code == 0
    assert f"max_pages = {limit}" in result.reason
    assert len(items_of(result)) == limit
    assert sum(site.hits.values()) - site.hits["/robots.txt"] == limit


async def test_a_higher_limit_goes_on_and_the_same_begins_anew(site: Site, fast: dict[str, Any]) -> None:
    tree(site, 100)
    spider = spider_of(site)
    first = await run(spider, settings={**fast, "max_pages": 10})
    second = await run(spider, settings={**fast, "max_pages": 30})
    assert second.id == first.id
    assert len(items_of(second)) == 30
    assert all(count == 1 for path, count in site.hits.items() if path != "/robots.txt")
    third = await run(spider, settings={**fast, "max_pages": 30})
    assert third.id != first.id
    whole = await run(spider, settings=fast)
    assert whole.id == third.id
    assert len(items_of(whole)) == 101


async def test_other_limits_end_after_the_page_that_reaches_them(site: Site, fast: dict[str, Any]) -> None:
    tree(site, 300)
    result = await run(spider_of(site), settings={**fast, "max_items": 20, "concurrency": 2})
    assert 20 <= len(items_of(result)) <= 22
    assert result.exit_code == 0
    result = await run(spider_of(site), settings={**fast, "max_bytes": 2_000, "resume": "never"})
    assert "max_bytes" in result.reason
    site.pages["/slow"] = lambda _: asyncio.sleep(0.02, "x")
    site.pages["/"] = page(*(f"/slow?{n}" for n in range(1000)))
    result = await run(spider_of(site), settings={**fast, "max_seconds": 0.3, "resume": "never"})
    assert "max_seconds" in result.reason
    assert 1 < len(items_of(result)) < 900
    site.pages["/"] = page(*(f"/missing?{n}" for n in range(100)))
    result = await run(spider_of(site), settings={**fast, "max_errors": 3, "resume": "never", "concurrency": 1})
    assert result.exit_code == 3
    assert result.stats.counters["requests_failed"] == 3


async def test_retry_statuses_and_retry_after(site: Site, fast: dict[str, Any]) -> None:
    times: list[float] = []

    def flaky(request: web.Request) -> web.Response:
        times.append(time.time())
        if len(times) == 1:
            return web.Response(status=503, headers={"Retry-After": "1"})
        if len(times) == 2:
            return web.Response(status=429, headers={"Retry-After": formatdate(time.time() + 2, usegmt=True)})
        return web.Response(text=page(title="good"), content_type="text/html")

    site.pages["/"] = flaky
    events: list[Event] = []
    result = await run(spider_of(site), settings=fast, listeners=[events.append])
    assert result.exit_code == 0
    assert len(times) == 3
    assert times[1] - times[0] >= 1.0
    assert times[2] - times[1] >= 0.9
    assert result.stats.counters["retries"] == 2
    assert len([event for event in events if isinstance(event, PageReturned)]) == 2


async def test_a_post_is_not_repeated_unless_asked(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/post"] = lambda _: web.Response(status=503)

    class Posts(Spider):
        name = "posts"

        def start(self) -> Iterator[Request]:
            yield Request(f"{site.url}/post?once", form={"a": 1})
            yield Request(f"{site.url}/post?asked", form={"a": 1}, retry=True)
            yield Request(f"{site.url}/post?never", retry=False)

    result = await run(Posts, settings=fast)
    assert site.hits["/post?once"] == 1
    assert site.hits["/post?asked"] == 3
    assert site.hits["/post?never"] == 1
    assert result.exit_code == 3


async def test_delay_spaces_requests_at_full_concurrency(site: Site, fast: dict[str, Any]) -> None:
    tree(site, 12)
    result = await run(spider_of(site), settings={**fast, "delay": 0.1})
    assert result.exit_code == 0
    gaps = [later - earlier for earlier, later in itertools.pairwise(site.times)]
    assert len(gaps) == 12
    assert min(gaps) > 0.07  # what a loaded machine adds to one it takes from the next


async def test_robots_is_obeyed_and_can_be_turned_off(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/robots.txt"] = web.Response(text="User-agent: *\nDisallow: /private/\n")
    site.pages["/"] = page("/private/x", "/open")
    site.pages["/private/x"] = page()
    site.pages["/open"] = page()
    site.pages["/robots.txt"] = lambda _: web.Response(text="User-agent: *\nDisallow: /private/\n")
    result = await run(spider_of(site), settings=fast)
    assert result.exit_code == 0
    assert site.hits["/private/x"] == 0
    assert result.stats.counters["skipped/robots"] == 1
    result = await run(spider_of(site), settings={**fast, "robots": False, "resume": "never"})
    assert site.hits["/private/x"] == 1
    assert site.hits["/robots.txt"] == 1


async def test_robots_that_is_down_parks_the_host(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()
    site.pages["/robots.txt"] = lambda _: web.Response(status=500)
    result = await run(spider_of(site), settings={**fast, "retries": 1})
    assert result.exit_code == 4
    assert "robots.txt" in result.reason
    assert site.hits["/"] == 0
    site.pages["/robots.txt"] = lambda _: web.Response(status=404)
    again = await run(spider_of(site), settings=fast)
    assert again.id == result.id
    assert again.exit_code == 0
    assert len(items_of(again)) == 1


async def test_a_crawl_in_which_all_failed_is_no_success(site: Site, fast: dict[str, Any]) -> None:
    events: list[Event] = []
    result = await run(spider_of(site), settings=fast, listeners=[events.append])
    assert result.exit_code == 3
    (failed,) = [event for event in events if isinstance(event, PageFailed)]
    assert failed.status == 404


async def test_depth_domains_and_schemes(site: Site, fast: dict[str, Any]) -> None:
    tree(site, 40)
    site.pages["/"] = page("mailto:a@b.example", "ftp://x.example/", "http://sub.other.example/", "/0", "/1")
    result = await run(spider_of(site, allowed_domains=["127.0.0.1"]), settings={**fast, "max_depth": 1})
    assert len(items_of(result)) == 3
    counters = result.stats.counters
    assert counters["skipped/domain"] == 1
    assert counters["skipped/depth"] > 0


async def test_stopping_early_is_resumable_and_repeats_nothing(site: Site, fast: dict[str, Any]) -> None:
    tree(site, 200)
    spider = spider_of(site)
    async with Crawl(spider, settings={**fast, "concurrency": 4}) as crawl:
        while crawl.stats().counters.get("pages", 0) < 40:
            await asyncio.sleep(0.005)
        crawl.stop("enough for now")
        first = await crawl.wait()
    assert first.exit_code == 4
    assert 40 <= len(items_of(first)) < 150
    second = await run(spider, settings=fast)
    assert second.id == first.id
    assert second.exit_code == 0
    assert len({item["path"] for item in items_of(second)}) == len(items_of(second)) == 201
    assert all(count == 1 for path, count in site.hits.items() if path != "/robots.txt")


async def test_stream_gives_items_after_their_commit_and_stops_when_left(site: Site, fast: dict[str, Any]) -> None:
    tree(site, 200)
    got = [item async for item in stream(spider_of(site), settings=fast)]
    assert len(got) == 201
    count = 0
    async for _ in stream(spider_of(site), settings={**fast, "resume": "never", "concurrency": 2}):
        count += 1
        if count == 5:
            break
    await asyncio.sleep(0)


async def test_several_crawls_side_by_side(site: Site, fast: dict[str, Any]) -> None:
    tree(site, 60)
    spiders = [type(f"S{n}", (spider_of(site),), {"name": f"s{n}"}) for n in range(3)]
    results = await asyncio.gather(*(run(spider, settings=fast) for spider in spiders))
    assert [len(items_of(result)) for result in results] == [61, 61, 61]


async def test_a_second_run_on_the_same_state_is_refused(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = lambda _: asyncio.sleep(1, "x")
    spider = spider_of(site)
    async with Crawl(spider, settings=fast) as crawl:
        with pytest.raises(AlreadyRunning, match="process"):
            await run(spider, settings=fast)
        crawl.stop()


async def test_the_handlers_of_who_embeds_a_crawl_are_back_after_it(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()
    told: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, frame: told.append(number)) for number in numbers]
    try:
        assert (await run(spider_of(site), settings=fast, signals=True)).exit_code == 0
        for number in numbers:
            signal.raise_signal(number)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    assert told == list(numbers)


async def test_pause_and_resume(site: Site, fast: dict[str, Any]) -> None:
    tree(site, 100)
    async with Crawl(spider_of(site), settings={**fast, "concurrency": 2}) as crawl:
        while crawl.stats().counters.get("pages", 0) < 10:
            await asyncio.sleep(0.005)
        crawl.pause()
        await asyncio.sleep(0.1)
        held = sum(site.hits.values())
        await asyncio.sleep(0.2)
        assert sum(site.hits.values()) == held
        assert crawl.stats().state == "paused"
        crawl.resume()
        result = await crawl.wait()
    assert len(items_of(result)) == 101


async def test_meta_refresh_is_a_hop(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = '<meta http-equiv="refresh" content="0; url=/there"><p>moving'
    site.pages["/there"] = '<meta http-equiv="refresh" content="300"><h1>there</h1>'
    result = await run(spider_of(site), settings=fast)
    assert [item["path"] for item in items_of(result)] == ["/there"]
    assert result.stats.counters["redirects"] == 1


async def test_priorities_and_depth_within_a_host(site: Site, fast: dict[str, Any]) -> None:
    order: list[str] = []

    class Ordered(Spider):
        name = "ordered"

        def start(self) -> Iterator[Request]:
            for n in range(4):
                yield Request(f"{site.url}/{n}", priority=n)

        async def parse(self, response: Response) -> None:
            order.append(response.yarl.path)

    for n in range(4):
        site.pages[f"/{n}"] = page()
    await run(Ordered, settings={**fast, "concurrency": 1})
    assert order[1:] == [path for path in ("/3", "/2", "/1", "/0") if path in order[1:]]


@pytest.mark.parametrize(
    ("fragment", "urls"),
    [
        ("drop", ["/", "/a"]),
        ("hashbang", ["/", "/a", "/a#!one", "/a#!two"]),
        ("keep", ["/", "/a#!one", "/a#!two", "/a#x", "/a#y"]),
    ],
)
async def test_fragments_are_one_page_unless_a_setting_says_otherwise(
    site: Site, fast: dict[str, Any], fragment: str, urls: list[str]
) -> None:
    site.pages["/"] = page("/a#x", "/a#y", "/a#!one", "/a#!two")
    site.pages["/a"] = page()

    class Urls(Spider):
        name = "urls"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield {"url": response.url.removeprefix(site.url)}
            yield response.follow_all("a")

    result = await run(Urls, settings={**fast, "canonical_fragment": fragment})
    assert sorted(item["url"] for item in items_of(result)) == urls


async def test_seeds_from_a_slow_source_do_not_stop_the_crawl(site: Site, fast: dict[str, Any]) -> None:
    """Each line is taken up as it comes: the second is only written when the first page was fetched."""
    tree(site, 3)

    def lines() -> Iterator[str]:
        yield f"{site.url}/0\n"
        while not site.hits["/0"]:
            time.sleep(0.01)
        yield "# a remark\n"
        yield "no url\n"
        yield f"{site.url}/1"

    events: list[Event] = []
    result = await run(spider_of(site), urls=lines(), settings=fast, listeners=[events.append])
    assert result.exit_code == 0
    assert sorted(item["path"] for item in items_of(result)) == ["/0", "/1"]
    assert any("line 3 of the URL list" in warning for warning in result.stats.warnings)
    assert result.stats.counters["skipped/bad-url"] == 1
    assert "begins in" in (result.path / "crawl.log").read_text()


async def test_a_silent_robots_does_not_hold_up_the_end(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()
    never = asyncio.Event()
    silent = await asyncio.start_server(lambda reader, writer: never.wait(), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]

    class Leaves(Spider):
        name = "leaves"
        start_urls = [f"http://localhost:{port}/", f"{site.url}/"]

        async def parse(self, response: Response) -> None:
            self.stop("seen enough")

    async with silent, asyncio.timeout(15):  # the silent one would be waited for twice as long
        result = await run(Leaves, settings={**fast, "timeout_sock_read": 30.0})
        never.set()
    assert result.reason == "stopped: seen enough"


async def test_sys_exit_in_a_callback_fails_that_page_only(site: Site, fast: dict[str, Any]) -> None:
    tree(site, 10)

    class Exits(Spider):
        name = "exits"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            if response.yarl.path == "/3":
                raise SystemExit(5)
            yield {"path": response.yarl.path}
            yield response.follow_all("a")

    result = await run(Exits, settings=fast)
    assert result.exit_code == 3
    assert len(items_of(result)) == 10
    assert result.stats.counters["callback/SystemExit"] == 1
