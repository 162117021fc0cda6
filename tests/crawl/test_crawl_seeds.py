"""Where a crawl begins: `start`, `start_urls`, arguments, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_site import Site, page

from crawler import Request, Response, Run, Spider, SpiderError, run


def items_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "items.jsonl").read_text().splitlines()]


async def test_seeds_are_lazy_and_bounded(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()
    drawn: list[int] = []

    class Many(Spider):
        name = "many"

        async def start(self) -> AsyncIterator[Request]:
            for n in range(5_000):
                drawn.append(n)
                yield Request(f"{site.url}/?n={n}", priority=1 if n == 4_999 else 0)

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            if response.yarl.query["n"] == "3":
                self.stop("enough")
            yield {"n": response.yarl.query["n"], "drawn": len(drawn)}

    result = await run(Many, settings={**fast, "concurrency": 2, "max_pages": 50})
    assert result.stats.counters["pages"] <= 50
    assert items_of(result)


async def test_arguments_are_converted_and_checked(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/3"] = page()

    class Args(Spider):
        name = "args"
        number: int
        deep: bool = False

        def start(self) -> Iterator[Request]:
            assert self.deep is True
            yield Request(f"{site.url}/{self.number}")

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield {"url": response.url}

    result = await run(Args, args={"number": 3, "deep": True}, settings=fast)
    assert len(items_of(result)) == 1
    with pytest.raises(SpiderError, match="numbr"):
        await run(Args, args={"numbr": 3}, settings=fast)
    with pytest.raises(SpiderError, match="number"):
        await run(Args, settings=fast)


async def test_a_start_url_without_scheme(fast: dict[str, Any]) -> None:
    class Bare(Spider):
        name = "bare"
        start_urls = ["books.example/x"]

    with pytest.raises(SpiderError, match=r"https://books\.example/x"):
        await run(Bare, settings=fast)
    assert not Path(fast["runs_dir"]).exists()


async def test_start_that_raises_and_start_that_gives_nothing(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()

    class Breaks(Spider):
        name = "breaks"

        def start(self) -> Iterator[Request]:
            yield Request(f"{site.url}/")
            raise KeyError("seed")

        async def parse(self, response: Response) -> AsyncIterator[Any]:
            yield {"kept": 1}

    result = await run(Breaks, settings=fast)
    assert result.exit_code == 1
    assert "start() failed: KeyError" in result.reason
    assert "test_crawl_seeds.py" in result.reason

    class Empty(Spider):
        name = "empty"

    result = await run(Empty, settings=fast)
    assert result.exit_code == 1
    assert "no start_urls" in result.reason


async def test_seeds_that_are_all_left_out_are_no_success(site: Site, fast: dict[str, Any]) -> None:
    class Elsewhere(Spider):
        name = "elsewhere"
        start_urls = [f"{site.url}/", "ftp://127.0.0.1/"]
        allowed_domains = ["books.example"]

        async def parse(self, response: Response) -> None: ...

    result = await run(Elsewhere, settings=fast)
    assert result.exit_code == 1
    assert "all seeds (2) were left out" in result.reason
    assert "127.0.0.1 is not in allowed_domains" in result.reason
