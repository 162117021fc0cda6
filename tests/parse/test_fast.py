"""`response.fast` beside parsel: the same answers on the same page, and links from its tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import Missing
from crawler.parse.fast import parse_fast
from crawler.parse.selectors import Selector
from crawler.parse.tree import parse_tree
from crawler.request import Request
from crawler.response import Response

PAGE = """<!doctype html><html><head><base href="/deep/"><title>T</title></head><body>
<h1 class="x">A<b>bold</b>B &amp; C</h1><p class="price" data-n="1">£ 12.50</p><p class="price">none</p>
<ul><li><a href="a?x=1&amp;y=2">one</a></li><li><a href="/b#f">two</a></li><li><a name="n">no link</a></li></ul>
<map><area href="area"></map><a href="a?x=1&amp;y=2">again</a><img src="i.png"></body></html>"""
QUERIES = [
    "h1::text", "h1", "h1 b::text", ".price::text", ".price::attr(data-n)", "li a::attr(href)", "li", "a::attr(name)",
    "nothing::text", "p.price:first-of-type::text", "title::text", "a[href^='/b']::text", "ul > li::attr(class)",
]  # fmt: skip


def response(body: str = PAGE, url: str = "http://a.example/dir/page") -> Response:
    return Response(url, 200, {"Content-Type": "text/html; charset=utf-8"}, body.encode(), Request(url))


@pytest.mark.parametrize("query", QUERIES)
def test_it_answers_as_parsel(query: str) -> None:
    page = response()
    fast, slow = page.fast.css(query), response().css(query)
    if query not in ("h1", "li"):  # of elements the two write the HTML in their own way
        assert fast.getall() == slow.getall()
        assert fast.get("x") == slow.get("x")
    assert len(fast) == len(slow)
    assert [found if isinstance(found, str) else found.string for found in fast] == [
        found.root if isinstance(found.root, str) else found.string for found in slow
    ]


WORDS = st.sampled_from(["x", " ", "&amp;", "<b>y</b>", "<!-- c -->", "é", "<br>", "<i></i>"])


@given(st.lists(st.tuples(st.sampled_from(["p", "div", "a href=/u", "a href", "span class=k"]), st.lists(WORDS))))
def test_both_trees_agree_where_the_html_is_whole(parts: list[tuple[str, list[str]]]) -> None:
    inside = "".join(f"<{tag}>{''.join(words)}</{tag.split()[0]}>" for tag, words in parts)
    page = f"<!doctype html><html><head></head><body>{inside}</body></html>".encode()
    fast, slow = parse_fast(page), Selector(root=parse_tree(page, "html"), type="html")
    for query in ("p::text", "div::text", "a::attr(href)", "span.k::text", "b::text"):
        assert fast.css(query).getall() == slow.css(query).getall()


def test_one_and_chains() -> None:
    fast = response().fast
    assert fast.css("h1").one() == "AboldB & C"
    assert fast.css(".price::text").one(r"[\d.]+") == "12.50"
    assert fast.css(".price").one(r"£ (\d+)") == "12"
    assert fast.css("ul").css("a::text").getall() == ["one", "two", "no link"]
    assert fast.css("ul").css("a").attrib == {"href": "a?x=1&y=2"} and fast.css("ul")[0].attrib == {}
    assert [type(one).__name__ for one in fast.css("li")[1:]] == ["Fast", "Fast"]
    with pytest.raises(Missing, match=r"nothing matches 'ul → b' on http://a\.example"):
        fast.css("ul").css("b").one()
    with pytest.raises(Missing, match=r"'\^z'"):
        fast.css("h1").one("^z")
    for wrong in ("a[", "a::text b", "a::before"):
        with pytest.raises(ValueError, match="is no CSS selector"):
            fast.css(wrong)


def test_links_come_from_the_tree_that_was_made() -> None:
    wanted = ["http://a.example/deep/a?x=1&y=2", "http://a.example/b#f", "http://a.example/deep/area"]
    page = response()
    assert page.fast.css("h1")
    assert [request.url for request in page.links()] == [request.url for request in response().links()] == wanted
    assert [request.url for request in page.links(css="li")] == wanted[:2]
    assert [request.url for request in page.follow_all("li a")] == wanted[:2]
    assert [request.url for request in page.follow_all(page.fast.css("area"))] == wanted[2:]
    assert page.follow(page.fast.css("img")[0]).url == "http://a.example/deep/i.png"
    assert page._selector is None, "and lxml was not asked"
    with pytest.raises(ValueError, match="'li' selects <li>, which has neither href nor src: did you mean 'li a'"):
        page.follow_all("li")
    with pytest.raises(ValueError, match="takes regions of the page"):
        page.links(css="a::text")


@pytest.mark.parametrize("body", ["", "  ", "plain", "\0", "<", "<a", "<b>" * 20_000, "<!doctype html>", "é\udcff"])
def test_nothing_that_a_page_is_breaks_it(body: str) -> None:
    page = Response("http://a.example/", 200, {}, body.encode("utf-8", "surrogateescape"), Request("http://a.example/"))
    assert page.fast.css("h1::text").getall() == []
    assert page.links() == []
