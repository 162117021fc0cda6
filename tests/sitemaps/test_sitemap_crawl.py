"""Sitemaps in a crawl: what is fetched, what is left out, what is said."""

from __future__ import annotations

import gzip
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from small_site import Site, page

from crawler import Request, Response, Run, SitemapEntry, SitemapSpider, Spider, SpiderError, run
from crawler.demo import DemoSite
from crawler.demo.content import Content
from crawler.loading import load


class Pages(SitemapSpider):
    """Notes where it was, and how deep that is."""

    name = "pages"

    async def parse(self, response: Response) -> AsyncIterator[Any]:
        yield {"path": response.yarl.path, "depth": response.request.depth}


def spider(site: Site, *paths: str, **more: Any) -> type[Pages]:
    return type("Pages", (Pages,), {"sitemap_urls": [site.url + path for path in paths], **more})


def paths(run: Run) -> list[str]:
    return sorted(item["path"] for item in items(run))


def items(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "items.jsonl").read_text().splitlines()]


def skipped(run: Run) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in (run.path / "skipped.jsonl").read_text().splitlines()]
    return sorted((line["reason"], line["url"].partition("127.0.0.1")[2].partition("/")[2]) for line in lines)


def xml(*locs: str) -> str:
    return "<urlset>" + "".join(f"<url><loc>{loc}</loc></url>" for loc in locs) + "</urlset>"


def index(*locs: str) -> str:
    return "<sitemapindex>" + "".join(f"<sitemap><loc>{loc}</loc></sitemap>" for loc in locs) + "</sitemapindex>"


async def test_from_robots_txt_to_the_pages(site: Site, fast: dict[str, Any]) -> None:
    site.pages |= {
        "/robots.txt": f"User-agent: *\nDisallow: /no\nSitemap: {site.url}/index.xml\nSitemap:index.xml\nSitemap:feed",
        "/index.xml": index("/zipped.xml.gz", "/list.txt", "/index.xml", "zipped.xml.gz#x", "/no/s.xml"),
        "/zipped.xml.gz": web.Response(body=gzip.compress(xml("/a", "b?x=1&amp;y=2", "/no/page", "/a").encode())),
        "/list.txt": f"{site.url}/a\n{site.url}/c\nftp://127.0.0.1/d\n",
        "/feed": "<rss><item><link>/d</link></item></rss>",
        **dict.fromkeys(("/a", "/b", "/c", "/d"), page("/linked")),
    }
    result = await run(spider(site, "/robots.txt"), settings={**fast, "max_depth": 0})
    assert (result.exit_code, paths(result)) == (0, ["/a", "/b", "/c", "/d"])
    assert {item["depth"] for item in items(result)} == {0}, "max_depth counts from what a sitemap names"
    assert skipped(result) == [("robots", "no/page"), ("robots", "no/s.xml")]
    counters = result.stats.counters
    assert (counters["sitemaps"], counters["sitemap_entries"], counters["skipped/bad-url"]) == (4, 12, 1)
    assert {path: n for path, n in site.hits.items() if path != "/robots.txt"} == dict.fromkeys(
        ("/index.xml", "/zipped.xml.gz", "/list.txt", "/feed", "/a", "/b?x=1&y=2", "/c", "/d"), 1
    )
    assert counters["duplicates"] == 4 and "duplicates_with_arguments" not in counters


async def test_entry_chooses(site: Site, fast: dict[str, Any]) -> None:
    site.pages |= {
        "/s.xml": "<urlset><url><loc>/a</loc><lastmod>2024-01-02</lastmod><priority>0.9</priority></url>"
        "<url><loc>/b</loc><changefreq>never</changefreq></url><url><loc>/c</loc></url></urlset>",
        **dict.fromkeys(("/a", "/c"), "x"),
    }

    class Chosen(SitemapSpider):
        name = "chosen"
        sitemap_urls = [f"{site.url}/s.xml"]

        def entry(self, entry: SitemapEntry) -> Request | None:
            self.count(entry.changefreq or "plain")
            return (
                Request(entry.loc, self.parse_it, priority=int(entry.priority * 10)) if not entry.changefreq else None
            )

        async def parse_it(self, response: Response) -> AsyncIterator[Any]:
            yield {"path": response.yarl.path, "priority": response.request.priority}

    result = await run(Chosen, settings=fast)
    assert [tuple(item.values()) for item in items(result)] == [("/a", 9), ("/c", 5)]
    assert (result.stats.counters["user/never"], result.stats.counters["user/plain"]) == (1, 2)
    assert "/b" not in site.hits


