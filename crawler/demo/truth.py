"""What a perfect crawl of the practice site would find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encoded

from crawler.demo.catalogue import Catalogue
from crawler.demo.charsets import SAMPLES
from crawler.demo.shop import GONE

if TYPE_CHECKING:
    from crawler.demo.quotes import Quotes

__all__ = ["TrueAuthor", "TrueBook", "TrueQuote", "Truth", "truth_of"]


@dataclass(frozen=True, slots=True)
class TrueBook:
    """A product as its page shows it. `price` in euros, `rating` of 1 to 5, `stock` in copies."""

    url: str
    title: str
    author: str
    category: str
    price: float
    rating: int
    stock: int


@dataclass(frozen=True, slots=True)
class TrueQuote:
    """A quote, without its quotation marks."""

    text: str
    author: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrueAuthor:
    """An author of the quotes site. `born` as it stands on the page."""

    url: str
    name: str
    born: str


@dataclass(frozen=True, slots=True)
class Truth:
    """All that there is to find.

    `books` by number, so `len(truth.books)` items are what a crawl of the bookstore gives. `missing`
    are linked and not there, `disallowed` begins what robots.txt forbids, `charsets` has the sample
    text of each page below /charsets/ by its URL.
    """

    books: tuple[TrueBook, ...]
    quotes: tuple[TrueQuote, ...]
    authors: tuple[TrueAuthor, ...]
    missing: tuple[str, ...]
    disallowed: tuple[str, ...]
    charsets: dict[str, str]


def truth_of(catalogue: Catalogue, quotes: Quotes, base: str) -> Truth:
    """The truth about a site; `base` is "http://host:port"."""
    return Truth(
        books=tuple(
            TrueBook(
                base + percent_encoded(book.path), book.title, book.author, book.category,
                book.price, book.rating, book.stock,
            )
            for book in catalogue.products
        ),
        quotes=tuple(TrueQuote(quote.text, quote.author.name, quote.tags) for quote in quotes.quotes),
        authors=tuple(
            TrueAuthor(f"{base}/quotes/author/{author.slug}/", author.name, author.born) for author in quotes.authors
        ),
        missing=tuple(f"{base}/books/item/{name}" for name in GONE),
        disallowed=(f"{base}/books/basket", f"{base}/admin/"),
        charsets={base + sample.path: sample.text for sample in SAMPLES},
    )  # fmt: skip
