"""What a spider's code may do wrong: only its page fails, and the words say where."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from small_site import Site, page

from crawler import Request, Response, Retry, Run, SettingsError, Spider, SpiderError, run, run_sync
from crawler.events import CallbackFailed, Event


def items_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "items.jsonl").read_text().splitlines()]


class Base(Spider):
    name = "mistakes"

    async def parse(self, response: Response) -> AsyncIterator[Any]:
        yield response.follow_all("a", self.detail)

    async def detail(self, response: Response) -> AsyncIterator[Any]:
        if response.yarl.path == "/bad":
            await self.wrong(response)
        yield {"path": response.yarl.path}

    async def wrong(self, response: Response) -> None: ...


async def cancelled(spider: Base, response: Response) -> None:
    raise asyncio.CancelledError


async def own_task(spider: Base, response: Response) -> None:
    task = asyncio.ensure_future(asyncio.sleep(10))
    task.cancel()
    await task


async def cancels_itself(spider: Base, response: Response) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def counts_too_much(spider: Base, response: Response) -> None:
    spider.count("x", 10**30)


async def retries_for_ever(spider: Base, response: Response) -> None:
    raise Retry(after=float("inf"))


async def fetches_in_parallel(spider: Base, response: Response) -> None:
    site = str(response.yarl.origin())
    await asyncio.gather(spider.fetch(f"{site}/missing"), spider.fetch(f"{site}/slow"))


WRONG = [cancelled, own_task, cancels_itself, counts_too_much, retries_for_ever, fetches_in_parallel]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
@pytest.mark.parametrize("concurrency", [1, 8])
async def test_only_the_page_fails(site: Site, fast: dict[str, Any], wrong: Any, concurrency: int) -> None:
    site.pages["/"] = page("/a", "/bad", "/b", "/c")
    site.pages["/slow"] = lambda _: asyncio.sleep(0.3, "late")
    for path in ("/a", "/b", "/c", "/bad"):
        site.pages[path] = page()
    spider = type("Wrong", (Base,), {"start_urls": [f"{site.url}/"], "wrong": wrong})
    async with asyncio.timeout(20):
        result = await run(spider, settings={**fast, "concurrency": concurrency})
    assert sorted(item["path"] for item in items_of(result)) == ["/a", "/b", "/c"]
    assert result.exit_code == 3
    counters = result.stats.counters
    assert counters.get("callbacks_failed", 0) + counters.get("requests_failed", 0) == 1
    assert result.stats.pending == 0


async def test_arguments_too_deep_to_store(site: Site, fast: dict[str, Any]) -> None:
    from functools import partial

    site.pages["/"] = page("/a")

    class Deep(Spider):
        name = "deep"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response, nest: Any = None) -> AsyncIterator[Any]:
            deep: list[Any] = []
            for _ in range(5_000):
                deep = [deep]
            yield response.follow("/a", partial(self.parse, nest=deep))

    result = await run(Deep, settings=fast)
    assert result.exit_code == 3
    assert result.stats.counters["callbacks_failed"] == 1


async def test_a_wrong_return_and_a_wrong_signature_say_where(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()
    for method, words in ((_returns_a_dict, "return a list of items"), (_takes_nothing, "positional argument")):
        events: list[Event] = []
        spider = type("Says", (Spider,), {"name": "says", "start_urls": [f"{site.url}/"], "parse": method})
        await run(spider, settings={**fast, "resume": "never"}, listeners=[events.append])
        (failure,) = [event for event in events if isinstance(event, CallbackFailed)]
        assert words in failure.error
        assert "test_crawl_mistakes.py:" in failure.where


def _returns_a_dict(self: Spider, response: Response) -> dict[str, Any]:
    return {"a": 1}


def _takes_nothing(self: Spider) -> None: ...


async def test_mistakes_seen_before_the_first_request(site: Site, fast: dict[str, Any]) -> None:
    class Breaks(Spider):
        name = "breaks"

        def __init__(self, **args: object) -> None:
            super().__init__(**args)
            raise ZeroDivisionError("division")

    with pytest.raises(SpiderError, match=r"Breaks\.__init__ failed: ZeroDivisionError: division at .*test_crawl_mist"):
        await run(Breaks, settings=fast)

    class Misspelt(Spider):
        name = "misspelt"
        start_urls = [f"{site.url}/"]

        async def prase(self, response: Response) -> None: ...

    with pytest.raises(SpiderError, match=r"Misspelt has no parse\(self, response\).*did you mean prase"):
        await run(Misspelt, settings=fast)
    assert not Path(fast["runs_dir"]).exists()


async def test_other_seeds_are_another_run_and_changed_code_is_said(
    site: Site, fast: dict[str, Any], tmp_path: Path
) -> None:
    for path in ("/a", "/b"):
        site.pages[path] = page()
    spider = type("Seeds", (Base,), {"detail": Base.detail})
    runs = []
    for name in ("a", "b"):
        seeds = tmp_path / f"{name}.txt"
        seeds.write_text(f"{site.url}/{name}\n")
        with seeds.open() as lines:
            runs.append(await run(spider, urls=lines, settings={**fast, "max_pages": 1}))
    assert runs[0].id != runs[1].id
    assert site.hits["/a"] == site.hits["/b"] == 1


async def test_run_sync_inside_of_a_running_loop(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/a")
    site.pages["/a"] = page()
    spider = type("Sync", (Base,), {"start_urls": [f"{site.url}/"]})
    result = await asyncio.to_thread(run_sync, spider, settings=fast)
    assert len(items_of(result)) == 1

    class Alone(Spider):
        name = "alone"
        start_urls = ["http://127.0.0.1:9/"]

        async def parse(self, response: Response) -> None: ...

    blocked = run_sync(Alone, settings={**fast, "robots": False, "retries": 0})  # this loop waits meanwhile
    assert blocked.exit_code == 3


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"allowed_domains": "books.example"}, r"write a list of host names, \['books.example'\]"),
        ({"allowed_domains": ["https://books.example/"]}, "without scheme, port, path"),
        ({"allowed_domains": ["books.example:80"]}, "is no host name"),
        ({"allowed_domains": ["*.books.example"]}, "subdomains are included"),
        ({"allowed_domains": [5]}, "is no host name"),
        ({"start_urls": None}, "write a list of URLs"),
        ({"__init__": lambda self: None}, r"must call super\(\).__init__"),
    ],
)
async def test_class_attributes_of_a_wrong_kind(fast: dict[str, Any], attributes: dict[str, Any], words: str) -> None:
    spider = type("Odd", (Base,), {"start_urls": ["http://books.example/"], **attributes})
    with pytest.raises((SpiderError, SettingsError), match=words):
        await run(spider, settings=fast)
    assert not Path(fast["runs_dir"]).exists()


@pytest.mark.parametrize(
    "args",
    [
        {"key": 5}, {"session": 5}, {"priority": "1"}, {"priority": 2**40}, {"retry": "x"}, {"retry": -1},
        {"redirects": -1}, {"unique": "x"}, {"timeout": True}, {"body": 5}, {"accept_status": 404},
    ],
)  # fmt: skip
def test_words_of_a_request_of_a_wrong_kind(args: dict[str, Any]) -> None:
    (word,) = args
    with pytest.raises(TypeError, match=f"{word}="):
        Request("https://x.example/", **args)


async def test_an_item_that_cannot_be_stored_says_its_line(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()
    events: list[Event] = []

    class Odd(Spider):
        name = "odd"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield {"a": object()}

    await run(Odd, settings=fast, listeners=[events.append])
    (failure,) = [event for event in events if isinstance(event, CallbackFailed)]
    assert "test_crawl_mistakes.py:" in failure.where


async def test_an_accepted_status_is_not_tried_again(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/x")
    site.pages["/x"] = lambda _: web.Response(status=503, text="still a page")

    class Accepts(Spider):
        name = "accepts"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield response.follow_all("a", self.odd, accept_status=[503])

        async def odd(self, response: Response) -> AsyncIterator[Any]:
            yield {"text": response.text}

    result = await run(Accepts, settings=fast)
    assert items_of(result) == [{"text": "still a page"}]
    assert site.hits["/x"] == 1