async def test_any_spider_may_have_sitemaps_beside_its_own_start(site: Site, fast: dict[str, Any]) -> None:
    site.pages |= {"/s.xml": xml("/a", "/b"), "/": page("/b", "/c"), **dict.fromkeys(("/a", "/b", "/c"), "x")}

    class Both(Spider):
        name = "both"
        sitemap_urls = [f"{site.url}/s.xml"]

        def start(self) -> Iterator[Request]:
            yield Request(f"{site.url}/")

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield {"path": response.yarl.path, "depth": response.request.depth}
            yield response.links()

    result = await run(Both, settings=fast)
    assert paths(result) == ["/", "/a", "/b", "/c"]
    assert set(site.hits.values()) == {1}


async def test_a_sitemap_goes_through_retries_and_redirects(site: Site, fast: dict[str, Any]) -> None:
    def stumbles(request: web.Request) -> web.Response:
        if site.hits["/moved/s.xml"] == 1:
            return web.Response(status=503)
        return web.Response(text=xml("a"))

    moved = web.Response(status=301, headers={"Location": "/moved/s.xml"})
    site.pages |= {"/s.xml": moved, "/moved/s.xml": stumbles, "/moved/a": "x", "/rules": "Sitemap: /s.xml"}
    site.pages["/robots.txt"] = lambda request: web.Response(status=302, headers={"Location": "/rules"})
    result = await run(spider(site, "/robots.txt"), settings=fast)
    assert (result.exit_code, paths(result), site.hits["/moved/s.xml"]) == (0, ["/moved/a"], 2)


async def test_what_is_no_sitemap_is_a_failed_request(site: Site, fast: dict[str, Any]) -> None:
    site.pages |= {
        "/good.xml": xml("/a"), "/a": "x", "/page.xml": page("/b"), "/soft.xml": "Not found",
        "/broken.xml.gz": web.Response(body=b"\x1f\x8b\x08 no gzip"),
    }  # fmt: skip
    names = ("/good.xml", "/page.xml", "/soft.xml", "/broken.xml.gz", "/missing.xml")
    result = await run(spider(site, *names), settings=fast)
    assert (result.exit_code, paths(result)) == (3, ["/a"])
    counters = result.stats.counters
    assert (counters["error/BadResponse"], counters["error/BadStatus"], counters["requests_failed"]) == (3, 1, 4)
    assert "it is no sitemap: " in result.stats.examples["error/BadResponse"].message
    assert "callbacks_failed" not in counters, "no bug of the spider's"


