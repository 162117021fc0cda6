"""Which requests are the same page: a table of cases, and properties."""

from __future__ import annotations

from hashlib import blake2b
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.canonical import CanonicalRules
from crawler.frontier.fingerprint import VERSION, Fingerprinter
from crawler.request import PLAIN, Hop, Options, Request, make
from crawler.settings import Settings

KEY = bytes(range(32))
URL = "http://a.example/p?a=1&b=2"


def fingerprinter(hash_key: bytes = KEY, **settings: Any) -> Fingerprinter:
    return Fingerprinter(hash_key, CanonicalRules.from_settings(Settings(**settings)))


def request(url: str = URL, **options: Any) -> Request:
    return make(url, "", {}, Options(**options) if options else PLAIN, 0)


SAME: dict[str, tuple[Request, Request]] = {
    "order of the query": (request(), request("http://a.example/p?b=2&a=1")),
    "fragment": (request(), request(URL + "#top")),
    "default port, by Request": (Request("http://A.example:80/p?a=1&b=2"), request()),
    "escapes": (request("http://a.example/%7eme"), request("http://a.example/~me")),
    "callback": (make(URL, "parse_x", {}, PLAIN, 0), request()),
    "arguments": (make(URL, "", {"a": 1}, PLAIN, 0), request()),
    "depth": (make(URL, "", {}, PLAIN, 9), request()),
    "tries": (make(URL, "", {}, PLAIN, 0, 3), request()),
    "plain by another object": (request(priority=0), request()),
    "headers": (request(headers=(("Accept", "x"),)), request()),
    "cookies": (request(cookies=(("a", "b"),)), request()),
    "priority": (request(priority=9), request()),
    "proxy": (request(proxy="http://p/"), request()),
    "auth": (request(auth="Basic eA=="), request()),
    "timeout": (request(timeout=3.0), request()),
    "retry": (request(retry=False), request()),
    "redirects": (request(redirects=1), request()),
    "accepted statuses": (request(accept_status=(404,)), request()),
    "errback": (request(errback="x", errback_kwargs=b"\x80"), request()),
    "history": (request(history=(Hop("http://x/", 301),)), request()),
    "no body and an empty one": (request(method="POST", body=b""), request(method="POST")),
}

