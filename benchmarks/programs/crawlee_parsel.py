"""Crawlee with its ParselCrawler: python crawlee_parsel.py URL FILE

Storages in memory (its default writes a file a request), 32 at once from the start instead of a slow climb, its own
HTTP client and its own way of links. What it collected is written as JSON lines at the end.
"""

import asyncio
import json
import sys
from pathlib import Path

from crawlee import ConcurrencySettings, service_locator
from crawlee.crawlers import ParselCrawler, ParselCrawlingContext
from crawlee.storage_clients import MemoryStorageClient

URL, FILE = sys.argv[1:]


async def crawl() -> None:
    service_locator.set_storage_client(MemoryStorageClient())
    at_once = ConcurrencySettings(desired_concurrency=32, min_concurrency=32, max_concurrency=32)
    crawler = ParselCrawler(concurrency_settings=at_once)

    @crawler.router.default_handler
    async def parse(context: ParselCrawlingContext) -> None:
        item = {
            "url": context.request.loaded_url or context.request.url,
            "title": context.selector.css("h1::text").get(),
            "price": float(context.selector.css(".price::text").get("nan")),
            "tags": context.selector.css(".tag::text").getall(),
        }
        await context.push_data(item)
        await context.enqueue_links(strategy="all")

    await crawler.run([URL])
    dataset = await crawler.get_dataset()
    with Path(FILE).open("w", encoding="utf-8") as file:
        async for item in dataset.iterate_items():
            file.write(json.dumps(item, ensure_ascii=False) + "\n")


asyncio.run(crawl())
