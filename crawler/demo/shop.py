"""The bookstore: about a thousand products behind categories, lists in pages, and links of every sort.

What real shops have and a crawler must bear: links relative, absolute, doubled and with fragments;
books that are sold out for ever (404); numbers of old that redirect; one page that stumbles and one
that is slow; translations in the encodings of their languages; a basket that robots.txt forbids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from crawler.demo.catalogue import PER_PAGE, Catalogue, Product
from crawler.demo.layout import crumbs, document, linked_list, pager
from crawler.demo.pages import HTML, Page, redirect
from crawler.demo.words import slug_of

__all__ = ["GONE", "Shop"]

GONE = ("the-sold-out-almanac-0.html", "the-sold-out-atlas-0.html", "the-sold-out-diary-0.html")
"""Books that the front page still advertises and nobody has: each is a 404 below /books/item/."""

_STARS = ("", "One", "Two", "Three", "Four", "Five")
_CATEGORY = re.compile(r"/books/category/([a-z-]+)/(?:page-(\d{1,6})\.html)?", re.ASCII)
_BY_NUMBER = re.compile(r"/books/(old|b)/(\d{1,9})", re.ASCII)


class Shop:
    """The area /books/. `slow` are the seconds that the slow product's page takes."""

    path = "/books/"
    title = "Bookstore"
    about = (
        "A shop: categories, lists in pages, a page for each book. Some links are doubled, moved or dead, one page "
        "is slow, one stumbles at first, and <i>Translations</i> come in windows-1251, shift_jis and gb2312."
    )

    def __init__(self, catalogue: Catalogue, slow: float) -> None:
        self._catalogue = catalogue
        self._slow = slow
        self._slugs = {slug_of(name): name for name in catalogue.categories}

    def paths(self) -> Iterable[str]:
        """The front page and the categories; the books have sitemaps of their own."""
        yield "/books/"
        for slug in self._slugs:
            yield f"/books/category/{slug}/"

    def page(self, path: str, query: Mapping[str, str], base: str) -> Page | None:
        """The page at a path below /books/."""
        product = self._catalogue.by_path.get(path)
        if product is not None:
            return self._product(product, base)
        if path == "/books/":
            return self._front(base)
        if path == "/books/all":
            return self._all(query)
        if path == "/books/basket":
            return _basket(self._catalogue.numbered(_number(query.get("add", ""))))
        if match := _CATEGORY.fullmatch(path):
            return self._category(match[1], int(match[2] or 1))
        return self._moved(path, base)

    # -- moved

    def _moved(self, path: str, base: str) -> Page | None:
        """Numbers of old: /b/7 leads to /old/7, and that to the book; /today to the book of the day."""
        if path == "/books/today" and self._catalogue.products:
            return redirect(self._catalogue.products[0].path.removeprefix("/books/"), 302)  # relative
        match = _BY_NUMBER.fullmatch(path)
        product = self._catalogue.numbered(int(match[2])) if match else None
        if match is None or product is None:
            return None
        return redirect(f"../old/{product.number}", 302) if match[1] == "b" else redirect(base + product.path, 301)

    # -- lists

    def _front(self, base: str) -> Page:
        books = self._catalogue.products
        categories = [(f"category/{slug}/", name) for slug, name in self._slugs.items()]
        moved = [("today", "Book of the day")]
        moved += [(f"/books/old/{n}", f"No. {n} in our catalogue of 1998") for n in (2, 3, 5) if n <= len(books)]
        moved += [(f"{base}/books/b/{n}", f"The book behind short number {n}") for n in (4, 7) if n <= len(books)]
        gone = [(f"item/{name}", name[:-7].replace("-", " ").capitalize()) for name in GONE]
        return _html(
            "Bookstore",
            f"<h1>Bookstore</h1>\n<p>{len(books):,} books, <a href='/books/all'>all in one list</a>, or by "
            f"category:</p>\n{linked_list(categories, 'categories')}\n<h2>Bestsellers</h2>\n"
            f"{_shelf(books[:PER_PAGE], 'item/')}\n<h2>Last copies</h2>\n{linked_list(gone, 'gone')}\n"
            f"<h2>From the old catalogue</h2>\n{linked_list(moved, 'moved')}",
        )

    def _category(self, slug: str, number: int) -> Page | None:
        name = self._slugs.get(slug)
        if name is None:
            return None
        shelf, pages = _cut(self._catalogue.categories[name], number)
        if not shelf:
            return None
        previous = "./" if number == 2 else f"page-{number - 1}.html"
        return _html(
            f"{name}, page {number}",
            f"{crumbs(('/', 'Home'), ('../../', 'Bookstore'), here=name)}\n<h1>{escape(name)}</h1>\n"
            f"{_shelf(shelf, '../../item/')}\n{pager(number, pages, (previous, f'page-{number + 1}.html'))}",
        )

    def _all(self, query: Mapping[str, str]) -> Page | None:
        number, by_price = _number(query.get("page", "1")), query.get("sort") == "price"
        shelf, pages = _cut(self._catalogue.by_price if by_price else self._catalogue.products, number)
        if not shelf:
            return None
        # The two links write the query in another order, as shops do; it is the same page.
        previous, following = (
            (f"?sort=price&page={number - 1}", f"?page={number + 1}&sort=price")
            if by_price
            else (f"?page={number - 1}", f"?page={number + 1}")
        )
        order = '<a href="/books/all">newest first</a>' if by_price else '<a href="?sort=price&amp;page=1">by price</a>'
        return _html(
            f"All books, page {number}",
            f"{crumbs(('/', 'Home'), ('/books/', 'Bookstore'), here='All books')}\n<h1>All books</h1>\n"
            f"<p>Or {order}.</p>\n{_shelf(shelf, '/books/item/')}\n{pager(number, pages, (previous, following))}",
        )

    # -- one book

    def _product(self, book: Product, base: str) -> Page:
        category = f"../category/{slug_of(book.category)}/"
        steps = (("/", "Home"), ("/books/", "Bookstore"), (category, book.category))
        stock = f"In stock ({book.stock} available)" if book.stock else "Out of stock"
        charset = "" if book.in_header else f'<meta charset="{book.encoding}">'
        main = (
            f"{crumbs(*steps, here=book.title)}\n"
            f'<article class="book" id="book">\n<h1>{escape(book.title)}</h1>\n'
            f'<p class="author">by {escape(book.author)}</p>\n<p class="price">€{book.price:.2f}</p>\n'
            f'<p class="stock{"" if book.stock else " none"}">{stock}</p>\n{_rating(book)}\n'
            f'<p class="about" id="about">{escape(book.about)}</p>\n'
            f'<p><a href="#about">About this book</a> <a href="{base}{book.path}">Permanent link</a> '
            f'<a rel="nofollow" href="/books/basket?add={book.number}">Add to basket</a></p>\n</article>\n'
            f"<h2>Readers also looked at</h2>\n{self._related(book, base)}"
        )
        text = document(book.title, main, lang=book.language, head=charset)
        return Page(
            text.encode(book.encoding, "xmlcharrefreplace"),  # what old encodings lack (€, ø) is written &#8364;
            type=f"text/html; charset={book.encoding}" if book.in_header else "text/html",
            delay=self._slow if book.slow else 0.0,
            flaky=book.flaky,
        )

    def _related(self, book: Product, base: str) -> str:
        """Three books, each linked in another way, and the first of them twice."""
        books, count = self._catalogue.products, len(self._catalogue.products)
        one, two, three = (books[(book.number * step) % count] for step in (1, 3, 7))
        return linked_list(
            [
                (one.path.removeprefix("/books/item/"), one.title),
                (f"{one.path}#about", f"More about {one.title}"),
                (two.path, two.title),
                (base + three.path, three.title),
            ],
            "related",
        )


