"""Our spider as a user of Scrapy writes it: parsel's selectors. crawler run ours_parsel.py -a url=URL -o FILE"""

from collections.abc import AsyncIterator

from crawler import Response, Spider


class Parsel(Spider):
    name = "parsel"
    url: str

    def __init__(self, **args: object) -> None:
        super().__init__(**args)
        self.start_urls = [self.url]

    async def parse(self, response: Response) -> AsyncIterator[object]:
        yield {
            "url": response.url,
            "title": response.css("h1::text").get(),
            "price": float(response.css(".price::text").get("nan")),
            "tags": response.css(".tag::text").getall(),
        }
        yield response.links()
