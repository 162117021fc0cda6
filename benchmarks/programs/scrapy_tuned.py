"""Scrapy, tuned (scrapy_settings.py): python scrapy_tuned.py URL FILE

Hrefs that a page repeats are taken once, by the spider: Scrapy would make a Request of each and throw it away.
"""

import sys

import scrapy
from scrapy.crawler import AsyncCrawlerProcess
from scrapy_settings import SETTINGS

URL, FILE = sys.argv[1:]


class Nursery(scrapy.Spider):
    name = "nursery"

    async def start(self):
        yield scrapy.Request(URL)  # of start_urls it would make one that is not deduped, and fetch "/" twice

    def parse(self, response):
        yield {
            "url": response.url,
            "title": response.css("h1::text").get(),
            "price": float(response.css(".price::text").get()),
            "tags": response.css(".tag::text").getall(),
        }
        hrefs = dict.fromkeys(href.partition("#")[0] for href in response.css("a::attr(href)").getall())
        yield from response.follow_all(hrefs)


process = AsyncCrawlerProcess({**SETTINGS, "FEEDS": {FILE: {"format": "jsonlines", "encoding": "utf8"}}})
process.crawl(Nursery)
process.start()
