"""The goods of the bookstore: data without a look. The same seed gives the same books for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from crawler.demo.words import CATEGORIES, person, sentence, slug_of, title

__all__ = ["PER_PAGE", "TRANSLATIONS", "Catalogue", "Product"]

PER_PAGE = 20
TRANSLATIONS = "Translations"
"""The category whose pages are written in their language's old encodings."""

_FLAKY, _SLOW = 7, 11
_DECLARED = {"ru": "windows-1251", "ja": "shift_jis", "zh": "gb2312"}


@dataclass(frozen=True, slots=True)
class Product:
    """One book. `price` in euros, `rating` of 1 to 5 stars, `stock` in copies.

    `encoding` is the one of its page, and `in_header` says where it is declared: in the header, or
    in a `<meta>` of the page only.
    """

    number: int
    title: str
    slug: str
    author: str
    category: str
    price: float
    rating: int
    stock: int
    about: str
    changed: str
    """The day of its last change, as 2025-03-31."""
    language: str = "en"
    encoding: str = "utf-8"
    in_header: bool = True

    @property
    def path(self) -> str:
        """Where its page is."""
        return f"/books/item/{self.slug}-{self.number}.html"

    @property
    def flaky(self) -> bool:
        """Whether its page stumbles when it is asked for the first time."""
        return self.number == _FLAKY

    @property
    def slow(self) -> bool:
        """Whether its page takes its time."""
        return self.number == _SLOW


class Catalogue:
    """All books of one shop, by number from 1 on."""

    def __init__(self, products: int, seed: int) -> None:
        self.products: Sequence[Product] = _made(products, seed)
        self.by_path = {product.path: product for product in self.products}

    @cached_property
    def categories(self) -> dict[str, Sequence[Product]]:
        """The books of each category that has some, in the order of the menu."""
        shelves: dict[str, list[Product]] = {name: [] for name in (*CATEGORIES, TRANSLATIONS)}
        for product in self.products:
            shelves[product.category].append(product)
        return {name: shelf for name, shelf in shelves.items() if shelf}

    @cached_property
    def by_price(self) -> Sequence[Product]:
        """The cheapest first."""
        return sorted(self.products, key=lambda product: (product.price, product.number))

    def numbered(self, number: int) -> Product | None:
        """The book of a number, None where there is none."""
        return self.products[number - 1] if 1 <= number <= len(self.products) else None


def _made(count: int, seed: int) -> list[Product]:
    dice = Random(seed)
    weights = [1 + 4 * dice.random() for _ in CATEGORIES]  # some shelves are long, some short
    titles: dict[str, int] = {}
    return [_product(dice, number, weights, titles) for number in range(1, count + 1)]


def _product(dice: Random, number: int, weights: list[float], titles: dict[str, int]) -> Product:
    translated = number % 25 == 0
    language = dice.choice(list(_DECLARED)) if translated else "en"
    name = title(dice, language)
    titles[name] = times = titles.get(name, 0) + 1
    if times > 1:
        name = f"{name} ({times})"
    return Product(
        number=number,
        title=name,
        slug=slug_of(name),
        author=person(dice),
        category=TRANSLATIONS if translated else dice.choices(CATEGORIES, weights)[0],
        price=dice.randint(399, 6499) / 100,
        rating=dice.randint(1, 5),
        stock=dice.choice((0, 1, 2, 3, 5, 8, 13, 21, 34)),
        about=" ".join(sentence(dice) for _ in range(dice.randint(2, 6))),
        changed=f"{dice.randint(2019, 2025)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}",
        language=language,
        encoding=_DECLARED.get(language, "utf-8"),
        in_header=dice.random() < 0.5 if translated else True,
    )
