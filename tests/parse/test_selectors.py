"""Selectors: `one()` and its error, and trees of pages that were not made to be read."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path

import parsel
import pytest

from crawler.errors import Missing
from crawler.parse.selectors import Selector, SelectorList, select
from crawler.parse.tree import is_xml, parse_tree

URL = "https://h.example/p"
SHOP = b"""<html><body><h1> The <b>shop</b> </h1>
<article id=1><h3>One</h3><p class=price>EUR 10.50</p></article>
<article id=2><p class=price>none</p></article>
</body></html>"""


def of(body: bytes, kind: str = "html") -> Selector:
    return Selector(root=parse_tree(body, "xml" if kind == "xml" else "html", URL), type=kind, url=URL)


@pytest.mark.parametrize(
    ("query", "regex", "expected"),
    [
        ("h1::text", "", "The"),
        ("h1", "", "The shop"),
        (".price", r"[\d.]+", "10.50"),
        (".price", r"(\w+) ([\d.]+)", "EUR"),
        (".price::text", "none", "none"),
        (".price", r"(x)?EUR", ""),
        ("article::attr(id)", "", "1"),
    ],
)
def test_one(query: str, regex: str, expected: str) -> None:
    assert of(SHOP).css(query).one(regex) == expected


def test_one_on_xpath_numbers_and_nested_selections() -> None:
    page = of(SHOP)
    assert page.xpath("count(//article)").one() == "2.0"
    assert page.css("article")[0].css("h3::text").one() == "One"
    assert page.css("article").css(".price::text")[1:].one() == "none"
    assert page.css("article").xpath("./@id").getall() == ["1", "2"]


def test_missing_names_query_page_and_line() -> None:
    line = inspect.currentframe().f_lineno + 2  # type: ignore[union-attr]
    with pytest.raises(Missing) as caught:
        of(SHOP).css("h2::text").one()
    assert (caught.value.query, caught.value.url) == ("h2::text", URL)
    assert str(caught.value) == f"nothing matches 'h2::text' on {URL} (asked at {__file__}:{line})"


def test_missing_remembers_the_way_through_nested_selections() -> None:
    page = of(SHOP)
    ways = [
        lambda: page.css("article")[1].css("h3::text").one(),
        lambda: page.css("article")[1:].css("h3::text").one(),
        lambda: page.css("article")[1].css("h3").css("b").xpath("./i").one(),
    ]
    queries = []
    for way in ways:
        with pytest.raises(Missing, match=URL) as caught:
            way()
        queries.append(caught.value.query)
    assert queries == ["article → h3::text", "article → h3::text", "article → h3 → b → ./i"]


def test_missing_shows_what_the_regex_was_not_in() -> None:
    with pytest.raises(Missing, match=r"'\[0-9\]\+%' is not in what '.price' matches on .*'EUR 10.50'"):
        of(SHOP).css(".price").one("[0-9]+%")


def test_lists_are_parsels() -> None:
    found = of(SHOP).css("article")
    assert isinstance(found, SelectorList)
    assert isinstance(found, parsel.SelectorList)
    assert isinstance(found[0], parsel.Selector)
    assert found.css("h3::text").get() == "One"
    assert found.css("h3::text").get("") == "One"
    assert found.re(r"id=\"(\d)") == ["1", "2"]
    assert found[0].attrib["id"] == "1"


@pytest.mark.parametrize("query", ["a[", "a::foo", "..", "a:hover(", ""])
def test_a_wrong_css_query_is_a_value_error_that_quotes_it(query: str) -> None:
    with pytest.raises(ValueError, match="is no CSS selector") as caught:
        of(SHOP).css(query)
    assert repr(query) in str(caught.value)
    with pytest.raises(ValueError, match="is no CSS selector"):
        select(parse_tree(SHOP, "html"), query)


def test_a_wrong_xpath_is_a_value_error_that_quotes_it() -> None:
    with pytest.raises(ValueError, match=r"//a\["):
        of(SHOP).xpath("//a[")


@pytest.mark.parametrize("query", ["article", "h3::text", ".price::attr(class)", "b, h3"])
def test_select_finds_what_selectors_find(query: str) -> None:
    page = of(SHOP)
    assert select(page.root, query) == [selector.root for selector in page.css(query)]


# -- trees


@pytest.mark.parametrize("body", [b"", b" \n", b"<!-- x -->", b"\0\0", b"<", b"<?xml", b"\xff\xfe\0", b"</p>"])
@pytest.mark.parametrize("kind", ["html", "xml"])
def test_nothing_gives_an_empty_tree(body: bytes, kind: str) -> None:
    assert of(body, kind).css("a").getall() == []


def test_nul_bytes_do_not_end_a_page() -> None:
    assert of(b"<p>a\0b</p><a\0 href=x>").css("p::text").one() == "ab"


@pytest.mark.parametrize("depth", [300, 3_000, 100_000])
def test_deep_pages_keep_their_bottom(depth: int) -> None:
    page = of(b"<html><body>" + b"<div>" * depth + b"<a href=/x>deep</a>" + b"</div>" * depth + b"<p>after</p>")
    assert page.css("a::attr(href)").one() == "/x"
    assert page.css("a::text").one() == "deep"
    assert page.css("p").one() == "after"
    assert len(page.css("div")) == depth


def test_deep_pages_are_cut_as_late_as_in_browsers_and_keep_order_and_text() -> None:
    inner = b"".join(b"<i id=%d>%d" % (i, i) for i in range(3_000))
    page = of(b"<body>" + inner)
    assert page.xpath("//i/@id").getall() == [str(i) for i in range(3_000)]
    assert page.css("body").one() == "".join(map(str, range(3_000)))
    assert page.css("i#\\35 00").xpath("count(ancestor::*)").one() == "502.0"


def test_a_node_of_ten_megabytes_does_not_end_a_page() -> None:
    assert of(b"<p x='" + b"y" * 10_500_000 + b"'>a</p><a href=/after>").css("a::attr(href)").one() == "/after"


def test_xml_is_read_as_xml() -> None:
    feed = of(b"<?xml version='1.0'?><rss><Item><link>x</link></Item></rss>", "xml")
    assert feed.xpath("//Item/link/text()").one() == "x"
    assert feed.css("Item > link::text").one() == "x"


def test_xml_entities_are_neither_read_from_files_nor_expanded(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    entities = f'<!ENTITY f SYSTEM "{secret.as_uri()}"><!ENTITY b "{"b" * 1000}">'
    page = of(f"<!DOCTYPE a [{entities}]><a>&f;{'&b;' * 9}</a>".encode(), "xml")
    assert "secret" not in page.get()
    assert "bbb" not in page.css("a").one()


def test_xml_that_grows_without_end_is_cut() -> None:
    lines = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 100}">{lines}]><a b="&e11;">&e11;</a>'.encode()
    assert len(of(bomb, "xml").get()) < 1_000_000


@pytest.mark.parametrize(
    ("content_type", "body", "xml"),
    [
        ("text/xml; charset=utf-8", b"<a/>", True),
        ("application/rss+xml", b"<a/>", True),
        ("application/xhtml+xml", b"<?xml version='1.0'?><html/>", False),
        ("text/html", b"<?xml version='1.0'?><!DOCTYPE html>", False),
        ("text/html", b"<?xml version='1.0'?><rss/>", True),
        ("", b"\xef\xbb\xbf <?xml version='1.0'?><urlset/>", True),
        ("text/html", b"<p>", False),
    ],
)
def test_what_is_xml(content_type: str, body: bytes, xml: bool) -> None:
    assert is_xml(content_type, body) is xml


def test_threads_parse_side_by_side() -> None:
    found: list[str] = []

    def work(number: int) -> None:
        page = b"<p>%d</p>" % number + b"<i>" * 100
        found.extend(of(page).css("p::text").one() for _ in range(20))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(str(number) for number in range(4) for _ in range(20))
