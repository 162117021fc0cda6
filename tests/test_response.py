"""`Response`: what came, as text, as data, as a tree, and where it leads."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import parsel
import pydantic
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from crawler.errors import Missing
from crawler.parse.links import LARGE
from crawler.request import Hop, Options, Request, make
from crawler.response import Response

PAGE = "https://shop.example/a/list.html"
HTML = """<html><head><title>Café</title></head><body>
<nav><a href="/">home</a> <a href="list.html?page=2">next</a></nav>
<article><h3><a href="../book/1">One</a></h3><img src="1.png"></article>
<article><h3><a href="../book/2">Two</a></h3><a href="../book/1#top">One again</a></article>
<a href="mailto:a@b">mail</a> <a href="https://[">broken</a> <a name="x">anchor</a> <a href="javascript:x()">js</a>
<li class="next">more</li></body></html>"""


def response(
    body: str | bytes = HTML,
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    url: str = PAGE,
    request: Request | None = None,
    **more: Any,
) -> Response:
    fields = CIMultiDictProxy(
        CIMultiDict(headers if headers is not None else {"Content-Type": "text/html; charset=utf-8"})
    )
    data = body.encode() if isinstance(body, str) else body
    return Response(url, 200, fields, data, request or Request(url), **more)


def urls(requests: list[Request]) -> list[str]:
    return [request.url for request in requests]


class Books:
    """A spider, as far as callbacks are concerned."""

    def parse_book(self, response: Response, category: str = "") -> None: ...


# -- as it came


def test_what_it_was_made_of() -> None:
    sent = CIMultiDictProxy(CIMultiDict({"User-Agent": "x"}))
    page = response(reason="OK", elapsed=0.5, request_headers=sent, ip="127.0.0.1")
    assert (page.url, page.status, page.reason, page.elapsed, page.ip) == (PAGE, 200, "OK", 0.5, "127.0.0.1")
    assert page.yarl == URL(PAGE)
    assert page.headers["content-TYPE"] == "text/html; charset=utf-8"
    assert page.request_headers is sent
    assert page.request.url == PAGE
    assert page.body == HTML.encode()
    assert list(response().request_headers) == []


def test_it_cannot_be_changed() -> None:
    page = response()
    for name in ("url", "status", "body", "text", "headers", "request", "history"):
        with pytest.raises(AttributeError):
            setattr(page, name, None)
    with pytest.raises(AttributeError):
        page.colour = "red"  # type: ignore[attr-defined]


def test_repr_says_what_it_is_and_never_the_body() -> None:
    assert repr(response("secret" * 1000)) == f"<Response 200 {PAGE} 6000 bytes>"


def test_yarl_keeps_the_url_as_it_was_sent() -> None:
    url = "https://shop.example/a%2Fb%zz?x=%7e"
    assert str(response(url=url).yarl) == url


def test_history_is_given_or_read_from_the_request() -> None:
    first = response(url="https://shop.example/old")
    assert response(history=(first,)).history == (first,)
    assert response().history == ()
    hops = (Hop("https://shop.example/1", 301, (("Location", "/2"),)), Hop("https://shop.example/2", 302))
    page = response(request=make(PAGE, "", {}, Options(history=hops), 0))
    assert [(hop.url, hop.status, hop.headers.get("location")) for hop in page.history] == [
        ("https://shop.example/1", 301, "/2"),
        ("https://shop.example/2", 302, None),
    ]
    assert page.history is page.history


def test_cookies_are_those_it_sets() -> None:
    lines = ["a=1; Path=/; HttpOnly", 'b="x y"; Secure', "a=2", "c=d=e", "nonsense", "=f", " g = h ;"]
    page = response(headers=[("Set-Cookie", line) for line in lines])
    assert page.cookies == {"a": "2", "b": '"x y"', "c": "d=e", "g": "h"}
    with pytest.raises(TypeError):
        page.cookies["a"] = "3"  # type: ignore[index]


# -- as text


def test_text_and_encoding() -> None:
    assert response("é".encode("cp1252"), {"Content-Type": "text/plain; charset=latin1"}).text == "é"
    assert response("é".encode("cp1252"), {"Content-Type": "text/plain; charset=latin1"}).encoding == "windows-1252"
    assert response(b"", {}).text == ""
    assert response(b"", {}).encoding == "utf-8"
    page = response()
    assert page.text is page.text


def test_decode_is_for_pages_that_lie() -> None:
    page = response("привет".encode("koi8-r"), {"Content-Type": "text/html; charset=utf-8"})
    assert page.decode("koi8") == "привет"
    assert page.decode("cp855") != page.text  # Python's own names are taken too
    with pytest.raises(LookupError):
        page.decode("no-such")


def test_re_is_findall_flattened() -> None:
    page = response("a1 b2 c3")
    assert page.re(r"[ab]\d") == ["a1", "b2"]
    assert page.re(r"([ab])\d") == ["a", "b"]
    assert page.re(r"([ab])(\d)") == ["a", "1", "b", "2"]


# -- as JSON


@dataclass
class Price:
    amount: float


class Book(msgspec.Struct):
    title: str
    price: Price


class Model(pydantic.BaseModel):
    title: str


JSON = {"Content-Type": "application/json"}


def test_json() -> None:
    page = response('{"title": "Café", "price": {"amount": 2}}', JSON)
    assert page.json() == {"title": "Café", "price": {"amount": 2}}
    assert page.json(type=Book) == Book("Café", Price(2.0))
    assert page.json(type=Model).title == "Café"
    assert response("[1, 2]", JSON).json(type=list[int]) == [1, 2]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'\xef\xbb\xbf"\xc3\xa9"', "application/json"),
        (b'\xef\xbb\xbf"\\u00e9"', "application/json"),
        ('"é"'.encode("utf-16"), "application/json"),
        (b'"\xe9"', "application/json; charset=iso-8859-1"),
    ],
)
def test_json_in_other_encodings(body: bytes, content_type: str) -> None:
    assert response(body, {"Content-Type": content_type}).json() == "é"


@pytest.mark.parametrize(
    ("body", "type_", "words"),
    [
        ("<html>" + "x" * 200, Any, ["is no JSON", "application/json", "it begins with '<html>" + "x" * 74 + "'"]),
        ("", Any, ["is no JSON", "it begins with ''"]),
        ('{"title": 1}', Book, ["is not Book", "Expected `str`, got `int` - at `$.title`"]),
        ('{"title": 1}', Model, ["is not Model", "Input should be a valid string"]),
        ('"x"', int | None, ["is not", "Expected `int | null`"]),
    ],
)
def test_json_errors_say_what_came_and_from_where(body: str, type_: Any, words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        response(body, JSON).json(type=type_)
    assert str(caught.value).startswith(PAGE)
    for word in words:
        assert word in str(caught.value)


# -- as a tree


def test_css_and_xpath_read_the_same_tree() -> None:
    page = response()
    assert page.css("title::text").one() == "Café"
    assert page.xpath("//title/text()").one() == "Café"
    assert page.css("title")[0].root is page.xpath("//title")[0].root
    assert page.xpath("//a[@href=$href]/text()", href="/").one() == "home"


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252", "utf-16", "shift_jis", "iso-2022-jp", "koi8-r"])
def test_the_tree_is_read_in_the_pages_encoding(encoding: str) -> None:
    word = {"shift_jis": "日本", "iso-2022-jp": "日本", "koi8-r": "кни"}.get(encoding, "café")
    html = f"<html><body><p>{word}</p></body></html>"
    page = response(html.encode(encoding), {"Content-Type": f"text/html; charset={encoding}"})
    assert page.css("p::text").one() == word


def test_bad_bytes_cost_a_character_and_not_the_page() -> None:
    assert response(b"<p>a\xffb</p><i>c</i>").css("p::text, i::text").getall() == ["a\ufffdb", "c"]


def test_one_names_the_line_that_asked() -> None:
    line = inspect.currentframe().f_lineno + 2  # type: ignore[union-attr]
    with pytest.raises(Missing) as caught:
        response().css("h1::text").one()
    assert str(caught.value) == f"nothing matches 'h1::text' on {PAGE} (asked at {__file__}:{line})"


def test_xml_by_content_type_or_declaration() -> None:
    assert response("<a><Link>x</Link></a>", {"Content-Type": "text/xml"}).css("Link::text").one() == "x"
    assert response("<?xml version='1.0'?><a><Link>x</Link></a>", {}).xpath("//Link/text()").one() == "x"


# -- follow


def test_follow_resolves_deepens_and_binds() -> None:
    page = response(request=make(PAGE, "", {}, Options(), 3))
    request = page.follow(" ../book/1\n", partial(Books().parse_book, category="x"), priority=5)
    assert (request.url, request.callback, request.depth) == ("https://shop.example/book/1", "parse_book", 4)
    assert dict(request.kwargs) == {"category": "x"}
    assert request.priority == 5
    assert page.follow("").callback == ""


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("x?q=ä", "https://shop.example/a/x?q=%C3%A4"),
        (URL("/x%2Fy", encoded=True), "https://shop.example/x%2Fy"),
        (URL("https://other.example/"), "https://other.example/"),
        (lambda page: page.css("h3 a")[0], "https://shop.example/book/1"),
        (lambda page: page.css("img")[0], "https://shop.example/a/1.png"),
        (lambda page: page.css("h3 a::attr(href)")[1], "https://shop.example/book/2"),
        (lambda page: parsel.Selector("<a href=z>").css("a")[0], "https://shop.example/a/z"),
        ("mailto:a@b", "mailto:a@b"),
    ],
)
def test_follow_takes_links_in_every_form(link: Any, expected: str) -> None:
    page = response()
    assert page.follow(link(page) if callable(link) and not isinstance(link, URL) else link).url == expected


@pytest.mark.parametrize(
    ("link", "error", "words"),
    [
        ("https://[", ValueError, PAGE),
        (lambda page: page.css("li")[0], ValueError, "<li>"),
        (lambda page: page.css("a[name]")[0], ValueError, "without href and src"),
        (lambda page: page.css("h3 a"), TypeError, "follow_all"),
        (3, TypeError, "not 3"),
        (None, TypeError, "not None"),
    ],
)
def test_follow_refuses_what_is_no_link(link: Any, error: type[Exception], words: str) -> None:
    page = response()
    with pytest.raises(error) as caught:
        page.follow(link(page) if callable(link) else link)
    assert words in str(caught.value)


def test_follow_refuses_words_of_others() -> None:
    with pytest.raises(TypeError, match="partial"):
        response().follow("x", meta={})  # type: ignore[call-arg]


def test_session_and_proxy_are_inherited_and_nothing_else() -> None:
    parent = Request(PAGE, session="anna", proxy="http://proxy.example", headers={"X": "1"}, priority=3, timeout=5.0)
    page = response(request=parent)
    for request in (page.follow("x"), page.follow_all(["x"])[0], page.follow_all("nav a")[0], page.links()[0]):
        assert request._options == Options(session="anna", proxy="http://proxy.example")
    own = page.follow("x", session="bert", proxy=None, priority=1)
    assert (own.session, own._options.proxy, own.priority) == ("bert", None, 1)


def test_one_options_object_serves_a_page() -> None:
    requests = response().follow_all(["a", "b", "c"], priority=2)
    assert len({id(request._options) for request in requests}) == 1


def test_follow_a_request_keeps_its_own_words() -> None:
    page = response(request=Request(PAGE, session="anna", proxy="http://proxy.example"))
    own = Request("https://shop.example/search", Books().parse_book, form={"q": "x"}, session="bert")
    request = page.follow(own)
    assert (request.url, request.method, request.body, request.callback) == (own.url, "POST", b"q=x", "parse_book")
    assert (request.session, request._options.proxy, request.depth) == ("bert", "http://proxy.example", 1)
    assert (own.depth, own._options.proxy) == (0, None), "the one given is not changed"
    other = page.follow(Request(own.url), partial(Books().parse_book, category="y"), priority=4)
    assert (other.session, other.callback, dict(other.kwargs), other.priority) == (
        "anna",
        "parse_book",
        {"category": "y"},
        4,
    )


def test_params_are_added_to_each() -> None:
    page = response()
    assert page.follow("x?a=1", params={"b": "ä"}).url == "https://shop.example/a/x?a=1&b=%C3%A4"
    assert urls(page.follow_all(["x", "y"], params="z=1")) == [
        "https://shop.example/a/x?z=1",
        "https://shop.example/a/y?z=1",
    ]


# -- follow_all


def test_follow_all_takes_css() -> None:
    page = response()
    books = ["https://shop.example/book/1", "https://shop.example/book/2"]
    assert urls(page.follow_all("article h3 a")) == books
    assert urls(page.follow_all("article h3 a::attr(href)")) == books
    assert urls(page.follow_all("article img")) == ["https://shop.example/a/1.png"]
    assert page.follow_all("table a") == []


def test_follow_all_leaves_out_what_leads_nowhere() -> None:
    expected = ["/", "/a/list.html?page=2", "/book/1", "/book/2", "/book/1#top"]
    assert urls(response().follow_all("a")) == ["https://shop.example" + path for path in expected]
    assert response().follow_all(["mailto:x@y", "https://[", "data:,x"]) == []


def test_follow_all_makes_one_request_for_each_absolute_url() -> None:
    page = response()
    links = ["x", "./x", URL("/a/x"), page.css("h3 a")[0], "../book/1", "y"]
    expected = ["https://shop.example/a/x", "https://shop.example/book/1", "https://shop.example/a/y"]
    assert urls(page.follow_all(links)) == expected
    forms = [Request(PAGE, form={"q": str(number)}) for number in range(2)]
    assert len(page.follow_all([*forms, PAGE, PAGE])) == 3


def test_follow_all_takes_selections_and_generators() -> None:
    page = response()
    assert len(page.follow_all(page.css("h3 a"), Books().parse_book)) == 2
    assert len(page.follow_all(page.css("h3 a::attr(href)"))) == 2
    assert len(page.follow_all(f"/{number}" for number in range(3))) == 3


def test_follow_all_says_when_a_query_selects_what_cannot_be_a_link() -> None:
    with pytest.raises(ValueError, match=r"'li.next' selects <li>.*did you mean 'li.next a'\?"):
        response().follow_all("li.next")
    with pytest.raises(ValueError, match="is no CSS selector"):
        response().follow_all("a[")


# -- links


def test_links() -> None:
    page = response()
    assert urls(page.links()) == urls(page.follow_all("a"))
    assert urls(page.links(css="article", deny="#")) == ["https://shop.example/book/1", "https://shop.example/book/2"]
    assert urls(page.links(allow=[r"page=\d", "book/2"])) == [PAGE + "?page=2", "https://shop.example/book/2"]
    assert page.links(Books().parse_book, css="nav", priority=2)[0].callback == "parse_book"
    assert urls(page.links(css="h3 a")) == ["https://shop.example/book/1", "https://shop.example/book/2"]
    with pytest.raises(ValueError, match="without ::text"):
        page.links(css="a::attr(href)")


def test_links_are_a_list_whose_requests_are_made_when_looked_at() -> None:
    page = response('<a href="/1">1</a> <a href="/2">2</a> <a href="/3">3</a>')
    links = page.links(priority=2)
    assert len(links) == 3 and links and links.urls is not None
    first = page.follow("/0")
    assert [request.url[-1] for request in [first, *links]] == ["0", "1", "2", "3"]
    assert links.urls is None and links[0] is links[0] and links[0].priority == 2
    assert [request.url[-1] for request in [first] + page.links()] == ["0", "1", "2", "3"]  # noqa: RUF005
    assert [request.url[-1] for request in page.links() + [first]] == ["1", "2", "3", "0"]  # noqa: RUF005
    assert [request.url[-1] for request in page.links()[1:]] == ["2", "3"]
    assert len(copy.copy(page.links())) == len(page.links().copy()) == 3
    requests = [first]
    requests += page.links()
    requests.extend(page.follow_all("a"))
    assert len(requests) == 7
    links = page.links()
    links.append(first)
    links.sort(key=lambda request: request.url)
    assert [request.url[-1] for request in links] == ["0", "1", "2", "3"]
    assert not hasattr(page.links(), "nothing")


def test_links_of_what_is_no_page() -> None:
    assert response(b"", {}).links() == []
    assert response("\x89PNG\0\0", {"Content-Type": "image/png"}).links() == []
    assert response('{"a": "<b>"}', JSON).links() == []


def test_links_of_a_large_page_need_no_tree() -> None:
    body = b"<base href=/z/>" + b"<p>text</p>" * (LARGE // 10) + b"<a href=x>\xc3\xa9</a>"
    page = response(body)
    assert urls(page.links()) == ["https://shop.example/z/x"]
    assert page.follow("y").url == "https://shop.example/z/y"
    assert page._selector is None
    assert urls(page.links(css="a")) == ["https://shop.example/z/x"]
    other = response(body)
    assert other.follow("y").url == "https://shop.example/z/y"
    assert other._selector is None


# -- base


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ('<base href="/z/">', "https://shop.example/z/x"),
        ('<BASE HREF="https://cdn.example/y/page">', "https://cdn.example/y/x"),
        ('<base target=_top><base href="z/"><base href="/no/">', "https://shop.example/a/z/x"),
        ('<base href="https://[">', "https://shop.example/a/x"),
        ('<base href="javascript:x">', "https://shop.example/a/x"),
        ('<base href="data:text/html,x">', "https://shop.example/a/x"),
        ('<base href="">', "https://shop.example/a/x"),
        ("<p>&lt;base href=/z/&gt;</p>", "https://shop.example/a/x"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16le"])
def test_base_is_respected_everywhere(base: str, expected: str, encoding: str) -> None:
    html = f"<html><head>{base}</head><body><a href=x>x</a></body></html>".encode(encoding)

    def page() -> Response:
        return response(html, {"Content-Type": f"text/html; charset={encoding}"})

    assert page().follow("x").url == expected
    assert urls(page().follow_all(["x"])) == [expected]
    assert urls(page().follow_all("a")) == [expected]
    assert urls(page().links()) == [expected]
    assert page().follow(page().css("a")[0]).url == expected
