"""A bookstore, all of it: categories, lists in pages, a page for each book.

crawler run spiders/bookstore.py                            the practice site, in this process
crawler run spiders/bookstore.py -a url=http://…/books/     one that runs elsewhere (`crawler demo`)
"""

from dataclasses import dataclass

from crawler import Response, Spider, Yields
from crawler.demo import DemoServer


@dataclass
class Book:
    title: str
    price: float
    category: str
    rating: int
    stock: int
    url: str


class Bookstore(Spider):
    name = "bookstore"
    url: str = ""
    _shop: DemoServer | None = None

    def __init__(self, **args: object) -> None:
        super().__init__(**args)
        self.start_urls = [self.url] if self.url else []

    async def opened(self) -> None:
        # A run that was interrupted has pages to fetch at the address that the shop had then: so its
        # port is kept in self.state, and is the same one when the run goes on.
        if not self.url:
            self._shop = await DemoServer.kept(self.state)
            self.start_urls = [f"{self._shop.url}/books/"]

    async def closed(self, reason: str) -> None:
        if self._shop:
            self._shop.stop()
            if reason == "complete":
                self._shop.forget(self.state)

    async def parse(self, response: Response) -> Yields[Book]:
        yield response.follow_all("ul.categories a")
        yield response.follow_all("ul.gone a, ul.moved a, article.book h3 a", self.parse_book)
        yield response.follow_all("li.next a")

    async def parse_book(self, response: Response) -> Yields[Book]:
        yield Book(
            title=response.css("h1::text").one(),
            price=float(response.css(".price::text").one(r"[\d.]+")),
            category=response.css(".breadcrumb li:nth-child(3) a::text").one(),
            rating=int(response.css(".rating::attr(title)").one(r"\d")),
            stock=int(response.css(".stock::text").re_first(r"\d+", default="0")),
            url=response.url,
        )
