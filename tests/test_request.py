"""Requests: what they take, what they refuse and with which words, how callbacks are stored."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest

from crawler import FetchError, Request, Response, Spider
from crawler.binding import decode_kwargs, encode_kwargs


class Books(Spider):
    name = "books"

    def parse_book(self, response: Response, category: str = "", n: int = 0) -> None: ...

    def lost(self, request: Request, error: FetchError, note: str = "") -> None: ...

    def tags(self, response: Response, tags: tuple[str, ...], kinds: set[int]) -> None: ...


@pytest.fixture
def books() -> Books:
    return Books()


def test_a_callback_is_a_name_with_arguments(books: Books) -> None:
    request = Request("https://x.example/", partial(books.parse_book, category="a"))
    assert request.callback == "parse_book"
    assert request.kwargs == {"category": "a"}
    assert Request("https://x.example/").callback == ""


def _foreign(response: Response) -> None: ...


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (lambda response: None, "must be a method of the spider"),
        (_foreign, "_foreign could not be found again"),
        ("parse_book", "give the method itself, self.parse_book"),
        (partial(_foreign, x=1), "must be a method of the spider"),
    ],
)
def test_what_could_not_be_found_again_is_refused(callback: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Request("https://x.example/", callback)


def test_arguments_are_checked_when_the_request_is_made(books: Books) -> None:
    with pytest.raises(TypeError, match=r"Books\.parse_book.*does not fit"):
        Request("https://x.example/", partial(books.parse_book, categry="a"))
    with pytest.raises(TypeError, match="by name"):
        Request("https://x.example/", partial(books.parse_book, "a"))
    with pytest.raises(TypeError, match=r"does not fit"):
        Request("https://x.example/", books.lost)  # an errback's two arguments
    assert Request("https://x.example/", errback=partial(books.lost, note="x"))._options.errback == "lost"
    with pytest.raises(TypeError, match="errback"):
        Request("https://x.example/", errback=lambda request, error: None)


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("meta", "functools.partial"),
        ("cb_kwargs", "functools.partial"),
        ("data", "form="),
        ("formdata", "form="),
        ("dont_filter", "unique=False"),
        ("allow_redirects", "redirects="),
        ("verify", "TLS"),
        ("header", "did you mean headers="),
        ("nonsense", "it takes"),
    ],
)
def test_words_of_other_libraries_name_ours(word: str, instead: str) -> None:
    with pytest.raises(TypeError, match=instead.replace("(", r"\(")):
        Request("https://x.example/", **{word: 1})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["Authorization", "cookie", "Proxy-Authorization"])
def test_secrets_are_not_stored_as_headers(name: str) -> None:
    with pytest.raises(ValueError, match="auth="):
        Request("https://x.example/", headers={name: "x"})


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b"])
def test_a_header_cannot_smuggle(value: str) -> None:
    with pytest.raises(ValueError, match="line break or NUL"):
        Request("https://x.example/", headers={"X-A": value})


def test_bodies() -> None:
    form = Request("https://x.example/", form={"a": "ä b", "c": [1, 2]})
    assert (form.method, form.body) == ("POST", b"a=%C3%A4+b&c=1&c=2")
    assert form.headers["content-type"] == "application/x-www-form-urlencoded"
    sent = Request("https://x.example/", json={"a": [1]}, method="put")
    assert (sent.method, sent.body) == ("PUT", b'{"a":[1]}')
    assert Request("https://x.example/", body=b"x").headers.get("content-type") is None
    with pytest.raises(TypeError, match=r"form= and json="):
        Request("https://x.example/", form={"a": 1}, json={})


def test_params_join_the_query() -> None:
    assert Request("https://x.example/p?a=1#f", params={"b": [2, 3]}).url == "https://x.example/p?a=1&b=2&b=3#f"
    assert Request("https://x.example/p", params="q=ä").url == "https://x.example/p?q=%C3%A4"


@pytest.mark.parametrize("url", ["x.example/p", "/p", "", "http://", "https://x.example:99999/"])
def test_a_url_that_no_browser_resolves(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Request(url)


def test_it_is_immutable_and_replace_merges_headers() -> None:
    request = Request("https://x.example/", headers={"A": "1", "B": "2"}, priority=3)
    with pytest.raises(AttributeError):
        request.url = "https://y.example/"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        request.other = 1  # type: ignore[attr-defined]
    changed = request.replace(headers={"a": "9"}, unique=False)
    assert dict(changed.headers) == {"B": "2", "a": "9"}
    assert (changed.priority, changed._options.unique) == (3, False)
    assert dict(request.headers) == {"A": "1", "B": "2"}


def test_arguments_come_back_typed_by_annotation(books: Books) -> None:
    raw = encode_kwargs({"tags": ("a", "b"), "kinds": {1}})
    assert decode_kwargs(books.tags, raw) == {"tags": ("a", "b"), "kinds": {1}}
    with pytest.raises(msgspec.ValidationError):
        decode_kwargs(books.parse_book, encode_kwargs({"n": "no number"}))
    with pytest.raises(TypeError, match="argument it="):
        encode_kwargs({"it": object()})
