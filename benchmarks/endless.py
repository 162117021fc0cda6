"""A site without end on 127.0.0.1, for crawls that are watched for long: the process that asks it measures.

`/` links to the first page of so many lanes, each page to the next one of its lane and to a menu that every page
has. So what is known grows by one URL a page, and what is pending stays. A few pages fail and a few redirect.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

__all__ = ["SPIDER", "Endless", "endless"]

MENU = 29
FILLING = "".join(f"<p class='text'>Paragraph {n} of a page that is like all the others.</p>" for n in range(64))

SPIDER = """
from dataclasses import dataclass
from crawler import Spider

@dataclass
class Page:
    url: str
    title: str
    tags: list[str]

class Endless(Spider):
    name = "endless"
    url: str

    async def start(self):
        from crawler import Request
        yield Request(self.url)

    async def parse(self, response):
        title = response.css("h1::text").get("")
        yield Page(response.url, title, response.css(".tag::text").getall())
        yield response.links()
"""


class Endless(asyncio.Protocol):
    """One connection. The counts are the site's, over all connections: `known` is what a crawler knows by now."""

    lanes = 1000
    pages = 0
    known = 1

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._asked += data
        while b"\r\n\r\n" in self._asked:
            head, _, self._asked = self._asked.partition(b"\r\n\r\n")
            status, headers, body = self._answer(head.split(b" ", 2)[1].decode())
            self._transport.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()
                + body
            )

    def _answer(self, url: str) -> tuple[str, str, bytes]:
        path = urlsplit(url).path  # a proxy is asked for the whole URL
        kind, _, number = path.lstrip("/").partition("/")
        if path == "/robots.txt":
            return "404 Not Found", "", b""
        Endless.pages += 1
        if path == "/":
            Endless.known += self.lanes
            return "200 OK", "", page(0, [f"/page/{n}" for n in range(1, self.lanes + 1)])
        n = int(number) if number.isdigit() else 0
        if kind not in ("page", "moved", "gone"):
            return "200 OK", "", page(n, [])
        if kind == "gone":
            return "404 Not Found", "", b"gone"
        Endless.known += 1
        if kind == "page" and n % 300 == 7:
            return "302 Found", f"Location: /moved/{n}\r\n", b""
        links = [f"/page/{n + self.lanes}"]
        if n % 500 == 3:
            Endless.known += 1
            links.append(f"/gone/{n}")
        return "200 OK", "", page(n, links)


def page(n: int, links: list[str]) -> bytes:
    """About 8 KB."""
    menu = [f"/menu/{m}" for m in range(MENU)]
    anchors = "".join(f'<a href="{link}">{link}</a>' for link in [*menu, *links])
    tags = "".join(f'<span class="tag">tag {n % m}</span>' for m in (3, 5, 7))
    return (
        f"<html><head><title>{n}</title></head><body><h1>Page {n}</h1>{tags}{anchors}{FILLING}</body></html>".encode()
    )


@asynccontextmanager
async def endless(lanes: int) -> AsyncIterator[str]:
    """Serves such a site; gives its URL."""
    Endless.lanes, Endless.pages, Endless.known = lanes, 0, 1 + MENU
    server = await asyncio.get_running_loop().create_server(Endless, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
