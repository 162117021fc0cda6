"""Small spiders, one for each trap; and one with a little of everything, for the fail points."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from crawler import FetchError, Request, Response, Retry, Spider, Yields

Item = dict[str, Any]


class Small(Spider):
    """What they share: the site's address, and an item for each page."""

    name = "small"
    url: str

    def __init__(self, **args: object) -> None:
        super().__init__(**args)
        self.start_urls = [f"{self.url}/"]

    def item(self, response: Response, **more: Any) -> Item:
        return {"path": response.url.removeprefix(self.url), **more}

    async def parse(self, response: Response) -> Yields[Item]:
        yield self.item(response)
        yield response.follow_all("a")


class Everything(Small):
    """Items, links, a redirect, state, a wait and a failed page; it notes each time that it is opened."""

    def opened(self) -> None:
        with Path("opened.txt").open("a") as file:
            file.write("opened\n")

    async def parse(self, response: Response) -> Yields[Item]:
        self.state.add("pages")
        self.state.put("paths", response.url.removeprefix(self.url))
        for part in ("first", "second"):
            yield self.item(response, part=part)
        if "/wait" in response.url:
            await asyncio.sleep(0.01)
        yield response.follow_all("a")


class Depth(Small):
    """`/deep` is one too deep where it is met first, and allowed where it is met later."""

    settings = {"max_depth": 2}

    async def parse(self, response: Response) -> Yields[Item]:
        yield self.item(response, depth=response.request.depth)
        for link in response.css("a::attr(href)").getall():
            yield response.follow(link, priority=-10 if link == "/short" else 10)


class TwoCallbacks(Small):
    """One page, asked for with two callbacks and with two arguments: the first one has it."""

    async def parse(self, response: Response) -> Yields[Item]:
        yield response.follow("/one", self.first)
        yield response.follow("/one", self.second)
        yield response.follow("/two", partial(self.third, n=1))
        yield response.follow("/two", partial(self.third, n=2))

    async def first(self, response: Response) -> Yields[Item]:
        yield self.item(response, by="first")
        yield response.follow("/two", self.second)

    async def second(self, response: Response) -> Yields[Item]:
        yield self.item(response, by="second")

    async def third(self, response: Response, n: int) -> Yields[Item]:
        yield self.item(response, by=f"third {n}")
        yield response.follow("/one", self.second)


class Repeated(Small):
    """Pages that are asked for again on purpose."""

    async def parse(self, response: Response) -> Yields[Item]:
        yield self.item(response)
        for n in range(3):
            yield response.follow("/same", partial(self.again, n=n, of=response.url), unique=False)
        yield response.follow_all("a")

    async def again(self, response: Response, n: int, of: str) -> Yields[Item]:
        yield self.item(response, n=n, of=of.removeprefix(self.url))


class Counting(Small):
    """Each page writes to the state and gives what it read there: its own number among all."""

    async def parse(self, response: Response) -> Yields[Item]:
        self.state.add("pages")
        self.state.max("longest", len(response.body))
        self.state.min("shortest", len(response.body))
        self.state.put("paths", response.url.removeprefix(self.url))
        self.state["last"] = response.url.removeprefix(self.url)
        await asyncio.sleep(0.002)
        yield self.item(response, number=self.state["pages"])
        yield response.follow_all("a")


class Seeds(Small):
    """`start` reads a file that changes between the processes, and in the first one never comes to its end."""

    seeds: str

    async def start(self) -> AsyncIterator[Request]:
        for line in Path(self.seeds).read_text().split():
            if line == "wait":
                await asyncio.sleep(60)
            yield Request(f"{self.url}{line}")

    async def parse(self, response: Response) -> Yields[Item]:
        yield self.item(response)


class Deadly(Small):
    """One page kills the process that reads it."""

    async def parse(self, response: Response) -> Yields[Item]:
        if "/deadly" in response.url:
            os.kill(os.getpid(), signal.SIGKILL)
        yield self.item(response)
        yield response.follow_all("a")

    async def failed(self, request: Request, error: FetchError) -> Yields[Item]:
        self.state.put("failed", f"{request.url.removeprefix(self.url)} {error}")
        return
        yield


class Stubborn(Small):
    """Pages whose tries are used up, at the site's door and in the callback."""

    settings = {"retries": 2}

    async def parse(self, response: Response) -> Yields[Item]:
        if "/again" in response.url:
            raise Retry(after=0.01, reason="not yet")
        yield self.item(response, tries=response.request.tries)
        yield response.follow_all("a")


class Form(Small):
    """A login by form, and pages that only those see who have the cookie."""

    async def parse(self, response: Response) -> Yields[Item]:
        yield response.follow("/login", self.members, form={"name": "ada", "word": "engine"}, method="POST")

    async def members(self, response: Response) -> Yields[Item]:
        yield self.item(response, greeting=response.css("h1::text").get())
        yield response.follow_all("a", self.members)
