"""The canonical form of URLs: which differences make no other page."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_urls import BASES, HREFS

from crawler.canonical import CanonicalRules, canonical
from crawler.settings import Settings
from crawler.urls import absolute, join

DEFAULT = CanonicalRules()


@pytest.mark.parametrize(
    ("url", "rules", "expected"),
    [
        ("https://h.example/a", DEFAULT, "https://h.example/a"),
        ("https://h.example/%7euser/%c3%a4", DEFAULT, "https://h.example/~user/%C3%A4"),
        ("https://h.example/a%2fb", DEFAULT, "https://h.example/a%2Fb"),
        ("https://h.example/%zz%4", DEFAULT, "https://h.example/%zz%4"),
        ("https://h.example/%25%37e", DEFAULT, "https://h.example/%257e"),
        ("https://h.example/%%41a%7e%c3", DEFAULT, "https://h.example/%%41a%7E%C3"),
        ("https://h.example/?", DEFAULT, "https://h.example/"),
        ("https://h.example/?#", DEFAULT, "https://h.example/"),
        ("https://h.example/#x", DEFAULT, "https://h.example/"),
        ("https://h.example/?b=1&a=2", DEFAULT, "https://h.example/?a=2&b=1"),
        ("https://h.example/?b=2&a=9&b=1", DEFAULT, "https://h.example/?a=9&b=2&b=1"),
        ("https://h.example/?%62=1&a=2", DEFAULT, "https://h.example/?a=2&b=1"),
        ("https://h.example/?a=1&&b", DEFAULT, "https://h.example/?a=1&b"),
        ("https://h.example/?a=b=c", DEFAULT, "https://h.example/?a=b=c"),
        ("https://h.example/a?b=1&a=2", CanonicalRules(sort_query=False), "https://h.example/a?b=1&a=2"),
        ("https://h.example/?utm_x=1&a=2&sid=3", CanonicalRules(drop_query=("utm_*", "sid")), "https://h.example/?a=2"),
        ("https://h.example/?utm_x=1", CanonicalRules(drop_query=("utm_*",)), "https://h.example/"),
        ("https://h.example/?SID=1&side=2", CanonicalRules(drop_query=("sid",)), "https://h.example/?SID=1&side=2"),
        ("https://h.example/?a%5B%5D=1&b=2", CanonicalRules(drop_query=("a[[]]",)), "https://h.example/?b=2"),
        ("https://h.example/#!/x", CanonicalRules(fragment="hashbang"), "https://h.example/#!/x"),
        ("https://h.example/#x", CanonicalRules(fragment="hashbang"), "https://h.example/"),
        ("https://h.example/?a#%7e", CanonicalRules(fragment="keep"), "https://h.example/?a#~"),
        ("https://h.example/a/?x", CanonicalRules(trailing_slash=True), "https://h.example/a?x"),
        ("https://h.example/", CanonicalRules(trailing_slash=True), "https://h.example/"),
        ("https://h.example//", CanonicalRules(trailing_slash=True), "https://h.example/"),
        ("https://h.example/a/", DEFAULT, "https://h.example/a/"),
        ("http://h.example/a", CanonicalRules(scheme=True), "https://h.example/a"),
        ("http://h.example:443/a", CanonicalRules(scheme=True), "https://h.example/a"),
        ("http://h.example/a", DEFAULT, "http://h.example/a"),
    ],
)
def test_canonical(url: str, rules: CanonicalRules, expected: str) -> None:
    assert canonical(url, rules) == expected


_RULES = st.builds(
    CanonicalRules,
    sort_query=st.booleans(),
    drop_query=st.sampled_from([(), ("a*",), ("B?",)]),
    fragment=st.sampled_from(["drop", "hashbang", "keep"]),
    trailing_slash=st.booleans(),
    scheme=st.booleans(),
)


@settings(max_examples=400)
@given(BASES, HREFS, _RULES)
def test_canonical_is_idempotent_and_still_a_url(base: str, href: str, rules: CanonicalRules) -> None:
    try:
        url = join(base, href)
    except ValueError:
        return
    form = canonical(url, rules)
    assert canonical(form, rules) == form
    assert absolute(form) == form


def test_rules_come_from_settings_and_are_stored() -> None:
    settings = Settings(canonical_drop_query=["sid"], canonical_scheme=True, canonical_session_ids=[])
    rules = CanonicalRules.from_settings(settings)
    assert rules == CanonicalRules(drop_query=("sid",), scheme=True)
    assert rules.as_dict() == {
        "sort_query": True,
        "drop_query": ["sid"],
        "fragment": "drop",
        "trailing_slash": False,
        "scheme": True,
    }
    assert rules.digest() == CanonicalRules(drop_query=("sid", "sid"), scheme=True).digest()
    assert rules.digest() != CanonicalRules(drop_query=("sid",)).digest()
    assert CanonicalRules().digest() == "7ff2302c6b66c366", (
        "stored with runs: a change makes every old run a foreign one"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/x;jsessionid=1F?b=1",
        "https://a.example/x;JSESSIONID=1F.node2?b=1&sessionid=3",
        "https://a.example/x?PHPSESSID=1&b=1",
        "https://a.example/x?b=1;PHPSESSID=1",
        "https://a.example/x?ASPSESSIONIDQQ=1&b=1",
    ],
)
@pytest.mark.parametrize("sort", [True, False])
def test_session_ids_make_no_difference(url: str, sort: bool) -> None:
    rules = CanonicalRules.from_settings(Settings(canonical_sort_query=sort))
    assert canonical(url, rules) == "https://a.example/x?b=1"
    assert canonical(url, CanonicalRules(sort_query=sort)) != "https://a.example/x?b=1"
    assert CanonicalRules.from_dict(rules.as_dict()) == rules


def test_what_only_looks_like_a_session_id_stays() -> None:
    rules = CanonicalRules.from_settings(Settings())
    for url in ("https://a.example/?mysessionid=4", "https://a.example/x;v=1", "https://a.example/sessionid=3"):
        assert canonical(url, rules) == url