async def test_one_bad_entry_and_a_sitemap_cut_short_are_said(
    site: Site, fast: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    whole = gzip.compress("".join(f"{site.url}/{n}\n" for n in range(300)).encode(), 0)
    site.pages |= {"/bad.xml": xml("/a", "https://[", "", "/b"), "/cut.gz": web.Response(body=whole[:-4_000])}
    site.pages |= dict.fromkeys(("/a", "/b", *(f"/{n}" for n in range(300))), "x")
    with caplog.at_level(logging.WARNING, "crawler.spider"):
        result = await run(spider(site, "/bad.xml", "/cut.gz"), settings={**fast, "allowed_domains": ["127.0.0.1"]})
    counters = result.stats.counters
    assert {"/a", "/b", "/0", "/1"} <= set(paths(result)) and result.exit_code == 0
    assert (counters["sitemaps"], counters["sitemaps_cut"], counters["skipped/bad-url"]) == (2, 1, 2)
    said = [record.getMessage().replace(site.url, "") for record in caplog.records]
    assert "/bad.xml: entries left out, as they have no URL: 2; 'https://['" in said
    assert "/cut.gz is broken gzip: what comes after that is left out" in said


async def test_limits(site: Site, fast: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    bomb = gzip.compress(xml("/c").encode() + b" " * 5_000_000 + xml("/never").encode())
    site.pages |= {
        "/robots.txt": "Sitemap: /one.xml",
        "/one.xml": index("/two.xml", "/many.xml", "/fat.xml", "/bomb.xml.gz", "/sixth.xml", "/seventh.xml"),
        "/two.xml": index("/three.xml"),
        "/many.xml": xml("/a1", "/a2", "/a3", "/a4", "/a5", "/a6"),
        "/fat.xml": xml("/b") + "<!--" + "x" * 5_000_000 + "-->" + xml("/never"),
        "/bomb.xml.gz": web.Response(body=bomb),
        **dict.fromkeys(("/a1", "/a2", "/a3", "/a4", "/a5", "/a6", "/b", "/c"), "x"),
    }
    settings = {**fast, "sitemap_entries": 5, "sitemap_bytes": 100_000, "sitemap_depth": 2, "max_body": 1000}
    with caplog.at_level(logging.WARNING, "crawler.spider"):
        result = await run(spider(site, "/robots.txt"), settings=settings)
    assert paths(result) == ["/a1", "/a2", "/a3", "/a4", "/a5", "/b", "/c"]
    assert skipped(result) == [("depth", "three.xml")]
    assert not {"/seventh.xml", "/three.xml", "/a6", "/never"} & set(site.hits)
    counters = result.stats.counters
    assert (counters["sitemaps_cut"], counters["sitemaps"], counters["error/BadStatus"]) == (4, 5, 1)
    said = " ".join(record.getMessage() for record in caplog.records)
    assert said.count("has more than sitemap_entries = 5 entries") == 2
    assert said.count("is larger than sitemap_bytes = 100000") == 2


async def test_a_bug_in_entry_fails_the_sitemap_and_names_the_line(site: Site, fast: dict[str, Any]) -> None:
    site.pages |= {"/s.xml": xml("/a")}

    def entry(self: Any, entry: SitemapEntry) -> Any:
        return {"url": entry.loc}

    result = await run(spider(site, "/s.xml", entry=entry), settings=fast)
    assert (result.exit_code, result.stats.counters["callback/TypeError"]) == (3, 1)
    message = result.stats.examples["callback/TypeError"].message
    assert "entry() returned a dict" in message and "test_sitemap_crawl.py:" in message


async def test_wrong_sitemap_urls_are_said_at_once(site: Site, fast: dict[str, Any]) -> None:
    for wrong, words in (
        (["shop.example/s.xml"], "https://shop.example/s.xml"),
        ("https://h.example", "one str"),
        (3, "a list of URLs"),
    ):
        kind = type("Wrong", (Pages,), {"sitemap_urls": wrong})
        with pytest.raises(SpiderError, match=rf"Wrong\.sitemap_urls.*{words}"):
            await run(kind, settings=fast)
    with pytest.raises(SpiderError, match="has no parse"):
        await run(
            type("Silent", (Spider,), {"name": "silent", "sitemap_urls": ["https://h.example/s.xml"]}), settings=fast
        )
    result = await run(Pages, settings=fast)
    assert (result.exit_code, "no sitemap_urls" in result.reason) == (1, True)


async def test_a_robots_txt_that_names_none(site: Site, fast: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    site.pages |= {"/robots.txt": "User-agent: *\nAllow: /"}
    with caplog.at_level(logging.WARNING, "crawler.spider"):
        result = await run(spider(site, "/robots.txt"), settings=fast)
    assert (result.exit_code, items(result)) == (0, [])
    assert f"{site.url}/robots.txt names no sitemap" in caplog.text


async def test_the_example_on_the_practice_site(fast: dict[str, Any]) -> None:
    example = load(str(Path(__file__).parents[2] / "spiders/sitemap.py"))
    async with DemoSite(products=60, slow=0.0) as demo:
        args = {"url": f"{demo.url}/robots.txt", "since": "2023-01-01"}
        result = await run(example, args=args, settings=fast)
        found = {item["url"] for item in items(result)}
        body = gzip.decompress(Content(60, 7, 0).page("/sitemap-books-1.xml.gz", {}, demo.url).body).decode()
        days = dict(re.findall("<loc>(.*?)</loc><lastmod>(.*?)</lastmod>", body))
        assert {url for url in found if "/books/item/" in url} == {url for url, day in days.items() if day >= "2023"}
        assert f"{demo.url}/quotes/" in found and demo.hits["/sitemap-books-1.xml.gz"] == 1
