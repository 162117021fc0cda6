"""The practice site as a client sees it, against its own truth."""

from __future__ import annotations

import asyncio
import gzip
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urldefrag, urljoin
from xml.etree import ElementTree

import aiohttp
import pytest
from lxml import html
from protego import Protego

from crawler.demo import DemoSite, SiteOptions
from crawler.demo.app import takes_gzip
from crawler.demo.charsets import SAMPLES, Sample
from crawler.demo.content import Content
from crawler.demo.house import PER_SITEMAP
from crawler.parse.charset import decode


@pytest.fixture
async def shop() -> AsyncIterator[DemoSite]:
    async with DemoSite(products=60, slow=0.0) as site:
        yield site


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Does not ask for gzip, does not decompress."""
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session:
        yield session


def _tree(page: str | bytes) -> Any:
    return html.fromstring(page)


_DIGEST = """
import hashlib, sys
from crawler.demo.content import Content
from crawler.demo.truth import Truth
content, digest = Content(60, 7, 0.5), hashlib.sha256()
paths = [path for area in content.areas for path in area.paths()]
paths += [book.url[8:] for book in content.truth("http://h").books]
for path in [*paths, "/", "/robots.txt", "/sitemap.xml", "/sitemap-books-1.xml.gz", "/truth.json"]:
    page = content.page(path, {}, "http://h")
    digest.update(repr((path, page)).encode())
