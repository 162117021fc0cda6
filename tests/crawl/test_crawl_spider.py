"""What a spider's author sees: callbacks, items, requests, hooks, state — through a real crawl."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import attrs
import msgspec
import pydantic
import pytest
from small_site import Site, page

from crawler import (
    DropItem,
    FetchError,
    Request,
    Response,
    Retry,
    Run,
    Skipped,
    Spider,
    Yields,
    blocking,
    run,
)
from crawler.events import CallbackFailed, Event, PageFailed, Warned


def items_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "items.jsonl").read_text().splitlines()]


@dataclasses.dataclass
class Book:
    title: str
    price: float
    category: str
    url: str


async def test_the_spider_of_the_design(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page(
        "/c",
        title="all",
        more='<article><h3><a href="/b1">1</a></h3></article><ul><li class="next"><a href="/p2">next</a></ul>',
    )
    site.pages["/p2"] = page(
        title="more", more='<article><h3><a href="b2">2</a></h3><h3><a href="/b1#x">1</a></h3></article>'
    )
    for n in (1, 2):
        site.pages[f"/b{n}"] = page(title=f"Book {n}", more=f'<p class="price">£{n}.50</p>')

    class Books(Spider):
        name = "books"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> Yields[Book]:
            category = response.css("h1::text").get("")
            yield response.follow_all("article h3 a", partial(self.parse_book, category=category))
            yield response.follow_all("li.next a")

        async def parse_book(self, response: Response, category: str) -> Yields[Book]:
            yield Book(
                title=response.css("h1::text").one(),
                price=float(response.css(".price::text").one(r"[\d.]+")),
                category=category,
                url=response.url,
            )

    result = await run(Books, settings=fast)
    assert result.exit_code == 0, result.reason
    assert sorted((book.title, book.price, book.category) for book in result.items(Book)) == [
        ("Book 1", 1.5, "all"),
        ("Book 2", 2.5, "more"),
    ]
    assert site.hits["/b1"] == 1
    assert site.hits["/robots.txt"] == 1
    assert "/c" not in site.hits
    assert result.stats.counters["pages"] == 4
    assert result.stats.counters["duplicates"] == 1


class Struct(msgspec.Struct):
    kind: str


class Model(pydantic.BaseModel):
    kind: str


@attrs.define
class Attrs:
    kind: str


@dataclasses.dataclass
class Data:
    kind: str


async def test_every_kind_of_callback_and_item(site: Site, fast: dict[str, Any]) -> None:
    for path in ("/", "/gen", "/coro", "/none", "/list", "/nested"):
        site.pages[path] = page(title=path)

    class Kinds(Spider):
        name = "kinds"

        def start(self) -> Iterator[Request]:
            yield Request(f"{site.url}/", self.agen)
            yield Request(f"{site.url}/gen", self.gen)
            yield Request(f"{site.url}/coro", self.coro)
            yield Request(f"{site.url}/none", self.none)
            yield Request(f"{site.url}/list", self.plain)
            yield Request(f"{site.url}/nested", self.nested)

        async def agen(self, response: Response) -> AsyncIterator[Any]:
            yield Data("dataclass")

        def gen(self, response: Response) -> Iterator[Any]:
            yield Struct("struct")

        async def coro(self, response: Response) -> list[Any]:
            return [Model(kind="model"), Attrs("attrs")]

        async def none(self, response: Response) -> None:
            self.count("nothing")

        def plain(self, response: Response) -> list[Any]:
            return [{"kind": "dict"}]

        async def nested(self, response: Response) -> AsyncIterator[Any]:
            yield [{"kind": "member"}, {"kind": "member"}]
            yield ({"kind": f"generated {n}"} for n in range(2))

    result = await run(Kinds, settings=fast)
    assert result.exit_code == 0, result.stats.examples
    kinds = sorted(item["kind"] for item in items_of(result))
    assert kinds == ["attrs", "dataclass", "dict", "generated 0", "generated 1", "member", "member", "model", "struct"]
    assert result.stats.counters["user/nothing"] == 1


@pytest.mark.parametrize(("wrong", "shown"), [("text", "a str ('text')"), (7, "a int (7)")])
async def test_a_wrong_yield_names_spider_callback_and_line(
    site: Site, fast: dict[str, Any], wrong: Any, shown: str
) -> None:
    site.pages["/"] = page("/ok")
    site.pages["/ok"] = page()
    events: list[Event] = []

    class Wrong(Spider):
        name = "wrong"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield response.follow("/ok", self.fine)
            yield wrong

        async def fine(self, response: Response) -> AsyncIterator[Any]:
            yield {"ok": 1}

    result = await run(Wrong, settings=fast, listeners=[events.append])
    assert result.exit_code == 3
    (failure,) = [event for event in events if isinstance(event, CallbackFailed)]
    assert f"Wrong.parse yielded {shown}" in failure.error
    assert failure.where.rpartition(":")[0].endswith("test_crawl_spider.py")
    assert items_of(result) == []  # what the broken page had found is dropped with it
    assert site.hits["/"] == 1  # a bug of the spider is no reason to ask again


async def test_fetch_in_a_callback_with_one_worker(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/a", "/b")
    for name in "ab":
        site.pages[f"/{name}"] = page(title=name)
        site.pages[f"/api/{name}"] = json.dumps({"name": name, "n": 1})

    class Api(Spider):
        name = "api"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield response.follow_all("a", self.details)

        async def details(self, response: Response) -> AsyncIterator[Any]:
            title = response.css("h1::text").one()
            answer = await self.fetch(f"{site.url}/api/{title}")
            again = await self.fetch(f"{site.url}/api/{title}")
            yield {"title": title, "api": answer.json()["name"], "again": again.json()["n"]}

    result = await run(Api, settings={**fast, "concurrency": 1})
    assert result.exit_code == 0, result.stats.examples
    assert sorted(item["api"] for item in items_of(result)) == ["a", "b"]
    assert site.hits["/api/a"] == 2  # a fetch is not deduplicated
    assert result.stats.counters["fetches"] == 4
    assert result.stats.counters["pages"] == 3


async def test_fetch_failures_belong_to_the_page(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/caught", "/uncaught", "/elsewhere")
    for name in ("caught", "uncaught", "elsewhere"):
        site.pages[f"/{name}"] = page(title=name)
    events: list[Event] = []

    class Fails(Spider):
        name = "fails"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield response.follow("/caught", self.caught)
            yield response.follow("/uncaught", self.uncaught)
            yield response.follow("/elsewhere", self.elsewhere)

        async def caught(self, response: Response) -> AsyncIterator[Any]:
            try:
                await self.fetch(f"{site.url}/missing")
            except FetchError as error:
                yield {"status": error.response.status}  # type: ignore[attr-defined]

        async def uncaught(self, response: Response) -> AsyncIterator[Any]:
            await self.fetch(f"{site.url}/missing")
            yield {"never": 1}

        async def elsewhere(self, response: Response) -> AsyncIterator[Any]:
            try:
                await self.fetch("http://other.example/")
            except Skipped as skipped:
                yield {"skipped": skipped.reason}

    result = await run(Fails, settings={**fast, "max_failed_share": 1.0}, listeners=[events.append])
    assert sorted(items_of(result), key=str) == [{"skipped": "domain"}, {"status": 404}]
    assert result.stats.counters["requests_failed"] == 1
    assert "callbacks_failed" not in result.stats.counters
    failed = [event for event in events if isinstance(event, PageFailed)]
    assert [event.url.rpartition("/")[2] for event in failed if not event.source] == ["uncaught"]


async def test_retry_from_a_callback_counts_tries_and_drops_the_outcome(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page(title="soon")
    seen: list[int] = []

    class Again(Spider):
        name = "again"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            seen.append(response.request.tries)
            yield {"tries": response.request.tries}
            if response.request.tries < 2:
                raise Retry(after=0.01, reason="not ready")

    result = await run(Again, settings=fast)
    assert seen == [0, 1, 2]
    assert items_of(result) == [{"tries": 2}]
    assert result.stats.counters["retries"] == 2
    assert result.stats.counters["pages"] == 1


async def test_retry_used_up_is_a_failed_request(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()

    class Never(Spider):
        name = "never"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            raise Retry(after=0, reason="never good")
            yield

        def failed(self, request: Request, error: FetchError) -> Iterator[Any]:
            yield {"gave_up": str(error)}

    result = await run(Never, settings=fast)
    assert site.hits["/"] == 3
    assert "never good" in items_of(result)[0]["gave_up"]
    assert result.exit_code == 3  # every request failed
    assert result.stats.counters["error/GaveUp"] == 1


async def test_errback_and_failed_see_what_failed_for_good(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/ok")
    site.pages["/ok"] = page()

    class Errors(Spider):
        name = "errors"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield response.follow("/missing", self.never, errback=partial(self.lost, note="mine"))
            yield response.follow("/gone", self.never)

        async def never(self, response: Response) -> AsyncIterator[Any]:
            yield {"never": 1}

        async def lost(self, request: Request, error: FetchError, note: str) -> AsyncIterator[Any]:
            yield {"errback": note, "kind": type(error).__name__}
            yield Request(f"{site.url}/ok", self.fine)

        async def fine(self, response: Response) -> AsyncIterator[Any]:
            yield {"fine": True}

        async def failed(self, request: Request, error: FetchError) -> AsyncIterator[Any]:
            yield {"failed": request.url.removeprefix(site.url)}

    result = await run(Errors, settings={**fast, "max_failed_share": 1})
    assert sorted(items_of(result), key=str) == [
        {"errback": "mine", "kind": "BadStatus"},
        {"failed": "/gone"},
        {"fine": True},
    ]


async def test_hooks_stop_state_and_skipped(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/a", "http://elsewhere.example/x")
    site.pages["/a"] = page("/b", "http://elsewhere.example/x")
    site.pages["/b"] = page()
    calls: list[str] = []

    class Hooked(Spider):
        name = "hooked"
        start_urls = [f"{site.url}/"]
        allowed_domains = ["127.0.0.1"]

        async def opened(self) -> None:
            calls.append("opened")
            self.started = True

        async def closed(self, reason: str) -> None:
            calls.append(f"closed: {reason}")
            self.state["closed"] = True

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            self.state.add("pages")
            self.state.max("deepest", response.request.depth)
            self.state.put("paths", response.yarl.path)
            yield {"seen": self.state["pages"]}
            yield response.follow_all("a")
            if response.yarl.path == "/a":
                self.stop("that is enough")

        def skipped(self, request: Request, reason: str) -> Iterator[Any]:
            yield {"skipped": request.url, "reason": reason}

    result = await run(Hooked, settings=fast)
    assert calls == ["opened", "closed: stopped: that is enough"]
    assert result.exit_code == 0
    assert result.reason == "stopped: that is enough"
    assert site.hits["/b"] == 0
    skipped = [item for item in items_of(result) if "skipped" in item]
    assert skipped == [{"skipped": "http://elsewhere.example/x", "reason": "domain"}]  # told once
    assert result.stats.counters["skipped/domain"] == 2
    listed = [json.loads(line) for line in (result.path / "skipped.jsonl").read_text().splitlines()]
    assert [(line["url"], line["reason"]) for line in listed] == [("http://elsewhere.example/x", "domain")]


async def test_state_refuses_changes_in_place_and_warns_of_attributes(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()
    events: list[Event] = []

    class Stateful(Spider):
        name = "stateful"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            self.state["list"] = [1, 2]
            assert self.state["list"] == (1, 2)
            self.total = 1
            self.total = 2
            self.state["list"].append(3)
            yield {"never": 1}

    result = await run(Stateful, settings=fast, listeners=[events.append])
    assert result.exit_code == 3
    (failure,) = [event for event in events if isinstance(event, CallbackFailed)]
    assert "AttributeError" in failure.error
    (warning,) = [event for event in events if isinstance(event, Warned)]
    assert "self.total is set in a callback" in warning.message
    assert "test_crawl_spider.py:" in warning.message


async def test_pipelines_in_order_drop_and_break(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page(*(f"/{n}" for n in range(4)))
    for n in range(4):
        site.pages[f"/{n}"] = page(title=str(n))
    keys: list[str] = []

    class Upper:
        async def open(self, spider: Spider) -> None:
            keys.append("open")

        async def process(self, item: dict[str, Any], context: Any) -> dict[str, Any]:
            keys.append(context.key)
            return {**item, "upper": item["name"].upper()}

        async def close(self) -> None:
            keys.append("close")

    def choose(item: dict[str, Any], context: Any) -> dict[str, Any]:
        if item["name"] == "1":
            raise DropItem("odd")
        if item["name"] == "2":
            raise RuntimeError("broken pipeline")
        assert "upper" in item
        return item

    class Piped(Spider):
        name = "piped"
        start_urls = [f"{site.url}/"]
        pipelines = [Upper(), choose]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            if response.yarl.path == "/":
                yield response.follow_all("a")
            else:
                yield {"name": response.css("h1::text").one()}

    result = await run(Piped, settings=fast)
    assert sorted(item["name"] for item in items_of(result)) == ["0", "3"]
    assert result.stats.counters["dropped/odd"] == 1
    assert result.stats.counters["callbacks_failed"] == 1
    assert "broken pipeline" in result.stats.examples["callback/RuntimeError"].message
    assert result.exit_code == 3
    assert keys[0] == "open"
    assert keys[-1] == "close"
    assert len(set(keys[1:-1])) == 4


async def test_a_blocking_callback_runs_beside_the_loop(site: Site, fast: dict[str, Any]) -> None:
    import threading

    site.pages["/"] = page()

    class Blocks(Spider):
        name = "blocks"
        start_urls = [f"{site.url}/"]

        @blocking
        def parse(self, response: Response) -> Iterator[Any]:
            self.state.add("n")
            yield {"main": threading.current_thread() is threading.main_thread()}

    result = await run(Blocks, settings=fast)
    assert items_of(result) == [{"main": False}]
