"""The same crawl as a bare loop of aiohttp and uvloop: what any framework on them has to be measured by.

    python bare.py --parser none|parsel|lexbor [--requests] [--trim] [--concurrency N] URL FILE [PATHS]

In every variant: one `ClientSession`, so many workers on one `asyncio.Queue`, the body read whole, the status
checked, a list of lines in memory that is written as FILE at the end, memory kept from being trimmed
(mallopt, as the setting `malloc_keep` of ours does it; --trim: as glibc does it without being asked).

none    fetches what the file PATHS lists, and writes the URLs: what aiohttp costs. No parser, no links.
parsel  our way of parsing, without us: lxml's tree from the bytes, one parsel.Selector over it, the three queries
        of the spider, hrefs from the same tree.
lexbor  the calls to selectolax that `response.fast` causes: three queries, text nodes, hrefs of the same tree.

Both parsers go our way of links: raw duplicates out, `crawler.urls.Joiner` for what is left, http and https only.
Then the fragment is cut off and a `set` of str is the memory of what is known. --requests: a `Request` of ours
is made of every link of a page (thirty objects) before the set is asked, as a framework has to whose users
yield requests.

Not in it: charset detection, fingerprints, an order of hosts, robots.txt, retries, redirects by rule, limits,
counters, events, a durable store, exact output.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop
import yarl

from crawler.request import PLAIN, make
from crawler.urls import Joiner

Page = tuple[list[str], dict[str, Any]]
"""The distinct hrefs as written, and the item without its URL."""


def parsel_parser() -> Callable[[bytes], Page]:
    import parsel
    from lxml import etree, html

    parser = html.HTMLParser(encoding="utf-8", recover=True, huge_tree=True)
    hrefs: Any = etree.XPath("descendant-or-self::a/@href | descendant-or-self::area/@href", smart_strings=False)

    def parse(body: bytes) -> Page:
        root = etree.fromstring(body, parser)
        page = parsel.Selector(root=root, type="html")
        item = {
            "title": page.css("h1::text").get(),
            "price": float(page.css(".price::text").get("nan")),
            "tags": page.css(".tag::text").getall(),
        }
        return list(dict.fromkeys(hrefs(root))), item

    return parse


def lexbor_parser() -> Callable[[bytes], Page]:
    from selectolax.lexbor import LexborHTMLParser

    def strings(nodes: list[Any]) -> list[str]:
        found = []
        for node in nodes:
            child = node.first_child
            while child is not None:
                if child.is_text_node:
                    found.append(child.text_content)
                child = child.next
        return found

    def parse(body: bytes) -> Page:
        root: Any = LexborHTMLParser(body).root
        item = {
            "title": strings(root.css("h1"))[0],
            "price": float(strings(root.css(".price"))[0]),
            "tags": strings(root.css(".tag")),
        }
        return list(dict.fromkeys(node.attributes["href"] for node in root.css("a[href], area[href]"))), item

    return parse


def links(url: str, hrefs: list[str]) -> list[str]:
    """The absolute URLs, as `crawler.parse.links.resolve_all` finds them."""
    return Joiner(url).join_all(hrefs)


class Crawl:
    """The loop, its memory and its output."""

    def __init__(self, parse: Callable[[bytes], Page] | None, requests: bool) -> None:
        self.parse = parse
        self.requests = requests
        self.seen: set[str] = set()
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.lines: list[bytes] = []

    async def run(self, urls: list[str], concurrency: int) -> None:
        for url in urls:
            self.seen.add(url)
            self.queue.put_nowait(url)
        connector = aiohttp.TCPConnector(limit=concurrency)
        timeout = aiohttp.ClientTimeout(total=60)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=jar) as session:
            workers = [asyncio.create_task(self.work(session)) for _ in range(concurrency)]
            empty = asyncio.create_task(self.queue.join())
            ended, _ = await asyncio.wait({empty, *workers}, return_when=asyncio.FIRST_COMPLETED)
            for task in (empty, *workers):
                task.cancel()
            for task in ended:
                task.result()  # a worker ends only by an error: it is raised here

    async def work(self, session: aiohttp.ClientSession) -> None:
        encode = msgspec.json.Encoder().encode
        while True:
            url = await self.queue.get()
            async with session.get(yarl.URL(url, encoded=True)) as response:
                body = await response.read()
            if response.status != 200:
                raise SystemExit(f"{url}: status {response.status}")
            if self.parse is None:
                self.lines.append(encode({"url": url}))
            else:
                hrefs, item = self.parse(body)
                self.lines.append(encode({"url": url, **item}))
                self.follow(links(url, hrefs))
            self.queue.task_done()

    def follow(self, urls: list[str]) -> None:
        if self.requests:
            urls = [request._url for request in [make(url, "", {}, PLAIN, 0) for url in urls]]
        seen = self.seen
        for url in urls:
            if "#" in url:
                url = url.partition("#")[0]
            if url not in seen:
                seen.add(url)
                self.queue.put_nowait(url)


def keep_memory() -> None:
    """Freed memory stays with the process instead of going to the kernel and back page by page (glibc only)."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, mmap_threshold = -1, -3  # mallopt(3)
        libc.mallopt(mmap_threshold, 4 << 20)
        libc.mallopt(trim_threshold, 16 << 20)


PARSERS = {"none": lambda: None, "parsel": parsel_parser, "lexbor": lexbor_parser}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parser", choices=PARSERS, required=True)
    parser.add_argument("--requests", action="store_true", help="make a Request of every link")
    parser.add_argument("--trim", action="store_true", help="leave malloc as it is")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("url")
    parser.add_argument("file", type=Path)
    parser.add_argument("paths", type=Path, nargs="?", help="for --parser none: a path a line")
    options = parser.parse_args()
    if not options.trim:
        keep_memory()
    urls = [options.url]
    if options.parser == "none":
        if options.paths is None:
            sys.exit("--parser none follows no links: name a file of paths")
        urls = [options.url + path.lstrip("/") for path in options.paths.read_text().split()]
    crawl = Crawl(PARSERS[options.parser](), options.requests)
    uvloop.run(crawl.run(urls, options.concurrency))
    with options.file.open("wb") as file:
        file.writelines(line + b"\n" for line in crawl.lines)


if __name__ == "__main__":
    main()