def _html(title: str, main: str) -> Page:
    return Page(document(title, main).encode(), type=HTML)


def _cut(books: Sequence[Product], number: int) -> tuple[Sequence[Product], int]:
    """The books of one page of a list, and how many pages it has."""
    return books[(number - 1) * PER_PAGE : number * PER_PAGE] if number > 0 else (), -(-len(books) // PER_PAGE)


def _number(text: str) -> int:
    """A number from a query, 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _shelf(books: Sequence[Product], prefix: str) -> str:
    """Books in a list: title and cover lead to the same page, with and without a fragment."""
    return '<section class="shelf">\n' + "\n".join(_card(book, prefix) for book in books) + "\n</section>"


def _card(book: Product, prefix: str) -> str:
    href = prefix + book.path.removeprefix("/books/item/")
    return (
        f'<article class="book"><h3><a href="{href}">{escape(book.title)}</a></h3>'
        f'<p class="price">€{book.price:.2f}</p>{_rating(book)}<a href="{href}#about">about it</a></article>'
    )


def _rating(book: Product) -> str:
    stars = "★" * book.rating + "☆" * (5 - book.rating)
    return f'<p class="rating {_STARS[book.rating]}" title="{book.rating} of 5">{stars}</p>'


def _basket(book: Product | None) -> Page:
    """What robots.txt forbids; here for those who do not ask it."""
    what = f"<p>{escape(book.title)} is in it now.</p>" if book else "<p>It is empty.</p>"
    return _html("Basket", f'<h1>Basket</h1>\n{what}\n<p><a href="/books/">Back to the books</a></p>')
