"""Redirects are outcomes: each hop is a page that ends, and its target one that begins."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from aiohttp import web
from small_site import Site, page

from crawler import Response, Run, Spider, run


def items_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "items.jsonl").read_text().splitlines()]


async def test_redirects_are_outcomes(site: Site, fast: dict[str, Any]) -> None:
    def to(where: str, status: int = 302) -> web.Response:
        return web.Response(status=status, headers={"Location": where})

    site.pages["/"] = page("/old", "/chain", "/loop", "/form", "/off", "/bad")
    site.pages["/old"] = lambda _: to("/new", 301)
    site.pages["/new"] = page(title="new")
    site.pages["/chain"] = lambda _: to("/chain2")
    site.pages["/chain2"] = lambda _: to("new")
    site.pages["/loop"] = lambda _: to("/loop")
    site.pages["/off"] = lambda _: to("http://elsewhere.example/")
    site.pages["/bad"] = lambda _: to("javascript:alert(1)")
    site.pages["/answer"] = page(title="answer")
    site.pages["/form"] = lambda _: to("/answer", 303)

    class Redirected(Spider):
        name = "redirected"
        start_urls = [f"{site.url}/"]
        allowed_domains = ["127.0.0.1"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            for path in ("/old", "/chain", "/loop", "/off", "/bad"):
                yield response.follow(path, partial(self.arrived, origin=path))
            for n in range(2):
                yield response.follow("/form", partial(self.arrived, origin=f"/form {n}"), form={"n": n})

        async def arrived(self, response: Response, origin: str) -> AsyncIterator[Any]:
            yield {"origin": origin, "at": response.yarl.path, "hops": [hop.status for hop in response.history]}

    result = await run(Redirected, settings={**fast, "max_failed_share": 1.0, "redirects": 5})
    found = {item["origin"]: item for item in items_of(result)}
    first = found.get("/old") or found["/chain"]
    assert first["at"] == "/new"
    assert site.hits["/new"] == 1  # the second way to it is a duplicate
    assert found["/form 0"]["at"] == found["/form 1"]["at"] == "/answer"  # a form's answer always arrives
    assert site.hits["/answer"] == 2
    assert [request[0] for request in site.requests if request[1] == "/answer"] == ["GET", "GET"]
    assert result.stats.counters["error/TooManyRedirects"] == 1
    assert site.hits["/loop"] == 6
    assert result.stats.counters["error/BadRedirect"] == 1
    assert result.stats.counters["skipped/domain"] == 1


async def test_a_cookie_redirect_to_itself_arrives(site: Site, fast: dict[str, Any]) -> None:
    def gate(request: web.Request) -> web.Response:
        if request.cookies.get("pass") == "yes":
            return web.Response(text=page(title="in"), content_type="text/html")
        answer = web.Response(status=302, headers={"Location": "/"})
        answer.set_cookie("pass", "yes")
        return answer

    site.pages["/"] = gate

    class Cookie(Spider):
        name = "cookie"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield {"title": response.css("h1::text").one(), "cookie": response.request_headers.get("Cookie")}

    result = await run(Cookie, settings=fast)
    assert items_of(result) == [{"title": "in", "cookie": "pass=yes"}]
