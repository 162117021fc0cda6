"""Sites that never end, and long ones that do: a function from a page's path to the links on it."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from crawler.canonical import CanonicalRules
from crawler.contracts import Entry, Outcome
from crawler.counts import Counts
from crawler.frontier import MemoryFrontier
from crawler.frontier.fingerprint import Fingerprinter
from crawler.linking import Linker
from crawler.request import Request
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.urls import join

Links = Callable[[str], Iterable[str]]

HOST = "https://shop.example"


class Walk:
    """A crawl without a network: links are fingerprinted, judged, stored and followed, in the order of a crawl."""

    def __init__(self, links: Links, start: str = "/", most: int = 30_000, **settings: Any) -> None:
        made = Settings(**settings)
        self.counts, self.frontier = Counts(), MemoryFrontier()
        self.frontier_open = self.frontier.open()
        self.pages: list[str] = []
        self.skips: list[tuple[str, str, str]] = []
        self._links = links
        self._linker = Linker(
            Fingerprinter(bytes(16), CanonicalRules()), Scope(made, (), self.counts.tally), self.frontier, made
        )
        self._start, self._most = HOST + start, most

    async def run(self) -> Walk:
        await self.frontier_open
        waiting: list[tuple[tuple[int, int, int], Entry]] = []
        self._accept(Outcome(None, "none"), None, [self._start], waiting)
        while waiting and len(self.pages) < self._most:
            _, entry = heapq.heappop(waiting)
            url = entry.request.url
            self.pages.append(url)
            hrefs = self._links(url.removeprefix(HOST))
            self._accept(Outcome(entry, "done"), entry, [join(url, href) for href in hrefs], waiting)
        return self

    def _accept(self, outcome: Outcome, parent: Entry | None, urls: list[str], waiting: list[Any]) -> None:
        skips = self._linker.link(parent, enumerate(map(Request, urls)), outcome)
        self.skips += [(request.url, skip.reason, skip.detail) for request, skip in skips]
        for entry in self.frontier.accept(outcome):
            heapq.heappush(waiting, (entry.order, entry))
        self.counts.add(outcome.counters)

    @property
    def traps(self) -> dict[str, int]:
        return self.counts.by_prefix("trap/")

    @property
    def reasons(self) -> Counter[str]:
        return Counter(reason for _, reason, _ in self.skips)

    def __repr__(self) -> str:
        return f"<Walk {len(self.pages)} pages, {json.dumps(self.traps)}>"


# -- without an end


def _month(number: int) -> tuple[int, int]:
    return number // 12, number % 12 + 1


def calendar_by_query(path: str) -> list[str]:
    if "month=" not in path:
        return ["/cal?month=5&year=2031", "/about"]
    query = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
    now = int(query["year"]) * 12 + int(query["month"]) - 1
    near = [_month(now - 1), _month(now + 1), _month(now + 12)]
    return ["/about", *(f"/cal?month={month}&year={year}" for year, month in near)]


def calendar_by_path(path: str) -> list[str]:
    """With days that have a file of their own, and a way back to where one signs in."""
    parts = [part for part in path.split("/") if part]
    if len(parts) < 3:
        return ["/cal/2031/05/", "/about"]
    year, month = int(parts[1]), int(parts[2])
    near = [_month(year * 12 + month - 2), _month(year * 12 + month)]
    links = ["/about", *(f"/cal/{y}/{m:02}/" for y, m in near), f"/in?next=%2Fcal%2F{year}%2F{month:02}%2F"]
    days = [f"/cal/{year}/{month:02}/{day:02}/" for day in range(1, 29)]
    return [*links, *days, f"/cal/{year}/{month:02}/export.ics"]


def path_of_one(path: str) -> list[str]:
    return ["x/"]


def path_of_letters(path: str) -> list[str]:
    """Links of a menu without a slash in front, under a server that answers everything."""
    return ["a/", "b/", "c/", "../d/"]


def path_of_many(path: str) -> list[str]:
    return [f"{name}/" for name in ("about", "team", "jobs", "press", "shop", "blog", "help", "terms")]


def path_that_counts(path: str) -> list[str]:
    return [f"level-{path.count('/')}/"]


def own_url_in_a_parameter(path: str) -> list[str]:
    from urllib.parse import quote

    return [f"/in?next={quote(path, safe='')}", f"/in?next={quote(path, safe='')}&lang=de"]


def escaped_again(path: str) -> list[str]:
    return [path.replace("%", "%25") if "%" in path else "/q/50%25"]


def parameters_pile_up(path: str) -> list[str]:
    return [path + ("&" if "?" in path else "?") + f"ref={where}" for where in ("menu", "foot")]


def host_in_the_path(path: str) -> list[str]:
    return ["shop.example/", "www.shop.example/a"]


# -- long, and with an end


def pages_by_query(path: str) -> list[str]:
    number = int(path.partition("page=")[2] or 1)
    return [f"?page={number + 1}"] if number < 3_000 else []


def pages_by_path(path: str) -> list[str]:
    number = int(path.partition("/page/")[2].strip("/") or 1)
    return [f"/list/page/{number + 1}/", "/list/"] if number < 3_000 else ["/list/"]


def shop_of_ids(path: str) -> list[str]:
    """20,000 products under one path, each found from the one before."""
    number = int(path.rpartition("/")[2] or 0)
    return [f"/product/{n}" for n in (number + 1, number + 2) if n <= 20_000]


def shop_of_names(path: str) -> list[str]:
    number = int(path.partition("cat-")[2].partition("/")[0] or 0)
    if "/item-" in path:
        return [f"/cat-{number}/item-{int(path.rpartition('-')[2]) % 200 + 1}"]
    products = [f"/cat-{number}/item-{n}" for n in range(1, 201)] if number else []
    return products + ([f"/cat-{number + 1}/"] if number < 100 else [])


def facets(path: str) -> list[str]:
    """1,296 ways to filter a list."""
    names = {"brand": 8, "color": 6, "order": 3, "size": 9}
    query = dict(pair.split("=") for pair in path.partition("?")[2].split("&") if pair)
    links = []
    for name, values in names.items():
        for value in range(values - 1):
            other = sorted({**query, name: str(value)}.items())
            links.append("/list?" + "&".join(f"{key}={text}" for key, text in other))
    return links


def newspaper(path: str) -> list[str]:
    """The days of ten years, each with articles, each found from the one before."""
    from datetime import date, timedelta

    parts = [part for part in path.split("/") if part]
    if len(parts) > 3:
        return []
    day = date(*map(int, parts)) if parts else date(2010, 1, 1)
    after = day + timedelta(days=1)
    articles = [f"/{day:%Y/%m/%d}/what-{word}-said-{day.toordinal()}" for word in ("they", "nobody")]
    return [*articles, *([f"/{after:%Y/%m/%d}/"] if after.year < 2020 else [])]


def documentation(path: str) -> list[str]:
    """Directories with the same files in each of them, and one of their own."""
    depth = path.count("/")
    if not path.endswith("/"):
        return []
    below = [f"part-{depth}-{number}/" for number in range(3)] if depth < 6 else []
    return ["index.html", "summary.html", f"About-{path.strip('/').replace('/', '-')}.html", *below]
