"""Traps through a real crawl: what it says, and that a kill changes nothing in what is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import endless
from small_site import Site, page

from crawler import Response, Spider, run
from crawler.settings import Settings
from crawler.terminal.summary import as_plain, summarise


class Everywhere(dict[str, Any]):
    """Pages made as they are asked for."""

    def __init__(self, links: endless.Links) -> None:
        super().__init__()
        self._links = links

    def get(self, path: str, default: Any = None) -> Any:
        return page(*self._links(path)) if path != "/robots.txt" else None


def following(site: Site, stop_after: int = 0) -> type[Spider]:
    class Following(Spider):
        name = "following"
        start_urls = [f"{site.url}/"]
        seen = 0

        async def parse(self, response: Response) -> Any:
            yield {"url": response.url}  # items are no proof that a page is worth something
            yield response.follow_all("a")
            if stop_after and len(site.hits) > stop_after:
                self.stop("enough for now", resumable=True)

    return Following


async def test_a_calendar_ends_and_is_named_everywhere(site: Site, fast: dict[str, Any]) -> None:
    site.pages = Everywhere(endless.calendar_by_query)
    result = await run(following(site), settings={**fast, "max_calendar": 40})
    assert result.exit_code == 0
    assert 40 < result.stats.counters["pages"] < 50
    host = site.url.removeprefix("http://")
    left_out = result.stats.counters[f"trap/max_calendar {host}/cal"]
    assert left_out == result.stats.counters["skipped/trap"] > 0
    assert f"  trap      {left_out} links of {host}/cal left out: max_calendar" in as_plain(
        summarise(result.stats, Settings())
    )
    stats = json.loads((Path(result.path) / "stats.json").read_bytes())
    assert stats["counters"][f"trap/max_calendar {host}/cal"] == left_out
    assert not [name for name in stats["counters"] if name.startswith("tally/")]
    lines = [json.loads(line) for line in (Path(result.path) / "skipped.jsonl").read_text().splitlines()]
    assert {line["reason"] for line in lines} == {"trap"}
    assert {line["detail"].partition(":")[0] for line in lines} == {"max_calendar = 40"}


async def test_a_resumed_crawl_goes_on_counting(site: Site, fast: dict[str, Any]) -> None:
    """In one go and in two the same number of dates is taken."""
    site.pages = Everywhere(endless.calendar_by_query)
    settings = {**fast, "max_calendar": 40, "concurrency": 1}
    whole = await run(following(site), settings={**settings, "runs_dir": fast["runs_dir"] + "-whole"})
    site.hits.clear()
    first = await run(following(site, stop_after=20), settings=settings)
    assert first.exit_code == 4
    second = await run(following(site), settings=settings)
    assert second.id == first.id
    assert second.stats.counters["pages"] == whole.stats.counters["pages"]


async def test_traps_can_be_turned_off(site: Site, fast: dict[str, Any]) -> None:
    site.pages = Everywhere(endless.path_of_one)
    result = await run(following(site), settings={**fast, "traps": False, "max_pages": 30})
    assert result.stats.counters["pages"] == 30
    assert "skipped/trap" not in result.stats.counters


async def test_a_host_has_as_many_pages_as_it_may_have(site: Site, fast: dict[str, Any]) -> None:
    site.pages = Everywhere(endless.pages_by_query)
    result = await run(following(site), settings={**fast, "max_pages_per_host": 12})
    assert result.stats.counters["pages"] == 12
    assert any(name.startswith("trap/max_pages_per_host") for name in result.stats.counters)


async def test_a_seed_is_no_trap(site: Site, fast: dict[str, Any]) -> None:
    """Who wrote it meant it."""
    site.pages["/x/x/x/x/"] = page()

    class Meant(Spider):
        name = "meant"
        start_urls = [f"{site.url}/x/x/x/x/"]

        async def parse(self, response: Response) -> Any:
            yield {"url": response.url}

    result = await run(Meant, settings=fast)
    assert result.stats.counters["items"] == 1
