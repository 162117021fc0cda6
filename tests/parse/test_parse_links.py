"""Links: the tree and the stream find the same, and what is left out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.parse.links import base_of, hrefs_of, resolve_all, stream_hrefs
from crawler.parse.tree import parse_tree
from crawler.urls import Joiner

PAGE = Joiner("https://h.example/a/b.html")


def test_hrefs_are_distinct_in_page_order_as_written() -> None:
    root = parse_tree(
        b"<a href=2>x</a><a name=y>y</a><map><area href=1></map><a href=' 2 '>z</a><a href=2>"
        b"<link href=css><div href=no></div><A HREF='3&amp;4'>",
        "html",
    )
    assert hrefs_of([root]) == ["2", "1", " 2 ", "3&4"]


def test_hrefs_of_regions_that_lie_in_one_another() -> None:
    root = parse_tree(b"<div id=1><a href=1></a><div><a href=2></a></div></div><a href=3></a>", "html")
    assert hrefs_of([*root.iter("div"), *root.iter("a")]) == ["1", "2", "3"]


def test_hrefs_of_xml_with_and_without_a_namespace() -> None:
    root = parse_tree(b"<f xmlns:x='http://www.w3.org/1999/xhtml'><x:a href='1'/><a href='2'/><b href='3'/></f>", "xml")
    assert hrefs_of([root], "xml") == ["1", "2"]


_LINKS = ["<a href=1>", "<a href='2&amp;x'>", "</a>", "<AREA HREF=3>", "<a href>", "<a href='ä'>", "<a href='un"]
_BASES = ["<base href=/z/>", "<base>", "<base href=/y/>"]
_OTHERS = [
    "<p>",
    "</p>",
    "<table><tr>",
    "</table>",
    "<noscript>",
    "</noscript>",
    "<textarea>",
    "</textarea>",
    "<select>",
]
_TEXTS = ["text", "\0", "<", "<!-- <a href=no> -->", "<script>'<a href=no>'</script>"]
_TAGS = st.sampled_from(_LINKS + _BASES + _OTHERS + _TEXTS)


@settings(max_examples=300)
@given(st.lists(_TAGS, max_size=12).map("".join))
def test_the_stream_finds_what_the_tree_has(page: str) -> None:
    root = parse_tree(page.encode(), "html")
    assert stream_hrefs(page.encode()) == (hrefs_of([root]), base_of(root))


def test_the_stream_reads_across_its_chunks() -> None:
    page = b"".join(b"<p>%d</p><a href=/%d>" % (i, i) for i in range(40_000))
    assert stream_hrefs(page)[0] == [f"/{i}" for i in range(40_000)]


@pytest.mark.parametrize(
    ("hrefs", "expected"),
    [
        (["c", "./c", "/a/c", " c "], ["/a/c"]),
        (["c#1", "c#2"], ["/a/c#1", "/a/c#2"]),
        (["javascript:x()", "mailto:a@b", "tel:1", "data:,x", "ftp://h/", "ws://h/", "about:blank"], []),
        (["http://[", "//", "https://h:99999/", "c"], ["/a/c"]),
        (["\nc\t.html"], ["/a/c.html"]),
    ],
)
def test_resolve_all(hrefs: list[str], expected: list[str]) -> None:
    assert resolve_all(hrefs, PAGE) == ["https://h.example" + path for path in expected]


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        ("/book/", (), ["book/1", "book/2"]),
        (["1$", "x$"], (), ["book/1", "x"]),
        ((), "book", ["x"]),
        ("book", ["2$"], ["book/1"]),
        ("", "", ["book/1", "book/2", "x"]),
        (r"^https://h\.example/a/x$", (), ["x"]),
    ],
)
def test_allow_and_deny_are_searched_in_the_absolute_url(allow: str, deny: str, expected: list[str]) -> None:
    urls = resolve_all(["book/1", "book/2", "x"], PAGE, allow, deny)
    assert urls == ["https://h.example/a/" + path for path in expected]