print(digest.hexdigest(), len(paths))
"""


def _digest() -> str:
    return subprocess.run([sys.executable, "-c", _DIGEST], capture_output=True, text=True, check=True).stdout


def test_every_process_makes_the_same_bytes() -> None:
    first = _digest()
    assert first == _digest()
    assert int(first.split()[1]) > 100


def test_another_seed_is_another_shop() -> None:
    one, other = (Content(20, seed, 0).truth("").books for seed in (1, 2))
    assert [book.title for book in one] != [book.title for book in other]


def test_a_larger_shop_begins_like_a_smaller_one() -> None:
    small, large = (Content(count, 7, 0).truth("").books for count in (50, 200))
    assert large[:50] == small


def test_a_thousand_products_with_categories_and_no_two_alike() -> None:
    books = Content(1000, 7, 0).truth("http://h").books
    assert len(books) == len({book.url for book in books}) == len({book.title for book in books}) == 1000
    assert len({book.category for book in books}) == 20
    assert {book.rating for book in books} == {1, 2, 3, 4, 5}
    assert any(not title.isascii() for title in (book.title for book in books))
    assert any(book.stock == 0 for book in books)


async def _crawl(session: aiohttp.ClientSession, start: str, follow: str) -> dict[str, int]:
    """Status of every page that links lead to, as a browser would resolve them; `follow` is a regex."""
    found: dict[str, int] = {}
    queue = [start]
    while queue:
        url = queue.pop()
        if url in found:
            continue
        async with session.get(url, allow_redirects=False) as answer:
            found[url] = answer.status
            body = await answer.read()
            if "Location" in answer.headers:
                queue.append(urljoin(url, answer.headers["Location"]))
            if answer.status != 200:
                continue
        hrefs: list[str] = _tree(body).xpath("//a/@href")
        queue += [link for link in (urldefrag(urljoin(url, href))[0] for href in hrefs) if re.match(follow, link)]
    return found


async def test_links_lead_to_every_product_and_to_nothing_that_is_lost(
    shop: DemoSite, client: aiohttp.ClientSession
) -> None:
    found = await _crawl(client, f"{shop.url}/books/", re.escape(shop.url) + "/books/(?!basket)")
    truth = shop.truth()
    assert {url for url, status in found.items() if status == 404} == set(truth.missing)
    assert {url for url, status in found.items() if status == 503} == {truth.books[6].url}  # the flaky one, asked once
    products = {url for url in found if "/item/" in url} - set(truth.missing)
    assert products == {book.url for book in truth.books}
    assert {status for status in found.values() if status not in (200, 404, 503)} == {301, 302}


async def test_category_lists_alone_lead_to_every_product(client: aiohttp.ClientSession) -> None:
    async with DemoSite(products=400) as site:
        books = f"{site.url}/books/"
        lists = await _crawl(client, books, re.escape(books) + "category/")
        assert set(lists.values()) == {200}
        assert any(url.endswith("page-2.html") for url in lists)
        linked: list[str] = []
        for url in lists.keys() - {books}:
            async with client.get(url) as answer:
                hrefs = _tree(await answer.read()).xpath("//article//h3/a/@href")
                linked += [urljoin(url, href) for href in hrefs]
        assert sorted(linked) == sorted(book.url for book in site.truth().books)  # each on one list


async def test_product_pages_tell_the_truth(shop: DemoSite, client: aiohttp.ClientSession) -> None:
    for book in shop.truth().books:
        async with client.get(book.url) as answer:
            if answer.status == 503:
                continue
            text, _ = decode(await answer.read(), answer.headers["Content-Type"])
        page = _tree(text)
        assert page.xpath("string(//h1)") == book.title
        assert page.xpath("string(//p[@class='author'])") == f"by {book.author}"
        assert page.xpath("string(//p[@class='price'])") == f"€{book.price:.2f}"
        assert page.xpath("string(//*[@class='breadcrumb']/li[3])") == book.category
        assert page.xpath("//p[starts-with(@class, 'rating')]/@title") == [f"{book.rating} of 5"]
        stock = f"In stock ({book.stock} available)" if book.stock else "Out of stock"
        assert page.xpath("string(//p[starts-with(@class, 'stock')])") == stock


def test_translations_come_in_old_encodings_declared_here_or_there() -> None:
    content = Content(1000, 7, 0)
    kinds = set()
    for book in content.truth("").books:
        if book.category == "Translations":
            page = content.page(book.url, {}, "")
            text, encoding = decode(page.body, page.type)
            assert _tree(text).xpath("string(//h1)") == book.title
            kinds.add((encoding, "charset" in page.type))
    assert kinds == {(name, there) for name in ("windows-1251", "shift_jis", "gbk") for there in (True, False)}


async def test_lists_by_query(shop: DemoSite, client: aiohttp.ClientSession) -> None:
    async def prices(query: str) -> list[float]:
        async with client.get(f"{shop.url}/books/all{query}") as answer:
            assert answer.status == 200
            page = _tree(await answer.text())
            return [float(text[1:]) for text in page.xpath("//article//p[@class='price']/text()")]

    every = await prices("?sort=price&page=1") + await prices("?page=2&sort=price") + await prices("?sort=price&page=3")
    assert every == sorted(book.price for book in shop.truth().books)
    assert await prices("") == await prices("?page=1") == [book.price for book in shop.truth().books[:20]]
    for bad in ("?page=4", "?page=0", "?page=x", "?page=²", f"?page={'9' * 50}"):
        async with client.get(f"{shop.url}/books/all{bad}") as answer:
            assert answer.status == 404, bad


@pytest.mark.parametrize("products", [0, 1, 3])
async def test_tiny_shops(products: int, client: aiohttp.ClientSession) -> None:
    async with DemoSite(products=products, slow=0) as site:
        found = await _crawl(client, f"{site.url}/books/", re.escape(site.url) + "/books/(?!basket)")
        assert len([url for url, status in found.items() if "/item/" in url and status == 200]) == products
        assert set(found.values()) <= {200, 301, 302, 404}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_charsets(shop: DemoSite, client: aiohttp.ClientSession, sample: Sample) -> None:
    url, text = list(shop.truth().charsets.items())[SAMPLES.index(sample)]
    async with client.get(url) as answer:
        body = await answer.read()
        assert answer.status == 200
    read, _ = decode(body, answer.headers["Content-Type"])
    assert _tree(read).xpath("string(//p[@id='sample'])") == text


@pytest.mark.parametrize(
    ("name", "status", "location"),
    [
        ("301", 301, "/redirects/arrival.html"),
        ("302", 302, "/redirects/arrival.html"),
        ("303", 303, "/redirects/arrival.html"),
        ("307", 307, "/redirects/arrival.html"),
        ("308", 308, "/redirects/arrival.html"),
        ("relative", 302, "./arrival.html"),
        ("absolute", 302, "{base}/redirects/arrival.html"),
        ("fragment", 302, "/redirects/arrival.html#here"),
        ("chain/2", 302, "/redirects/chain/1"),
        ("chain/1", 302, "/redirects/arrival.html"),
        ("loop", 302, "/redirects/pool"),
        ("pool", 302, "/redirects/loop"),
        ("self", 302, "/redirects/self"),
        ("nowhere", 302, None),
        ("lost", 302, "/redirects/not-here.html"),
        ("not-here.html", 404, None),
        ("304", 404, None),
    ],
)
async def test_redirects(
    shop: DemoSite, client: aiohttp.ClientSession, name: str, status: int, location: str | None
) -> None:
    async with client.get(f"{shop.url}/redirects/{name}", allow_redirects=False) as answer:
        assert answer.status == status
        assert answer.headers.get("Location") == (location.format(base=shop.url) if location else None)


async def test_moved_books_arrive_by_every_way(shop: DemoSite, client: aiohttp.ClientSession) -> None:
    book = shop.truth().books[3]
    for path, hops in (("old/4", [301]), ("b/4", [302, 301])):
        async with client.get(f"{shop.url}/books/{path}") as answer:
            assert str(answer.url) == book.url
            assert [hop.status for hop in answer.history] == hops
    async with client.get(f"{shop.url}/books/today") as answer:
        assert str(answer.url) == shop.truth().books[0].url
    async with client.get(f"{shop.url}/books/old/61") as answer:
        assert answer.status == 404


async def test_gzip_only_when_it_is_accepted(shop: DemoSite, client: aiohttp.ClientSession) -> None:
    url = f"{shop.url}/books/"
    async with client.get(url) as answer:
        plain = await answer.read()
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Vary"] == "Accept-Encoding"
    async with client.get(url, headers={"Accept-Encoding": "br, gzip;q=0.5"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        zipped = await answer.read()
    assert gzip.decompress(zipped) == plain
    assert len(zipped) < len(plain) / 3
    async with client.head(url) as answer:
        assert int(answer.headers["Content-Length"]) == len(plain)


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip", True), ("GZip", True), ("x-gzip", True), ("deflate, gzip", True), ("gzip, deflate", True),
        ("gzip;q=1.0", True), ("gzip; q=0.001", True), ("br;q=1,gzip ; q=0.5", True),
        ("", False), ("br", False), ("identity", False), ("gzip;q=0", False), ("gzip;q=0.000", False),
        ("notgzip", False), ("gzipped", False), ("*", False),
    ],
)  # fmt: skip
def test_accept_encoding(accepted: str, taken: bool) -> None:
    assert takes_gzip(accepted) is taken


async def test_flaky_pages_stumble_once_in_each_server(client: aiohttp.ClientSession) -> None:
    for _ in range(2):
        async with DemoSite(products=10, slow=0) as site:
            for url in (f"{site.url}/trouble/flaky.html", site.truth().books[6].url):
                statuses = []
                for _ in range(3):
                    async with client.get(url) as answer:
                        statuses.append(answer.status)
                assert statuses == [503, 200, 200]


async def test_the_share_of_flaky_pages_is_chosen_by_the_seed(client: aiohttp.ClientSession) -> None:
    async def stumbling(**options: float) -> list[int]:
        async with DemoSite(products=150, slow=0, flaky=options["flaky"], seed=int(options["seed"])) as site:
            paths = [book.url.removeprefix(site.url) for book in Content(150, 7, 0).truth(site.url).books]
            found = []
            for number, path in enumerate(paths):
                async with client.get(site.url + path) as answer:
                    if answer.status == 503:
                        found.append(number)
            async with client.get(f"{site.url}/robots.txt") as answer:
                assert answer.status == 200
            return found

    some = await stumbling(flaky=0.3, seed=7)
    assert some == await stumbling(flaky=0.3, seed=7)
    assert some != await stumbling(flaky=0.3, seed=8)
    assert 20 < len(some) < 80
    assert len(await stumbling(flaky=1.0, seed=7)) == 150


async def test_a_slow_page_holds_up_nobody_else(client: aiohttp.ClientSession) -> None:
    async with DemoSite(products=20, slow=3600) as site:
        slow = [f"{site.url}/trouble/slow.html", site.truth().books[10].url]
        waiting = [asyncio.ensure_future(client.get(url)) for url in slow]
        async with client.get(f"{site.url}/books/") as answer:
            assert answer.status == 200
        while sum(site.hits.values()) < 3:
            await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


async def test_latency_is_for_every_page(client: aiohttp.ClientSession) -> None:
    async with DemoSite(products=1, latency=3600) as site:
        waiting = [asyncio.ensure_future(client.get(site.url + path)) for path in ("/", "/robots.txt", "/books/")]
        while sum(site.hits.values()) < 3:
            await asyncio.sleep(0.01)
        done, _ = await asyncio.wait(waiting, timeout=0.05)
        assert not done
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


async def test_robots_txt(shop: DemoSite, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{shop.url}/robots.txt") as answer:
        rules = Protego.parse(await answer.text())
    allowed = [
        shop.truth().books[0].url,
        f"{shop.url}/",
        f"{shop.url}/admin/hours.html",
        f"{shop.url}/books/all?page=2",
    ]
    forbidden = [*shop.truth().disallowed, f"{shop.url}/books/basket?add=1", f"{shop.url}/?session=1"]
    assert [url for url in allowed if not rules.can_fetch(url, "crawler")] == []
    assert [url for url in forbidden if rules.can_fetch(url, "crawler")] == []
    assert not rules.can_fetch(f"{shop.url}/", "greedybot")
    assert list(rules.sitemaps) == [f"{shop.url}/sitemap.xml"]
    assert rules.crawl_delay("crawler") is None
    for url in shop.truth().disallowed:
        async with client.get(url) as answer:
            assert answer.status == 200  # it is there, for those who do not ask


async def test_sitemaps_name_every_book_and_only_what_is_there(shop: DemoSite, client: aiohttp.ClientSession) -> None:
    async def places(url: str) -> list[str]:
        async with client.get(url) as answer:
            zipped = url.endswith(".gz")
            assert answer.content_type == ("application/gzip" if zipped else "application/xml")
            assert "Content-Encoding" not in answer.headers or not zipped, "the file is zipped, not the way to it"
            body = await answer.read()
            root = ElementTree.fromstring(gzip.decompress(body) if zipped else body)
        return [loc.text or "" for loc in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]

    index = await places(f"{shop.url}/sitemap.xml")
    pages, books = await places(index[0]), await places(index[1])
    assert len(index) == 2
    assert books == [book.url for book in shop.truth().books]
    for url in pages:
        async with client.get(url) as answer:
            assert answer.status == 200, url
    async with client.get(f"{shop.url}/sitemap-books-2.xml.gz") as answer:
        assert answer.status == 404


def test_a_sitemap_holds_what_the_protocol_allows() -> None:
    content = Content(PER_SITEMAP + 1, 7, 0)
    parts = [content.page(f"/sitemap-books-{n}.xml.gz", {}, "http://h").body for n in (1, 2)]
    counts = [gzip.decompress(part).count(b"<url>") for part in parts]
    assert counts == [PER_SITEMAP, 1]
    assert content.page("/sitemap.xml", {}, "http://h").body.count(b"<sitemap>") == 3


async def test_absolute_links_follow_the_name_that_the_client_uses(
    shop: DemoSite, client: aiohttp.ClientSession
) -> None:
    async with client.get(f"{shop.url}/robots.txt", headers={"Host": "shop.example:81"}) as answer:
        assert "Sitemap: http://shop.example:81/sitemap.xml" in await answer.text()
    async with client.get(f"{shop.url}/robots.txt") as answer:
        assert f"Sitemap: {shop.url}/sitemap.xml" in await answer.text()
    async with client.get(f"{shop.url}/links/", headers={"Host": 'x"><script>'}) as answer:
        assert answer.status == 400


async def test_the_front_page_lists_every_area(shop: DemoSite, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{shop.url}/") as answer:
        hrefs = _tree(await answer.read()).xpath("//a/@href")
    assert {area.path for area in shop.areas} <= set(hrefs)
    assert shop.hits["/"] == 1


async def test_truth_over_http(shop: DemoSite, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{shop.url}/truth.json") as answer:
        told = await answer.json()
    assert [book["url"] for book in told["books"]] == [book.url for book in shop.truth().books]
    assert len(told["quotes"]) == 100


def _paths_of_quotes() -> Iterator[str]:
    yield from (f"/quotes/page/{number}/" for number in range(1, 11))


async def test_quotes_tell_the_truth(shop: DemoSite, client: aiohttp.ClientSession) -> None:
    found = []
    authors: dict[str, str] = {}
    for path in _paths_of_quotes():
        async with client.get(shop.url + path) as answer:
            page = _tree(await answer.text())
        for quote in page.xpath("//div[@class='quote']"):
            text = quote.xpath("string(p[@class='text'])").strip("“”")
            author = quote.xpath("string(.//span[@class='author'])")
            found.append((text, author, tuple(quote.xpath(".//ul/li/a/text()"))))
            authors[shop.url + quote.xpath(".//a[@class='about']/@href")[0]] = author
    truth = shop.truth()
    assert found == [(quote.text, quote.author, quote.tags) for quote in truth.quotes]
    assert len({text for text, _, _ in found}) == 100
    assert authors == {author.url: author.name for author in truth.authors}
    for author in truth.authors:
        async with client.get(author.url) as answer:
            assert _tree(await answer.text()).xpath("string(//span[@class='born'])") == author.born
    for missing in ("/quotes/page/11/", "/quotes/page/0/", "/quotes/tag/nothing/", "/quotes/author/nobody/"):
        async with client.get(shop.url + missing) as answer:
            assert answer.status == 404


async def test_files_are_what_they_say(shop: DemoSite, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{shop.url}/links/picture.png") as answer:
        assert answer.content_type == "image/png"
        body = await answer.read()
    assert body.startswith(b"\x89PNG\r\n\x1a\n")
    async with client.get(f"{shop.url}/links/empty.html") as answer:
        assert await answer.read() == b""


@pytest.mark.parametrize(
    "wrong", [{"products": -1}, {"latency": -1.0}, {"flaky": 1.1}, {"flaky": -0.1}, {"slow": -1.0}]
)
def test_impossible_options(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="cannot be like this"):
        SiteOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot be like this"):
        DemoSite(**wrong)  # type: ignore[arg-type]
