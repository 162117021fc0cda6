"""Quotes, their authors and their tags: three kinds of items from one spider.

crawler run spiders/quotes.py                             the practice site, in this process
crawler run spiders/quotes.py -a url=http://…/quotes/     one that runs elsewhere (`crawler demo`)
"""

from dataclasses import dataclass
from functools import partial

from crawler import Response, Spider, Yields
from crawler.demo import DemoServer


@dataclass
class Quote:
    text: str
    author: str
    tags: list[str]


@dataclass
class Author:
    name: str
    born: str
    about: str
    url: str


@dataclass
class Tag:
    name: str
    quotes: int


class Quotes(Spider):
    name = "quotes"
    url: str = ""
    _site: DemoServer | None = None

    def __init__(self, **args: object) -> None:
        super().__init__(**args)
        self.start_urls = [self.url] if self.url else []

    async def opened(self) -> None:
        if not self.url:
            self._site = await DemoServer.kept(self.state)
            self.start_urls = [f"{self._site.url}/quotes/"]

    async def closed(self, reason: str) -> None:
        if self._site:
            self._site.stop()
            if reason == "complete":
                self._site.forget(self.state)

    async def parse(self, response: Response) -> Yields[Quote]:
        for quote in response.css(".quote"):
            author = quote.css(".author::text").one()
            yield Quote(
                text=quote.css(".text::text").one().strip("“”"),
                author=author,
                tags=quote.css(".tags a::text").getall(),
            )
            # Arguments travel with the request: they are stored with it, and outlive a restart.
            yield response.follow_all(quote.css("a.about"), partial(self.parse_author, name=author))
        for tag in response.css("main > .tags a"):
            yield response.follow(tag, partial(self.parse_tag, name=tag.css("::text").one()))
        yield response.follow_all("li.next a")

    async def parse_author(self, response: Response, name: str) -> Yields[Author]:
        yield Author(
            name=name,
            born=response.css(".born::text").one(),
            about=response.css("p.about::text").one(),
            url=response.url,
        )

    async def parse_tag(self, response: Response, name: str) -> Yields[Tag]:
        yield Tag(name=name, quotes=len(response.css(".quote")))
