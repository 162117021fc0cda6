"""The pages that a site's sitemaps name, with what they say of them: no page is missed, none is searched for.

crawler run spiders/sitemap.py -a url=https://docs.example/robots.txt -a since=2026-01-01 -o pages.jsonl
"""

from dataclasses import dataclass
from datetime import date

from crawler import Request, Response, SitemapEntry, SitemapSpider, Yields


@dataclass
class Page:
    url: str
    title: str


class Sitemap(SitemapSpider):
    name = "sitemap"
    url: str
    since: date | None = None

    def __init__(self, **args: object) -> None:
        super().__init__(**args)
        self.sitemap_urls = [self.url]

    def entry(self, entry: SitemapEntry) -> Request | None:
        if self.since and entry.lastmod and entry.lastmod.date() < self.since:
            return None
        return Request(entry.loc)

    async def parse(self, response: Response) -> Yields[Page]:
        yield Page(response.url, response.css("title::text").get("").strip())
