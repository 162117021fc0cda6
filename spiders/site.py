"""A whole site, whatever it is: every page that its links lead to, on the host of the start URL.

crawler run spiders/site.py -a url=https://docs.example/ -o pages.jsonl
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from crawler import Response, Spider, Yields


@dataclass
class Page:
    url: str
    status: int
    title: str
    links: list[str]


class Site(Spider):
    name = "site"
    url: str

    def __init__(self, **args: object) -> None:
        super().__init__(**args)
        self.start_urls = [self.url]
        self.allowed_domains = [urlsplit(self.url).hostname or ""]

    async def parse(self, response: Response) -> Yields[Page]:
        if "html" not in response.headers.get("Content-Type", "text/html"):
            yield Page(response.url, response.status, title="", links=[])  # a picture has no links
            return
        links = response.links()
        title = response.css("title::text").get("").strip()
        yield Page(response.url, response.status, title, [link.url for link in links])
        yield links
