"""The spider of the random kills: the practice bookstore with all that could go wrong in a callback's life.

Some callbacks wait, some ask for a page in the middle, all of them count in `self.state`; and the
items go also to a sink that is not one of ours.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crawler import Response, Spider, Yields


@dataclass
class Book:
    path: str
    title: str
    price: float
    category: str


class Titles:
    """A user's own sink: a line for each book. Its position is the file's length."""

    def __init__(self, target: str) -> None:
        self.target = target

    async def open(self, target: str, position: bytes | None) -> None:
        self.fd = os.open(target, os.O_RDWR | os.O_CREAT)
        os.ftruncate(self.fd, int(position or 0))
        os.lseek(self.fd, 0, os.SEEK_END)

    async def write(self, items: Sequence[Any]) -> None:
        os.write(self.fd, "".join(f"{item['path']}\t{item['title']}\n" for item in items).encode())

    async def flush(self) -> bytes:
        os.fsync(self.fd)
        return str(os.lseek(self.fd, 0, os.SEEK_CUR)).encode()

    async def close(self, complete: bool) -> None:
        os.close(self.fd)


class Shop(Spider):
    name = "shop"
    url: str
    out: str

    def __init__(self, **args: object) -> None:
        super().__init__(**args)
        self.start_urls = [f"{self.url}/books/"]
        self.outputs = [Titles(str(Path(self.out) / "titles.txt"))]

    async def parse(self, response: Response) -> Yields[Book]:
        yield response.follow_all("ul.categories a")
        yield response.follow_all("ul.gone a, ul.moved a, article.book h3 a", self.parse_book)
        yield response.follow_all("li.next a")

    async def parse_book(self, response: Response) -> Yields[Book]:
        path = urlsplit(response.url).path
        book = Book(
            path=path,
            title=response.css("h1::text").one(),
            price=float(response.css(".price::text").one(r"[\d.]+")),
            category=response.css(".breadcrumb li:nth-child(3) a::text").one(),
        )
        number = int(path.removesuffix(".html").rpartition("-")[2])
        self.state.add("books")
        self.state.max("dearest", book.price)
        self.state.put("categories", book.category)
        self.count("looked at")
        if number % 3 == 0:
            yield book  # an item before the wait: it is not out before the page is done
            await asyncio.sleep(0.08)
        elif number % 3 == 1:
            yield book
            answer = await self.fetch(f"{self.url}/books/?of={number}")
            self.state.add("bytes", len(answer.body))
        else:
            yield book
