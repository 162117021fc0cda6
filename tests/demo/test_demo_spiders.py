"""The example spiders, crawling the practice site: what they find is its truth."""

from __future__ import annotations

import importlib.util
import json
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urldefrag, urljoin

import commands
import pytest

from crawler import Run, SpiderError, run
from crawler.demo import DemoServer, DemoSite
from crawler.demo import server as server_module
from crawler.events import Event, Started

_CHECKOUT = Path(__file__).parents[2]


def _example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", _CHECKOUT / "spiders" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _items(result: Run, path: Path | None = None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path or result.path / "items.jsonl").read_text().splitlines()]


def _true_books(site: DemoSite | DemoServer) -> list[dict[str, Any]]:
    return [
        {name: getattr(book, name) for name in ("title", "price", "category", "rating", "stock", "url")}
        for book in site.truth().books
    ]


def _by_url(books: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(books, key=lambda book: str(book["url"]))


@pytest.fixture
def default_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A free port in place of the usual one, which something on this machine may have."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    monkeypatch.setattr(server_module, "DEFAULT_PORT", port)
    return port


class SmallShop(DemoServer):
    """A shop of 200 books where a thousand prove nothing more."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"products": 200, **options})


async def test_bookstore_finds_every_book_once(fast: dict[str, Any]) -> None:
    async with DemoSite(products=120, slow=0) as site:
        result = await run(_example("bookstore").Bookstore, args={"url": f"{site.url}/books/"}, settings=fast)
        assert _by_url(_items(result)) == _by_url(_true_books(site))
        assert result.exit_code == 0
        assert {path for path in site.hits if "basket" in path} == set()
        asked_twice = {path for path, times in site.hits.items() if times > 1}
        assert asked_twice == {site.truth().books[6].url.removeprefix(site.url)}  # the flaky one
    counters = result.stats.counters
    assert counters["retries"] == 1
    assert counters["status/404"] == counters["requests_failed"] == 3
    assert counters["status/301"] and counters["status/302"]
    assert "callbacks_failed" not in counters


async def test_bookstore_under_latency_and_stumbling(fast: dict[str, Any]) -> None:
    async with DemoSite(products=60, slow=0, latency=0.01, flaky=0.5) as site:
        result = await run(_example("bookstore").Bookstore, args={"url": f"{site.url}/books/"}, settings=fast)
        assert _by_url(_items(result)) == _by_url(_true_books(site))
    assert result.stats.counters["retries"] > 20


async def test_bookstore_brings_its_own_shop(fast: dict[str, Any], default_port: int) -> None:
    result = await run(_example("bookstore").Bookstore, settings=fast)
    site = DemoServer(port=default_port)
    assert _by_url(_items(result)) == _by_url(_true_books(site))
    assert result.reason == "complete"
    with socket.create_server(("127.0.0.1", default_port)):  # the shop is closed again
        pass


async def test_bookstore_goes_on_where_its_shop_was(
    fast: dict[str, Any], default_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at a limit, then without: the pages that were left are found at the same address."""
    module = _example("bookstore")
    monkeypatch.setattr(module, "DemoServer", SmallShop)
    bookstore = module.Bookstore
    with socket.create_server(("127.0.0.1", default_port)):  # so the first part gets a port of its own
        first = await run(bookstore, settings={**fast, "max_pages": 30})
    assert first.stats.counters["pages"] == 30
    events: list[Event] = []
    second = await run(bookstore, settings=fast, listeners=[events.append])
    assert [event.resumed for event in events if isinstance(event, Started)] == [True]
    books = _items(second)
    port = int(books[0]["url"].split(":")[2].split("/")[0])
    assert port != default_port
    assert _by_url(books) == _by_url(_true_books(SmallShop(port=port)))
    third = await run(bookstore, settings={**fast, "max_items": 1})  # a new run is free to take the usual port
    assert {book["url"].split("/")[2] for book in _items(third)} == {f"127.0.0.1:{default_port}"}


async def test_bookstore_says_when_its_shop_cannot_be_where_it_was(fast: dict[str, Any], default_port: int) -> None:
    bookstore = _example("bookstore").Bookstore
    await run(bookstore, settings={**fast, "max_pages": 30})
    with socket.create_server(("127.0.0.1", default_port)) as other:
        result = await run(bookstore, settings=fast)
        other.setblocking(False)
        with pytest.raises(BlockingIOError):  # the other program was not asked for pages of ours
            other.accept()
    assert result.exit_code == 1
    assert f"practice site on port {default_port}" in result.reason
    assert "resume=never" in result.reason


def test_bookstore_with_its_own_shop_survives_kills(tmp_path: Path) -> None:
    """The process dies with site and crawl in it, again and again; every book is there exactly once."""
    out = tmp_path / "books.jsonl"
    settings = ("-s", "commit_seconds=0.02", "-s", "retry_wait=0.05", "-s", "concurrency=4")
    words = ("run", str(_CHECKOUT / "spiders" / "bookstore.py"), "-q", "-o", str(out), *settings)
    kills = 0
    for log_size in (10_000, 50_000, 90_000):  # bytes of about 170,000
        program = commands.start(tmp_path, *words)
        deadline = time.monotonic() + 30
        while program.poll() is None and time.monotonic() < deadline:
            if any(log.stat().st_size > log_size for log in (tmp_path / "runs").glob("bookstore/*/items.log")):
                break
            time.sleep(0.005)
        kills += program.poll() is None
        program.kill()
        program.wait()
    done = commands.run(tmp_path, *words)
    assert kills == 3
    assert done.returncode == 0, done.stderr
    (stats,) = (tmp_path / "runs").glob("bookstore/*/stats.json")
    assert "error/ConnectFailed" not in json.loads(stats.read_text())["counters"]
    books = [json.loads(line) for line in out.read_text().splitlines()]
    port = int(books[0]["url"].split(":")[2].split("/")[0])
    assert _by_url(books) == _by_url(_true_books(DemoServer(port=port)))


async def test_quotes_authors_and_tags(fast: dict[str, Any]) -> None:
    async with DemoSite(products=1) as site:
        result = await run(_example("quotes").Quotes, args={"url": f"{site.url}/quotes/"}, settings=fast)
        truth = site.truth()
    items = _items(result)
    quotes = {(item["text"], item["author"], tuple(item["tags"])) for item in items if "text" in item}
    assert quotes == {(quote.text, quote.author, quote.tags) for quote in truth.quotes}
    authors = {(item["url"], item["name"], item["born"]) for item in items if "born" in item}
    assert authors == {(author.url, author.name, author.born) for author in truth.authors}
    tags = {item["name"]: item["quotes"] for item in items if "quotes" in item}
    assert tags == dict(Counter(tag for quote in truth.quotes for tag in quote.tags))
    assert len(items) == len(truth.quotes) + len(truth.authors) + len(tags)
    assert result.exit_code == 0


async def test_quotes_brings_its_own_site(fast: dict[str, Any], default_port: int) -> None:
    result = await run(_example("quotes").Quotes, settings=fast)
    assert sum("text" in item for item in _items(result)) == 100
    assert result.reason == "complete"


async def test_site_visits_each_page_once_and_stays_at_home(fast: dict[str, Any]) -> None:
    async with DemoSite(products=40, slow=0) as site:
        settings = {**fast, "retries": 1, "max_failed_share": 1.0}
        result = await run(_example("site").Site, args={"url": f"{site.url}/"}, settings=settings)
        pages = {item["url"]: item for item in _items(result)}
        assert len(pages) == len(_items(result))
        truth = site.truth()
        assert {book.url for book in truth.books} | set(truth.charsets) <= pages.keys()
        assert {urljoin(site.url, path) for area in site.areas for path in area.paths()} <= pages.keys()
        assert not pages.keys() & set(truth.missing)
        assert not any(path.startswith(("/admin/?", "/books/basket")) or path == "/admin/" for path in site.hits)
    assert {item["status"] for item in pages.values()} == {200}
    assert "callbacks_failed" not in result.stats.counters
    assert pages[f"{site.url}/books/"]["title"] == "Bookstore"
    assert pages[f"{site.url}/links/"]["links"]
    assert all(urldefrag(link)[0] for link in pages[f"{site.url}/links/"]["links"])


async def test_site_reads_links_as_browsers_do(fast: dict[str, Any]) -> None:
    async with DemoSite(products=0) as site:
        result = await run(_example("site").Site, args={"url": f"{site.url}/links/"}, settings=fast)
    items = {
        item["url"].removeprefix(f"{site.url}/links/"): item for item in _items(result) if "/links/" in item["url"]
    }
    assert set(items) == {
        "", "relative.html", "dotted.html", "rooted.html", "absolute.html", "schemeless.html", "padded.html",
        "einen-sch%C3%B6nen-tag.html", "with%20space.html", "entity.html", "upper.html", "query.html?a=1&b=2",
        "base.html", "below/based.html", "map.html", "picture.png", "drawing.svg", "data.json", "plain.txt",
        "archive.bin", "empty.html",
    }  # fmt: skip
    files = ("picture.png", "drawing.svg", "data.json", "plain.txt", "archive.bin", "empty.html")
    assert [(items[name]["title"], items[name]["links"]) for name in files] == [("", [])] * len(files)


async def test_site_does_not_leave_its_host(fast: dict[str, Any]) -> None:
    async with DemoSite(products=0, host="127.0.0.2") as elsewhere, DemoSite(products=0) as site:
        target = f"http://127.0.0.1:{site.port}"
        module = _example("site")
        spider = module.Site(url=f"{target}/links/")
        assert spider.allowed_domains == ["127.0.0.1"]
        result = await run(module.Site, args={"url": f"{elsewhere.url}/"}, settings={**fast, "max_pages": 5})
        assert {item["url"].split(":")[1] for item in _items(result)} == {"//127.0.0.2"}


@pytest.mark.parametrize("name", ["Bookstore", "Quotes", "Site"])
async def test_an_url_without_scheme_is_refused_before_the_run(name: str, fast: dict[str, Any]) -> None:
    spider = getattr(_example(name.lower()), name)
    with pytest.raises(SpiderError, match=r"https://books\.example/"):
        await run(spider, args={"url": "books.example/"}, settings=fast)
    assert not Path(fast["runs_dir"]).exists()