DIFFERENT: dict[str, Request] = {
    "plain": request(),
    "path": request("http://a.example/q?a=1&b=2"),
    "case of the path": request("http://a.example/P?a=1&b=2"),
    "host": request("http://b.example/p?a=1&b=2"),
    "port": request("http://a.example:8080/p?a=1&b=2"),
    "scheme": request("https://a.example/p?a=1&b=2"),
    "query": request("http://a.example/p?a=1&b=3"),
    "order of one name's values": request("http://a.example/p?a=1&b=2&a=0"),
    "order of one name's values, other": request("http://a.example/p?a=0&b=2&a=1"),
    "trailing slash": request("http://a.example/p/?a=1&b=2"),
    "HEAD": request(method="HEAD"),
    "POST": request(method="POST"),
    "POST with a body": request(method="POST", body=b"x"),
    "POST with another body": request(method="POST", body=b"y"),
    "GET with a body": request(body=b"x"),
    "session": request(session="s"),
    "another session": request(session="t"),
    "key": request(key="s"),
    "session and key": request(session="s", key="s"),
    "key is no session with a length": request(session="s\0\0\0\1s"),
    "a method that looks like the next field": request(method="GETs"),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_page(case: str) -> None:
    one, other = SAME[case]
    assert fingerprinter().of(one) == fingerprinter().of(other)


def test_different_pages() -> None:
    prints = {case: fingerprinter().of(request) for case, request in DIFFERENT.items()}
    for one, other in combinations(prints, 2):
        assert prints[one] != prints[other], (one, other)
    assert all(len(key) == 16 for key in prints.values())


@pytest.mark.parametrize(
    ("settings", "one", "other"),
    [
        ({"canonical_sort_query": False}, "http://a.example/?a=1&b=2", "http://a.example/?b=2&a=1"),
        ({"canonical_fragment": "keep"}, "http://a.example/#a", "http://a.example/#b"),
        ({"canonical_fragment": "hashbang"}, "http://a.example/#!a", "http://a.example/#!b"),
    ],
)
def test_a_setting_makes_two_pages_of_one(settings: dict[str, Any], one: str, other: str) -> None:
    strict = fingerprinter(**settings)
    assert fingerprinter().of(request(one)) == fingerprinter().of(request(other))
    assert strict.of(request(one)) != strict.of(request(other))


@pytest.mark.parametrize(
    ("settings", "one", "other"),
    [
        ({"canonical_drop_query": ["utm_*"]}, "http://a.example/?a=1&utm_source=x", "http://a.example/?a=1"),
        ({"canonical_trailing_slash": True}, "http://a.example/a/", "http://a.example/a"),
        ({"canonical_scheme": True}, "http://a.example/", "https://a.example/"),
    ],
)
def test_a_setting_makes_one_page_of_two(settings: dict[str, Any], one: str, other: str) -> None:
    loose = fingerprinter(**settings)
    assert fingerprinter().of(request(one)) != fingerprinter().of(request(other))
    assert loose.of(request(one)) == loose.of(request(other))


def test_the_bytes_that_are_hashed() -> None:
    """A stored run depends on them: another encoding needs another VERSION."""
    assert VERSION == 1
    post = request("http://a.example/", method="POST", body=b"x", session="sé", key="k")
    fields = b"".join(
        len(part).to_bytes(4, "big") + part
        for part in (b"POST", blake2b(b"x", digest_size=32).digest(), "sé".encode(), b"k")
    )
    expected = blake2b(b"\1h" + fields + b"http://a.example/", digest_size=16, key=KEY).digest()
    assert fingerprinter().of(post) == expected
    plain = b"\1h\0\0\0\3GET" + bytes(12) + b"http://a.example/"
    assert fingerprinter().of(request("http://a.example/")) == blake2b(plain, digest_size=16, key=KEY).digest()
    assert fingerprinter().of(request("http://a.example/")).hex() == "ca4121f7f70082ec53f2cfaae6173175"


def test_another_hash_key_gives_other_keys() -> None:
    other = fingerprinter(bytes(32))
    assert other.of(request()) != fingerprinter().of(request())
    assert other.child(b"p", 1) != fingerprinter().child(b"p", 1)


@pytest.mark.parametrize("size", [0, 15, 65])
def test_a_hash_key_has_a_length(size: int) -> None:
    with pytest.raises(ValueError, match="16 to 64"):
        fingerprinter(bytes(size))


def test_children_and_hops_are_all_different_and_repeat() -> None:
    one = fingerprinter()
    page, other = one.of(request()), one.of(request("http://a.example/other"))
    keys = [
        make_key(key, number)
        for key in (page, other, b"")
        for number in (0, 1, 255, 256, 1 << 40)
        for make_key in (one.child, one.hop)
    ]
    assert len({page, other, *keys}) == len(keys) + 2
    assert fingerprinter().child(page, 256) == one.child(page, 256)
    assert fingerprinter().hop(page, 2) == one.hop(page, 2)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["GET", "POST", "PUT"]),
        "body": st.binary(min_size=1, max_size=3),
        "session": st.text(max_size=3),
        "key": st.text(max_size=3),
    },
)


@given(st.lists(OPTIONS, min_size=2, max_size=8), st.randoms())
def test_what_was_asked_before_makes_no_difference(options: list[dict[str, Any]], order: Any) -> None:
    """One fingerprinter remembers the options asked last; its answers are those of a fresh one."""
    requests = [request(**given) for given in options]
    requests += [make("http://a.example/next", "", {}, one._options, 0) for one in requests]
    order.shuffle(requests)
    kept = fingerprinter()
    keys = [kept.of(one) for one in requests]
    assert keys == [fingerprinter().of(one) for one in requests]
    same = {(key, one.url, msgspec.structs.astuple(one._options)) for key, one in zip(keys, requests, strict=True)}
    assert len(set(keys)) == len(same)
