"""Scrapy, tuned (scrapy_settings.py), over many hosts: python scrapy_hosts.py URL FILE"""

import sys

import scrapy
from scrapy.crawler import AsyncCrawlerProcess
from scrapy_settings import SETTINGS

URL, FILE = sys.argv[1:]


class Hosts(scrapy.Spider):
    name = "hosts"

    async def start(self):
        yield scrapy.Request(URL)

    def parse(self, response):
        yield {"url": response.url}
        yield from response.follow_all(css="a")


process = AsyncCrawlerProcess({**SETTINGS, "FEEDS": {FILE: {"format": "jsonlines", "encoding": "utf8"}}})
process.crawl(Hosts)
process.start()
