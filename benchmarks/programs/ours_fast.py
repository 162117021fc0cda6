"""Our spider on the fast parser: the same, but for `response.fast`. crawler run ours_fast.py -a url=URL -o FILE"""

from collections.abc import AsyncIterator

from crawler import Response, Spider


class Fast(Spider):
    name = "fast"
    url: str

    def __init__(self, **args: object) -> None:
        super().__init__(**args)
        self.start_urls = [self.url]

    async def parse(self, response: Response) -> AsyncIterator[object]:
        page = response.fast
        yield {
            "url": response.url,
            "title": page.css("h1::text").get(),
            "price": float(page.css(".price::text").get("nan")),
            "tags": page.css(".tag::text").getall(),
        }
        yield response.links()
