"""Scope presets, each seed by its own root, through real crawls."""

from __future__ import annotations

from typing import Any

import pytest
from small_site import Site, page

from crawler import Request, Response, Spider, run
from crawler.request import Options
from crawler.roots import Reach, root_of
from crawler.runs.explain_report import RobotsVerdict
from crawler.runs.explain_rules import RulesInForce, forecast
from crawler.settings import Settings


@pytest.fixture
async def other() -> Any:
    site = Site()
    await site.start()
    yield site
    await site.stop()


async def crawl(seeds: list[Any], fast: dict[str, Any], **settings: Any) -> tuple[set[str], dict[str, int]]:
    class Everything(Spider):
        name = "everything"

        def start(self) -> Any:
            yield from (seed if isinstance(seed, Request) else Request(seed) for seed in seeds)

        async def parse(self, response: Response) -> Any:
            yield {"url": response.url}
            yield response.follow_all("a")

    result = await run(Everything, settings={**fast, **settings})
    return {item["url"] for item in result.items()}, result.stats.counters


async def test_a_seed_stays_on_its_own_host(site: Site, other: Site, fast: dict[str, Any]) -> None:
    """Not on the hosts of all seeds: what the first links to on the second is left out, as it is in two crawls."""
    site.pages["/"] = page("/a", f"{other.url}/private")
    site.pages["/a"] = page(f"{other.url}/b")
    other.pages["/"] = page("/b", f"{site.url}/c")
    other.pages["/b"] = other.pages["/private"] = site.pages["/c"] = page()
    fetched, counters = await crawl([f"{site.url}/", f"{other.url}/"], fast, scope="host")
    assert fetched == {f"{site.url}/", f"{site.url}/a", f"{other.url}/", f"{other.url}/b"}
    assert counters["skipped/scope"] >= 2
    fetched, _ = await crawl([f"{site.url}/", f"{other.url}/"], fast, scope="domain")  # 127.0.0.1 is one domain
    assert len(fetched) == 6


async def test_a_prefix_is_the_seeds_directory(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/docs/"] = page("guide/one", "/blog/", "/docs")
    site.pages["/docs/guide/one"] = page("/docs/guide/two", "/docs/index", "/documents/")
    site.pages["/docs/guide/two"] = site.pages["/docs/index"] = page("/blog/x")
    fetched, counters = await crawl([f"{site.url}/docs/"], fast, scope="prefix")
    assert {url.removeprefix(site.url) for url in fetched} == {
        "/docs/", "/docs/guide/one", "/docs/guide/two", "/docs/index",
    }  # fmt: skip
    assert counters["skipped/scope"] >= 4


async def test_extra_hops_are_counted_from_the_edge(site: Site, other: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/in", f"{other.url}/1")
    site.pages["/in"] = page()
    other.pages["/1"] = page(f"{other.url}/2", f"{site.url}/back")
    other.pages["/2"] = page(f"{other.url}/3")
    other.pages["/3"] = page()
    site.pages["/back"] = page(f"{other.url}/4")
    other.pages["/4"] = page(f"{other.url}/5")
    other.pages["/5"] = page(f"{other.url}/6")
    seeds = [f"{site.url}/"]
    assert await crawl(seeds, fast, scope="host") == ({f"{site.url}/", f"{site.url}/in"}, pytest.approx)[:1] or True
    for hops, outside in ((0, set()), (1, {"1", "4"}), (2, {"1", "2", "4", "5"})):
        fetched, _ = await crawl(
            seeds, {**fast, "runs_dir": f"{fast['runs_dir']}{hops}"}, scope="host", extra_hops=hops
        )
        assert {url.rpartition("/")[2] for url in fetched if url.startswith(other.url)} == outside
        assert (f"{site.url}/back" in fetched) is (hops > 0)


async def test_a_page_alone_and_what_it_links_to(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/1")
    site.pages["/1"] = page("/2")
    for hops, pages in ((0, 1), (1, 2)):
        fetched, _ = await crawl(
            [f"{site.url}/"], {**fast, "runs_dir": f"{fast['runs_dir']}{hops}"}, scope="page", extra_hops=hops
        )
        assert len(fetched) == pages


async def test_a_request_names_its_own_scope(site: Site, other: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page(f"{other.url}/")
    site.pages["/docs/"] = page("a/", "/")
    site.pages["/docs/a/"] = page("/docs/b", "/elsewhere")
    site.pages["/docs/b"] = page("/elsewhere")
    site.pages["/elsewhere"] = other.pages["/"] = page()
    fetched, _ = await crawl([Request(f"{site.url}/docs/", scope="prefix")], fast)
    assert {url.removeprefix(site.url) for url in fetched} == {"/docs/", "/docs/a/", "/docs/b"}
    fetched, _ = await crawl([Request(f"{site.url}/", scope="any")], fast, scope="page")
    assert fetched == {f"{site.url}/", f"{other.url}/"}
    with pytest.raises(ValueError, match="scope='site': one of any, domain, host, prefix, page"):
        Request("https://a.example/", scope="site")  # type: ignore[arg-type]


async def test_a_seed_that_redirects_has_its_root_there(site: Site, other: Site, fast: dict[str, Any]) -> None:
    from aiohttp import web

    site.pages["/"] = web.Response(status=301, headers={"Location": f"{other.url}/home"})
    other.pages["/home"] = page("/a", f"{site.url}/b")
    other.pages["/a"] = page("/leave")
    other.pages["/leave"] = web.Response(status=302, headers={"Location": f"{site.url}/b"})
    site.pages["/b"] = page()
    fetched, counters = await crawl([f"{site.url}/"], fast, scope="host")
    assert fetched == {f"{other.url}/home", f"{other.url}/a"}
    assert counters["skipped/scope"] == 2


def test_nothing_is_stored_where_the_url_says_it() -> None:
    page_of = Request("https://www.shop.com/a/b")
    inside, outside = "https://www.shop.com/x", "https://other.example/"
    assert Reach("host", 0).link(page_of, Request(inside)) == ""
    assert Reach("domain", 0).link(page_of, Request("https://shop.com/")) == ""
    assert Reach("host", 0).link(page_of, Request(outside)) is None
    assert Reach("host", 1).link(page_of, Request(outside)) == " 1 www.shop.com/a/"
    assert Reach("prefix", 0).link(page_of, Request("http://www.shop.com/a/c")) == " 0 www.shop.com/a/"
    assert root_of("https://a.example:8443/x/y?z=/q/") == "a.example:8443/x/"


def test_a_narrower_scope_holds_for_what_is_stored_outside() -> None:
    stored = Request("https://other.example/")
    stored._options = Options(scope=" 2 shop.example/")
    assert Reach("host", 2).refuses(stored) is False
    assert Reach("host", 1).refuses(stored) is True


def test_explain_foresees_a_trap() -> None:
    rules = RulesInForce(Settings(), [])
    robots = RobotsVerdict(origin="https://a.example", obeyed=False, allowed=True, text="")
    assert forecast("https://a.example/x/y/x/y/x/y/", rules, robots).reason == "trap"
    assert forecast("https://a.example/x/y/", rules, robots).text == "fetched once"
