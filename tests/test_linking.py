"""From yields to what a page found: the memory of URLs met lately, against the store asked every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import linking
from crawler.binding import mark_of
from crawler.canonical import CanonicalRules
from crawler.contracts import Entry, Found, Outcome
from crawler.frontier import MemoryFrontier
from crawler.frontier.fingerprint import Fingerprinter
from crawler.linking import DIFFERS, Linker
from crawler.parse.following import Links, Target
from crawler.request import PLAIN, Options, Request, make
from crawler.scope import Scope
from crawler.settings import Settings
from crawler.urls import scheduling_host

FINGERPRINTER = Fingerprinter(bytes(32), CanonicalRules())
PAGE = Entry(0, bytes(16), "a.example", make("https://a.example/", "", {}, PLAIN, 1))

# The same pages by other words, and other pages by almost the same ones.
URLS = ["https://a.example/?b&c", "https://a.example/?c&b", "https://a.example/?c&b#d", "https://a.example:80/"]
URLS += [
    "https://a.example/#!d",
    "https://a.example/#",
    "https://a.example/",
    "https://b.example/",
    "ftp://a.example/",
    "https://a.example/" + 300 * "x",
]
OPTIONS = [PLAIN, Options(), Options(priority=3), Options(session="s"), Options(session="t"), Options(key="k")]
OPTIONS += [
    Options(method="POST"),
    Options(body=b"x"),
    Options(body=b""),
    Options(unique=False),
    Options(session="s#"),
]
KWARGS: list[dict[str, Any]] = [{}, {"n": 1}, {"n": 2}]

REQUESTS = st.builds(
    make,
    st.sampled_from(URLS),
    st.sampled_from(["", "parse_x"]),
    st.sampled_from(KWARGS),
    st.sampled_from(OPTIONS),
    st.sampled_from([2, 2, 2, 0]),
)


def links_to(urls: list[str], callback: str, kwargs: dict[str, Any], options: Options) -> Links:
    target = Target(PAGE.request, None, {})
    target.name, target.kwargs, target.options = callback, kwargs, options
    return target.links(urls)


LINKS = st.builds(
    links_to,
    st.lists(st.sampled_from(URLS), unique=True),
    st.sampled_from(["", "parse_x"]),
    st.sampled_from(KWARGS),
    st.sampled_from(OPTIONS),
)


class Plain:
    """The obvious linker: a fingerprint of each request, and a dict of all that is known."""

    def __init__(self, fingerprinter: Fingerprinter, fragment: str) -> None:
        self.fingerprinter = fingerprinter
        self.kept = {"drop": "\n", "hashbang": "#!", "keep": "#"}[fragment]
        self.known: dict[bytes, int] = {}
        self.duplicates = self.differing = 0

    def link(self, requests: Sequence[Request]) -> list[tuple[bytes, str, str, int, int]]:
        found = []
        for ordinal, request in enumerate(requests):
            unique = request._options.unique
            key = self.fingerprinter.of(request) if unique else self.fingerprinter.child(PAGE.key, ordinal)
            mark = mark_of(request.callback, request.kwargs)
            if unique and key in self.known:
                self.duplicates += 1
                self.differing += self.known[key] != mark
            elif request.url.startswith("http"):
                self.known[key] = mark
                url = request.url if self.kept in request.url else request.url.partition("#")[0]
                found.append((key, scheduling_host(url), url, 2, mark))
        return found


def as_tuple(found: Found) -> tuple[bytes, str, str, int, int]:
    return found.key, found.host, found.request.url, found.request.depth, found.mark


@pytest.mark.parametrize("fragment", ["drop", "hashbang", "keep"])
@pytest.mark.parametrize(("met", "length"), [(1 << 15, 200), (2, 200), (1 << 15, 0)])
def test_what_was_met_lately_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, met: int, length: int, fragment: str
) -> None:
    settings = Settings(canonical_fragment=fragment)
    fingerprinter = Fingerprinter(bytes(32), CanonicalRules.from_settings(settings))
    monkeypatch.setattr(linking, "_MET", met)
    monkeypatch.setattr(linking, "_MET_LENGTH", length)

    @given(st.lists(st.one_of(st.lists(REQUESTS, max_size=12), LINKS), max_size=6))
    def links_as_the_plain_one(pages: list[list[Request] | Links]) -> None:
        frontier, plain = MemoryFrontier(), Plain(fingerprinter, fragment)
        linker = Linker(fingerprinter, Scope(settings, ()), frontier, settings)
        duplicates = differing = 0
        for requests in pages:
            outcome = Outcome(None, "none")
            pairs = linker.unmet(requests, 0) if isinstance(requests, Links) else list(enumerate(requests))
            assert all(requests[n].url == request.url for n, request in pairs)
            duplicates += len(requests) - len(pairs)
            skips = linker.link(PAGE, pairs, outcome)
            assert [as_tuple(found) for found in outcome.found] == plain.link(requests)
            assert {skip.reason for _, skip in skips} <= {"scheme"}
            duplicates += outcome.counters.get("duplicates", 0)
            differing += outcome.counters.get(DIFFERS, 0)
            frontier.accept(outcome)
        assert (duplicates, differing) == (plain.duplicates, plain.differing)
        assert len(linker._met) <= met

    links_as_the_plain_one()


def test_a_known_url_is_met_again_without_a_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    frontier = MemoryFrontier()
    linker = Linker(FINGERPRINTER, Scope(Settings(), ()), frontier, Settings())
    asked: list[bytes] = []

    def mark(key: bytes, of: Any = frontier.mark) -> int:
        asked.append(key)
        return int(of(key))

    monkeypatch.setattr(frontier, "mark", mark)
    for options in (PLAIN, Options(session="s")):
        request = make("https://a.example/", "", {}, options, 2)
        asked.clear()
        for _ in range(4):
            outcome = Outcome(None, "none")
            linker.link(PAGE, [(0, request)], outcome)
            frontier.accept(outcome)
        assert asked == 2 * [FINGERPRINTER.of(request)], "new, then known, then met"


def test_links_that_were_met_lately_are_not_made_into_requests() -> None:
    frontier = MemoryFrontier()
    linker = Linker(FINGERPRINTER, Scope(Settings(), ()), frontier, Settings())
    urls = [f"https://a.example/{n}" for n in range(4)]
    for known in (0, 0, 4):  # new, then in the store, then met
        links, outcome = links_to(urls, "", {}, PLAIN), Outcome(None, "none")
        pairs = linker.unmet(links, 7)
        assert [(n, request.url) for n, request in pairs] == [(7 + n, url) for n, url in enumerate(urls[known:])]
        assert links.urls is urls, "no request was made"
        linker.link(PAGE, pairs, outcome)
        frontier.accept(outcome)
    other = links_to([*urls, "https://a.example/3#x"], "parse_x", {}, PLAIN)
    assert len(linker.unmet(other, 0)) == 5, "known, but for another callback, which is said"


def test_what_the_store_did_not_take_is_not_known() -> None:
    linker = Linker(FINGERPRINTER, Scope(Settings(), ()), MemoryFrontier(), Settings())
    for _ in range(3):  # the outcome is dropped each time: nothing of it was accepted
        outcome = Outcome(None, "none")
        linker.link(PAGE, [(0, make("https://a.example/", "", {}, PLAIN, 2))], outcome)
        assert len(outcome.found) == 1


def test_a_limit_is_of_a_page_and_known_links_do_not_count() -> None:
    frontier = MemoryFrontier()
    linker = Linker(FINGERPRINTER, Scope(Settings(), ()), frontier, Settings(max_links=2))
    requests = [make(f"https://a.example/{n}", "", {}, PLAIN, 2) for n in range(5)]
    for known in (0, 2, 4):
        outcome = Outcome(None, "none")
        skips = linker.link(PAGE, enumerate(requests), outcome)
        assert [found.request.url for found in outcome.found] == [r.url for r in requests[known : known + 2]]
        assert [skip.reason for _, skip in skips] == ["limit"] * max(0, 3 - known)
        assert outcome.counters.get("duplicates", 0) == known
        frontier.accept(outcome)
