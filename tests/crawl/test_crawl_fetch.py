"""`self.fetch`: permits, retries, redirects, robots, and who may ask whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web
from small_site import Site, page

from crawler import Request, Response, Run, Skipped, Spider, run


def items_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "items.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("concurrency", [1, 2, 8])
async def test_many_pages_that_fetch_retry_and_redirect(site: Site, fast: dict[str, Any], concurrency: int) -> None:
    site.pages["/"] = page(*(f"/p/{n}" for n in range(10)))
    for n in range(10):
        site.pages[f"/p/{n}"] = page(title=str(n))
    first: set[str] = set()

    def flaky(request: web.Request) -> web.Response:
        if request.path_qs not in first:
            first.add(request.path_qs)
            return web.Response(status=503)
        return web.Response(status=302, headers={"Location": f"/end?{request.query_string}"})

    site.pages["/api"] = flaky
    site.pages["/end"] = lambda request: web.Response(text=json.dumps({"n": request.query_string}))

    class Fetches(Spider):
        name = "fetches"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield response.follow_all("a", self.detail)

        async def detail(self, response: Response) -> AsyncIterator[Any]:
            n = response.css("h1::text").one()
            answers = await asyncio.gather(*(self.fetch(f"{site.url}/api?{n}-{k}") for k in range(3)))
            yield {"n": n, "answers": [answer.json()["n"] for answer in answers]}

    settings = {**fast, "concurrency": concurrency, "concurrency_per_host": min(concurrency, 4)}
    result = await run(Fetches, settings=settings)
    assert result.exit_code == 0, result.stats.examples
    found = {item["n"]: item["answers"] for item in items_of(result)}
    assert found == {str(n): [f"{n}-{k}" for k in range(3)] for n in range(10)}
    assert result.stats.counters["fetches"] == 30
    assert result.stats.counters["pages"] == 11
    assert result.stats.in_flight == 0


async def test_fetches_go_on_at_a_limit_and_when_many_pages_are_open(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page(*(f"/p/{n}" for n in range(30)))
    for n in range(30):
        site.pages[f"/p/{n}"] = page(title=str(n))
        site.pages[f"/api/{n}"] = "{}"

    class Limited(Spider):
        name = "limited"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield response.follow_all("a", self.detail)

        async def detail(self, response: Response) -> AsyncIterator[Any]:
            await self.fetch(f"{site.url}/api/{response.css('h1::text').one()}")
            yield {"url": response.url}

    result = await run(Limited, settings={**fast, "max_pages": 8, "pages_open": 2, "concurrency": 4})
    assert result.exit_code == 0, result.stats.examples
    assert len(items_of(result)) == 7
    assert result.stats.counters["pages"] == 8


async def test_a_fetch_obeys_robots(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/robots.txt"] = lambda _: web.Response(text="User-agent: *\nDisallow: /secret")
    site.pages["/"] = page()

    class Asks(Spider):
        name = "asks"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            try:
                await self.fetch(f"{site.url}/secret")
            except Skipped as skipped:
                yield {"reason": skipped.reason}

    assert items_of(await run(Asks, settings=fast)) == [{"reason": "robots"}]
    assert site.hits["/secret"] == 0


async def test_hooks_may_fetch_from_the_seeds_domains(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/list"] = json.dumps(["/a", "/b"])
    for path in ("/a", "/b"):
        site.pages[path] = page()

    class Opens(Spider):
        name = "opens"
        start_urls = [f"{site.url}/unused"]
        last = ""

        async def opened(self) -> None:
            self.last = (await self.fetch(f"{site.url}/list")).json()[-1]

        async def start(self) -> AsyncIterator[Request]:
            for path in (await self.fetch(f"{site.url}/list")).json():
                yield Request(f"{site.url}{path}")

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield {"path": response.yarl.path, "last": self.last}

        async def closed(self, reason: str) -> None:
            await self.fetch(f"{site.url}/list")

    result = await run(Opens, settings=fast)
    assert sorted(item["path"] for item in items_of(result)) == ["/a", "/b"]
    assert {item["last"] for item in items_of(result)} == {"/b"}
    assert site.hits["/list"] == 3


async def test_services_widen_where_a_page_may_ask(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()
    local = site.url.replace("127.0.0.1", "localhost")

    class Elsewhere(Spider):
        name = "elsewhere"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            try:
                yield {"status": (await self.fetch(f"{local}/")).status}
            except Skipped as skipped:
                yield {"reason": skipped.reason, "detail": skipped.detail}

    (refused,) = items_of(await run(Elsewhere, settings=fast))
    assert refused["reason"] == "domain"
    assert "name localhost in services" in refused["detail"]
    (allowed,) = items_of(await run(Elsewhere, settings={**fast, "services": ["localhost"]}))
    assert allowed == {"status": 200}


async def test_a_timeout_of_the_spiders_own_around_a_fetch(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/next")
    site.pages["/next"] = page()
    site.pages["/slow"] = lambda _: asyncio.sleep(2, "late")

    class Patient(Spider):
        name = "patient"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield response.follow_all("a")
            try:
                async with asyncio.timeout(0.2):
                    await self.fetch(f"{site.url}/slow")
            except TimeoutError:
                yield {"late": response.yarl.path}

    result = await run(Patient, settings={**fast, "concurrency": 1, "concurrency_per_host": 2})
    assert sorted(item["late"] for item in items_of(result)) == ["/", "/next"]


def test_fetch_outside_of_a_crawl_says_so() -> None:
    class Idle(Spider):
        name = "idle"

        def start(self) -> Iterator[Request]:
            yield Request("https://x.example/")

    with pytest.raises(RuntimeError, match=r"Idle\.fetch works in the callbacks"):
        asyncio.run(Idle().fetch("https://x.example/"))
