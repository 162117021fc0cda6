"""Pages that nearly say the same, told by their words."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from small_site import Site, page

from crawler import Response, Spider, run
from crawler.near import simhash

WORDS = [f"word{n}" for n in range(2_000)]


def text(seed: int, changed: int = 0) -> str:
    words = random.Random(seed).choices(WORDS, k=600)
    words[:changed] = [f"other{n}" for n in range(changed)]
    return " ".join(words)


def bits_apart(one: str, other: str) -> int:
    first, second = simhash(one), simhash(other)
    assert first is not None and second is not None
    return (first ^ second).bit_count()


def test_few_words_are_few_bits() -> None:
    assert bits_apart(text(1), f"<p class='x'>{text(1).upper()}</p><script>var x = {text(2)!r}</script>") == 0
    assert all(bits_apart(text(n), text(n, changed=2)) <= 6 for n in range(20))
    assert all(bits_apart(text(n), text(n + 1)) >= 12 for n in range(20))
    assert simhash("<h1>Too short</h1>") is None


async def test_they_are_counted_and_listed_over_a_restart(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/a", "/b", more=text(1))
    site.pages["/a"] = page(more=text(2))
    site.pages["/b"] = page("/c", "/d", more=text(3))
    site.pages["/c"] = page(more=text(2))
    site.pages["/d"] = page(more=text(4))

    class Following(Spider):
        name = "following"
        start_urls = [f"{site.url}/"]

        async def parse(self, response: Response) -> Any:
            yield {"url": response.url}
            yield response.follow_all("a")
            if response.url.endswith("/b") and site.hits["/b"] == 1 and not site.hits["/c"]:
                self.stop("half of it", resumable=True)

    settings = {**fast, "near_duplicates": 3, "concurrency": 1}
    first = await run(Following, settings=settings)
    assert first.exit_code == 4 and site.hits["/a"] == 1 and not site.hits["/c"]
    result = await run(Following, settings=settings)
    assert result.stats.counters["near_duplicates"] == 1
    assert result.stats.counters["items"] == 5
    lines = [json.loads(line) for line in (Path(result.path) / "skipped.jsonl").read_text().splitlines()]
    assert [(line["url"], line["reason"], line["detail"]) for line in lines] == [
        (f"{site.url}/c", "near duplicate", f"0 bits of 64 from {site.url}/a")
    ]
