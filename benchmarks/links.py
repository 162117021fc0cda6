"""What a page's links cost: `python benchmarks/links.py`. A page of 8 KB with 30 links, µs, best of 7.

One process, no network: compare lines of one run only, and look at the ratio, not at the number.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

from multidict import CIMultiDict, CIMultiDictProxy

from crawler import Request, Response
from crawler.parse.charset import decode
from crawler.parse.selectors import Selector, select
from crawler.parse.tree import parse_tree
from crawler.urls import CanonicalRules, Joiner, absolute, canonical, scheduling_host

URL = "https://books.example/catalogue/page-2.html"


def page() -> bytes:
    cards = "".join(
        f'<article class="product"><h3><a href="{"../" * (i % 3 == 0)}book-{i}_{i * 37}/index.html" title="Book {i}">'
        f'Book {i}</a></h3><p class="price">£{i}.99</p><p class="note">{"lorem ipsum dolor " * 7}</p></article>'
        for i in range(30)
    )
    return f"<!DOCTYPE html><html><head><title>Books</title></head><body><h1>All</h1>{cards}</body></html>".encode()


def measure(name: str, work: Callable[[], object], number: int = 2_000) -> None:
    best = min(timeit.repeat(work, number=number, repeat=7)) / number * 1e6
    print(f"{name:<44} {best:8.2f} µs")


def main() -> None:
    body = page()
    headers = CIMultiDictProxy(CIMultiDict({"Content-Type": "text/html; charset=utf-8"}))
    request = Request(URL)
    root = parse_tree(body, "html", URL)
    ready = Response(URL, 200, headers, body, request)
    hrefs = [link.get("href", "") for link in root.iter("a")]
    joiner = Joiner(URL)
    rules = CanonicalRules()
    urls = [joiner.join(href) for href in hrefs]
    query = "https://books.example/list?page=2&sort=price"
    ready.css("h1")  # the tree is made

    def fresh() -> Response:
        return Response(URL, 200, headers, body, request)

    print(f"{len(body)} bytes, {len(hrefs)} links")
    measure("Response()", fresh, 50_000)
    measure("decode", lambda: decode(body, "text/html; charset=utf-8"))
    measure("parse_tree", lambda: parse_tree(body, "html", URL))
    measure("links(), tree ready", ready.links)
    measure('follow_all("article h3 a"), tree ready', lambda: ready.follow_all("article h3 a"))
    measure('css("article h3 a") and follow_all(it)', lambda: ready.follow_all(ready.css("article h3 a")), 500)
    measure("Response(), parse and links()", lambda: fresh().links())
    measure('css("h1::text").one(), tree ready', lambda: ready.css("h1::text").one())
    measure("  of which: select", lambda: select(root, "article h3 a"))
    measure("  beside: 30 parsel selectors", lambda: Selector(root=root, type="html").css("article h3 a"), 500)
    measure("30 x join", lambda: [joiner.join(href) for href in hrefs])
    measure("30 x resolve (its plain twin)", lambda: [joiner.resolve(href) for href in hrefs])
    measure("30 x canonical", lambda: [canonical(url, rules) for url in urls])
    measure("canonical, with a query", lambda: canonical(query, rules), 50_000)
    measure("scheduling_host", lambda: scheduling_host(URL), 50_000)
    measure("absolute", lambda: absolute(URL), 50_000)


if __name__ == "__main__":
    main()
