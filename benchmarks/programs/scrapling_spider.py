"""Scrapling's Spider on uvloop, 32 at once, its own HTTP client: python scrapling_spider.py URL FILE

Level INFO: at its default it logs a line a page. (As scrapling.py this file would hide the package.)
"""

import logging
import sys

from scrapling.spiders import Spider

URL, FILE = sys.argv[1:]


class Nursery(Spider):
    name = "nursery"
    start_urls = [URL]
    concurrent_requests = 32
    logging_level = logging.INFO

    async def parse(self, response):
        yield {
            "url": response.url.partition("#")[0],  # it fetches a page once, under the first link's fragment
            "title": str(response.css("h1::text").get()),
            "price": float(response.css(".price::text").get()),
            "tags": [str(tag) for tag in response.css(".tag::text").getall()],
        }
        for href in response.css("a::attr(href)").getall():
            yield response.follow(href)


Nursery().start(use_uvloop=True).items.to_jsonl(FILE)
