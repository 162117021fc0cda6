"""Ours over a tree of documentation: crawler run ours_docs.py -a url=URL -a parser=parsel|fast -o FILE"""

from collections.abc import AsyncIterator

from crawler import Response, Spider


class Docs(Spider):
    name = "docs"
    url: str
    parser: str
    allowed_domains = ["127.0.0.1"]

    def __init__(self, **args: object) -> None:
        super().__init__(**args)
        self.start_urls = [self.url]

    async def parse(self, response: Response) -> AsyncIterator[object]:
        if "html" not in response.headers.get("Content-Type", ""):
            return
        page = response.fast if self.parser == "fast" else response
        title = page.css("title::text").get("")
        yield {"url": response.url, "title": title.strip(), "links": len(page.css("a::attr(href)"))}
        yield response.links()
