"""Scrapy, tuned (scrapy_settings.py), over a tree of documentation: python scrapy_docs.py URL FILE"""

import sys

import scrapy
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import HtmlResponse
from scrapy_settings import SETTINGS

URL, FILE = sys.argv[1:]


class Docs(scrapy.Spider):
    name = "docs"
    allowed_domains = ["127.0.0.1"]

    async def start(self):
        yield scrapy.Request(URL)

    def parse(self, response):
        if not isinstance(response, HtmlResponse):
            return
        hrefs = response.css("a::attr(href)").getall()
        title = response.css("title::text").get()
        yield {"url": response.url, "title": title.strip(), "links": len(hrefs)}
        yield from response.follow_all(dict.fromkeys(href.partition("#")[0] for href in hrefs))


process = AsyncCrawlerProcess({**SETTINGS, "FEEDS": {FILE: {"format": "jsonlines", "encoding": "utf8"}}})
process.crawl(Docs)
process.start()
