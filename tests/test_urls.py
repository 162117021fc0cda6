"""URLs: the WHATWG rules, and our short cuts against their plain twins."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import can_ada
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_urls import BASES, HREFS

from crawler.urls import (
    Joiner,
    absolute,
    hostname,
    in_domains,
    join,
    mask,
    origin,
    registrable_domain,
    scheduling_host,
    without_fragment,
)

SUITES = Path(os.environ.get("SUITES", Path(__file__).resolve().parents[2] / "shared" / "suites"))


# -- absolute


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("https://books.example", "https://books.example/"),
        ("HTTP://Books.Example:80/a/../b", "http://books.example/b"),
        (" https://books.example/\n", "https://books.example/"),
        ("https://bücher.example/ä?ö#ü", "https://xn--bcher-kva.example/%C3%A4?%C3%B6#%C3%BC"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        ("https://books.example/%zz", "https://books.example/%zz"),
        ("https://books.example/\ud800", "https://books.example/%EF%BF%BD"),
        ("https://books.example/a\0b", "https://books.example/a%00b"),
        ("mailto:a@books.example", "mailto:a@books.example"),
        ("ftp://books.example/x", "ftp://books.example/x"),
    ],
)
def test_absolute_is_what_a_browser_writes(given_url: str, expected: str) -> None:
    assert absolute(given_url) == expected


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("books.example/x", "'books.example/x' has no scheme: write https://books.example/x"),
        ("books.example:8080/x", "'books.example:8080/x' has no scheme: write https://books.example:8080/x"),
        ("localhost:8000", "'localhost:8000' has no scheme: write https://localhost:8000"),
        ("//books.example/x", "'//books.example/x' has no scheme: write https://books.example/x"),
        ("/x", "'/x' has no scheme: write https:// and the host before it"),
        ("", "the URL is empty: write one like https://books.example/"),
        ("http://", "'http://' has no host: write it as http://host/path"),
        ("https://:80/", "'https://:80/' has no host: write it as https://host/path"),
        ("http://h:99999/", "'http://h:99999/' is not a URL: '99999' is no port (0 to 65535)"),
        ("http://h:-1/", "'http://h:-1/' is not a URL: '-1' is no port (0 to 65535)"),
        ("http://a b/", "'http://a b/' is not a URL: no browser takes 'a b' as a host"),
        ("http://[::1/", "'http://[::1/' is not a URL: no browser takes '[::1' as a host"),
    ],
)
def test_absolute_says_what_is_wrong(url: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        absolute(url)
    assert str(caught.value) == sentence


@given(st.text())
def test_absolute_raises_nothing_but_value_errors_and_is_stable(text: str) -> None:
    try:
        url = absolute(text)
    except ValueError:
        return
    assert url.isascii()
    assert absolute(url) == url


# -- join

BASE = "https://user@shop.example:8443/a/b/page.html?x=1#top"


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("c.html", "/a/b/c.html"),
        ("./c.html", "/a/b/c.html"),
        ("../c.html", "/a/c.html"),
        ("../../../c.html", "/c.html"),
        ("..", "/a/"),
        ("../", "/a/"),
        ("../..//c", "//c"),
        ("/c", "/c"),
        ("\\c", "/c"),
        ("/./c/%2e%2E/d", "/d"),
        ("", "/a/b/page.html?x=1"),
        ("?y=2", "/a/b/page.html?y=2"),
        ("#end", "/a/b/page.html?x=1#end"),
        (" c d\t\n.html ", "/a/b/c%20d.html"),
        ("c?q='ä'", "/a/b/c?q=%27%C3%A4%27"),
        ("https:c.html", "/a/b/c.html"),
        ("https:/c.html", "/c.html"),
        ("HTTPS:\\c.html", "/c.html"),
        ("a:b/c"[1:], "/a/b/:b/c"),
        ("%zz", "/a/b/%zz"),
    ],
)
def test_join_on_the_same_host(href: str, expected: str) -> None:
    assert join(BASE, href) == "https://user@shop.example:8443" + expected


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("//other.example/x", "https://other.example/x"),
        ("/\\other.example/x", "https://other.example/x"),
        ("\\\\other.example", "https://other.example/"),
        ("///other.example/x", "https://other.example/x"),
        ("http:x", "http://x/"),
        ("https://other.example", "https://other.example/"),
        ("javascript:void(0)", "javascript:void(0)"),
        ("tel:+49 30", "tel:+49 30"),
    ],
)
def test_join_to_another_place(href: str, expected: str) -> None:
    assert join(BASE, href) == expected


@pytest.mark.parametrize("href", ["http://", "https://a b/", "//", "http://[::1", "https://h:99999/", "//%/"])
def test_join_refuses_what_no_browser_resolves_and_names_the_page(href: str) -> None:
    with pytest.raises(ValueError, match=r"no browser resolves .* on https://user@shop.example:8443/"):
        join(BASE, href)


def test_join_on_bases_of_other_schemes() -> None:
    assert join("foo://host", "x") == "foo://host/x"
    assert join("foo://host/a/b", "\\x") == "foo://host/a/\\x"
    assert join("mailto:a@b", "#x") == "mailto:a@b#x"
    with pytest.raises(ValueError):
        join("mailto:a@b", "x")
    with pytest.raises(ValueError, match="is no absolute URL"):
        join("books.example", "x")


def whatwg() -> dict[str, Any]:
    file = SUITES / "whatwg_web.json"
    if not file.exists():
        pytest.skip(f"the WHATWG cases are not here ({file}); set SUITES to their folder")
    suite: dict[str, Any] = json.loads(file.read_text())
    return suite


def test_whatwg_joins() -> None:
    wrong = []
    for href, base, expected in whatwg()["cases"]:
        try:
            got = join(base, href)
        except ValueError:
            got = None
        if got not in (expected if isinstance(expected, list) else [expected]):
            wrong.append((href, base, expected, got))
    assert wrong == []


def test_whatwg_targets_on_the_wire() -> None:
    wrong = []
    for href, base, expected in whatwg()["wire"]:
        url = without_fragment(join(base.replace("{H}", "h.example"), href.replace("{H}", "h.example")))
        if url.removeprefix("http://h.example") != expected:
            wrong.append((href, expected, url))
    assert wrong == []


@settings(max_examples=600)
@given(BASES, HREFS)
def test_the_short_cut_joins_as_its_plain_twin(base: str, href: str) -> None:
    joiner = Joiner(base)
    try:
        expected = joiner.resolve(href)
    except ValueError:
        expected = None
    try:
        got = joiner.join(href)
    except ValueError:
        got = None
    assert got == expected


# Most links of a page are plain; what is odd stands between them, at the front and at the end.
_WORDS = [
    "book-1_2/index.html",
    "/list?page=2&sort=price",
    "../shelf/a.html#b",
    "../../b;c",
    "./c,d",
    "#top",
    "?q=a/b:c",
]
_WHOLE = [
    "https://h.example/d?e#f",
    "http://www.shop.example/g",
    "https://xn--a.example/",
    "http://1.2.3/",
    "//h.example/",
]
_ODD = [
    "",
    "/",
    "..",
    "mailto:a@b.example",
    "/wiki/Talk:A",
    "Talk:A",
    "a\nb",
    "../\t/a",
    "..//a",
    "a/../b",
    "a/%2e%2e/b",
]
_LINKS = st.lists(st.one_of(st.sampled_from(_WORDS), st.sampled_from(_WHOLE), st.sampled_from(_ODD), HREFS), max_size=8)
_DEEP = st.sampled_from(
    [
        "https://h.example/a/b/c/d.html?x#y",
        "http://h.example//a/b",
        "http://u:p@h.example:81/a///b/c",
        "ftp://h.example/a/b",
    ]
)


@settings(max_examples=1500)
@given(st.one_of(BASES, _DEEP), _LINKS)
def test_the_links_of_a_page_are_joined_as_one_by_one(base: str, hrefs: list[str]) -> None:
    joiner = Joiner(base)
    expected = dict.fromkeys(url for href in hrefs if (url := resolved(joiner, href)).startswith(("http:", "https:")))
    assert joiner.join_all(hrefs) == list(expected)


def resolved(joiner: Joiner, href: str) -> str:
    try:
        return joiner.resolve(href)
    except ValueError:
        return ""


@given(st.from_regex(r"https?://[a-z0-9.\-]{1,12}[.]?[a-z0-9]{1,4}/[a-z./%?#:]{0,6}", fullmatch=True))
def test_a_url_that_is_taken_as_it_is_written_is_as_a_browser_writes_it(url: str) -> None:
    joiner = Joiner("https://h.example/")
    assert joiner.join_all([url]) == [found for found in [resolved(joiner, url)] if found]


@pytest.mark.parametrize(
    ("hrefs", "paths"),
    [
        (["../x", "../../x", "../../../x", "x", "./x", "/x"], ["/a/b/x", "/a/x", "/x", "/a/b/c/x"]),
        ([f"{n * '../'}x" for n in range(12)], ["/a/b/c/x", "/a/b/x", "/a/x", "/x"]),
        (["x", "\n", "../y"], ["/a/b/c/x", "/a/b/c/d", "/a/b/y"]),
        (["x", "x#1", "x", "x#1"], ["/a/b/c/x", "/a/b/c/x#1"]),
        ([], []),
    ],
)
def test_the_links_of_a_page(hrefs: list[str], paths: list[str]) -> None:
    assert Joiner("https://h.example/a/b/c/d").join_all(hrefs) == [f"https://h.example{path}" for path in paths]


@settings(max_examples=600)
@given(BASES, HREFS.filter(lambda href: "\ud800" not in href))
def test_join_takes_what_ada_takes(base: str, href: str) -> None:
    try:
        join(base, href)
        taken = True
    except ValueError:
        taken = False
    assert taken == can_ada.can_parse(href, base)


# -- readers


@pytest.mark.parametrize(
    ("url", "scheduling", "name", "of"),
    [
        ("https://h.example/x:80", "h.example", "h.example", "https://h.example"),
        ("http://h.example:443/", "h.example", "h.example", "http://h.example:443"),
        ("https://h.example:80/", "h.example", "h.example", "https://h.example:80"),
        ("https://u:p@h.example:8443/@/", "h.example:8443", "h.example", "https://h.example:8443"),
        ("http://h.example:8080/", "h.example:8080", "h.example", "http://h.example:8080"),
        ("http://[::1]/", "[::1]", "[::1]", "http://[::1]"),
        ("http://[::80]/", "[::80]", "[::80]", "http://[::80]"),
        ("http://[::1]:8000/a", "[::1]:8000", "[::1]", "http://[::1]:8000"),
        ("mailto:a@h.example", "", "", "null"),
        ("data:text/html,//x/y", "", "", "null"),
    ],
)
def test_hosts(url: str, scheduling: str, name: str, of: str) -> None:
    assert absolute(url) == url, "the readers are for URLs that are absolute already"
    assert (scheduling_host(url), hostname(url), origin(url)) == (scheduling, name, of)


@settings(max_examples=300)
@given(BASES, HREFS)
def test_readers_agree_with_the_parser(base: str, href: str) -> None:
    try:
        url = join(base, href)
    except ValueError:
        return
    if not url.startswith("http"):
        return
    parsed = can_ada.parse(url)
    assert hostname(url) == parsed.hostname
    assert origin(url) == parsed.origin
    port = "" if parsed.port in ("", "80", "443") else f":{parsed.port}"
    assert scheduling_host(url) == parsed.hostname + port


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.shop.books.co.uk", "books.co.uk"),
        ("books.com", "books.com"),
        ("books.com:8080", "books.com"),
        ("Books.COM.", "books.com"),
        ("co.uk", "co.uk"),
        ("a.b.github.io", "b.github.io"),
        ("localhost", "localhost"),
        ("shop.books.example", "shop.books.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:80", "[::1]"),
        ("www.xn--bcher-kva.de", "xn--bcher-kva.de"),
    ],
)
def test_registrable_domain(host: str, domain: str) -> None:
    assert registrable_domain(host) == domain


@pytest.mark.parametrize(
    ("host", "domains", "inside"),
    [
        ("books.example", ["books.example"], True),
        ("www.books.example", ["Books.Example."], True),
        ("books.example.", ["books.example"], True),
        ("notbooks.example", ["books.example"], False),
        ("example", ["books.example"], False),
        ("www.xn--bcher-kva.example", ["bücher.example"], True),
        ("127.0.0.1", ["127.0.0.1"], True),
        ("a.example", ["b.example", "a.example"], True),
        ("a.example", [], False),
        ("a.example", [""], False),
    ],
)
def test_in_domains(host: str, domains: list[str], inside: bool) -> None:
    assert in_domains(host, domains) is inside


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@h.example/x", "https://user:***@h.example/x"),
        ("https://user:se:c@ret@h.example/x", "https://user:***@h.example/x"),
        ("https://:secret@h.example/", "https://:***@h.example/"),
        ("https://user@h.example/a:b@c", "https://user@h.example/a:b@c"),
        ("https://h.example/?mail=a:b@c", "https://h.example/?mail=a:b@c"),
        ("postgresql://user:secret@db/name", "postgresql://user:***@db/name"),
    ],
)
def test_mask(url: str, shown: str) -> None:
    assert mask(url) == shown


def test_without_fragment() -> None:
    assert without_fragment("https://h.example/a?b#c#d") == "https://h.example/a?b"
