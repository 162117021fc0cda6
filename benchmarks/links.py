"""What a page's links cost: `python benchmarks/links.py`. A page of 8 KB with 30 links, in µs.

One process, no network: compare lines of one run only, and look at the ratio, not at the number. The second
table is the whole way, from the hrefs in hand to `Outcome.found`: see `way`.
"""

from __future__ import annotations

import asyncio
import gc
import random
import tempfile
import time
import timeit
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from multidict import CIMultiDict, CIMultiDictProxy

from crawler import Request, Response
from crawler.binding import bind
from crawler.callbacks import Results
from crawler.canonical import CanonicalRules, canonical
from crawler.contracts import Entry, Outcome
from crawler.engine import Engine
from crawler.frontier import SQLiteFrontier
from crawler.frontier.fingerprint import Fingerprinter
from crawler.linking import Linker
from crawler.page import Page
from crawler.parse.charset import decode
from crawler.parse.following import Target
from crawler.parse.links import resolve_all
from crawler.parse.selectors import Selector, select
from crawler.parse.tree import parse_tree
from crawler.request import PLAIN, make
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.slots import Slots
from crawler.stages import Stages
from crawler.urls import Joiner, absolute, scheduling_host

URL = "https://books.example/catalogue/page-2.html"
LINKS, PAGES, KNOWN, ROUNDS = 30, 200, 5_000, 15
FORMS: dict[str, Callable[[int], str]] = {
    "book-1_37/index.html": lambda n: f"book-{n}_{n * 37}/index.html",
    "../catalogue/book-1_37/": lambda n: f"../catalogue/book-{n}_{n * 37}/",
    "/catalogue/book-1_37/": lambda n: f"/catalogue/book-{n}_{n * 37}/",
    "/list?page=1&sort=price": lambda n: f"/list?page={n}&sort=price",
    "https://books.example/1/": lambda n: f"https://books.example/catalogue/book-{n}_{n * 37}/",
    "https://shop1.example/1/": lambda n: f"https://shop{n % 50}.example/catalogue/book-{n}_{n * 37}/",
}


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

    print(f"{len(body)} bytes, {len(hrefs)} links, best of 7")
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
    measure("Joiner()", lambda: Joiner(URL))
    measure("join_all, 30 hrefs", lambda: joiner.join_all(hrefs))
    measure("30 x join", lambda: [joiner.join(href) for href in hrefs])
    measure("30 x resolve (its plain twin)", lambda: [joiner.resolve(href) for href in hrefs])
    measure("30 x canonical", lambda: [canonical(url, rules) for url in urls])
    measure("canonical, with a query", lambda: canonical(query, rules), 50_000)
    measure("scheduling_host", lambda: scheduling_host(URL), 50_000)
    measure("absolute", lambda: absolute(URL), 50_000)
    asyncio.run(ways())


# -- the whole way


async def ways() -> None:
    """The table: for each form of href, pages with 29 links to known pages and one to a new one, and pages with 30
    new ones. `met`: the known pages were linked to lately; `known`: none was, as on a site of millions of pages
    whose links are drawn at random. `sum` is of `met`; each page's best of 15 rounds counts."""
    print(f"\n{LINKS} links from hrefs to found, {KNOWN} pages known, best of {ROUNDS}, µs a page")
    heads = ("join", "requests", "hand over", "met", "sum", "known", "sum", "30 new", "sum")
    print(f"{'':<26}" + "".join(f"{head:>10}" for head in heads))
    with tempfile.TemporaryDirectory() as directory:
        for name, form in FORMS.items():
            frontier = SQLiteFrontier(Path(directory) / f"{scheduling_host(URL)}-{len(name)}", durable=False)
            await frontier.open()
            *stages, met = way(frontier, form, new=1, anew=False)
            known = way(frontier, form, new=1, anew=True)[-1]
            new = way(frontier, form, new=LINKS, anew=False)[-1]
            await frontier.close()
            row = [*stages, *(cost for link in (met, known, new) for cost in (link, sum(stages) + link))]
            print(f"{name:<26}" + "".join(f"{cost:10.1f}" for cost in row))


def way(frontier: SQLiteFrontier, form: Callable[[int], str], *, new: int, anew: bool) -> list[float]:
    """µs a page of each stage; `anew`: nothing was met before the page."""
    parent = make(URL, "", {}, PLAIN, 3)
    entry = Entry(0, bytes(16), scheduling_host(URL), parent)
    settings = Settings()

    def linker() -> Linker:
        return Linker(Fingerprinter(bytes(16), CanonicalRules()), Scope(settings, ()), frontier, settings)

    known = [make(url, *bind(None), PLAIN, 4) for url in Joiner(URL).join_all([form(n) for n in range(KNOWN)])]
    outcome = Outcome(None, "none")
    linker().link(entry, enumerate(known), outcome)
    frontier.accept(outcome)
    drawn = random.Random(1)
    pages = [
        [form(drawn.randrange(KNOWN)) for _ in range(LINKS - new)] + [form(KNOWN + LINKS * n + i) for i in range(new)]
        for n in range(PAGES)
    ]
    link = linker()
    best = [[1.0] * 4 for _ in pages]
    for _ in range(ROUNDS):
        gc.collect()
        for hrefs, times in zip(pages, best, strict=True):
            link = linker() if anew else link
            times[:] = map(min, times, one(entry, hrefs, link, new))
    return [sum(stage) / PAGES * 1e6 for stage in zip(*best, strict=True)]


def one(entry: Entry, hrefs: list[str], linker: Linker, new: int) -> list[float]:
    """Seconds of each stage of one page: join, make requests, hand them over, link."""
    hrefs = list(dict.fromkeys(href.encode().decode() for href in hrefs))  # strings whose hash is not known yet
    work = Page(cast(Engine, SimpleNamespace(stages=Stages())), entry)
    results = Results(cast(Any, None), Slots(), entry.key)
    outcome = Outcome(None, "none")
    clock = time.perf_counter
    times = [clock()]
    urls = resolve_all(hrefs, Joiner(URL))
    times.append(clock())
    requests = Target(entry.request, None, {}).requests(urls)
    times.append(clock())
    handing = results._members(requests, work.take, work.take_all)
    try:
        handing.send(None)
    except StopIteration:
        times.append(clock())
    linker.link(entry, work.take_requests(), outcome)
    times.append(clock())
    if len(outcome.found) != new:
        raise SystemExit(f"{len(outcome.found)} pages found, {new} expected")
    return [after - before for before, after in pairwise(times)]


if __name__ == "__main__":
    main()
