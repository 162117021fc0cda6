"""From a page's yields to what it found: fingerprints, duplicates, and the rules of scope.

The hot path: thirty requests a page, of which most are known. So the fingerprint is asked first
and the rules judge only what is new; what they refuse is not put into seen, so that a shorter path
may still take it up.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from crawler.binding import mark_of
from crawler.contracts import Entry, Found, Outcome, Skip
from crawler.request import Request, make
from crawler.runs.skipped import OTHER_ARGUMENTS
from crawler.urls import scheduling_host

if TYPE_CHECKING:
    from crawler.contracts import Frontier
    from crawler.frontier.fingerprint import Fingerprinter
    from crawler.scope import Scope
    from crawler.settings import Settings

__all__ = ["DIFFERS", "Linker"]

DIFFERS = "duplicates_with_arguments"
"""The counter of links to known pages that name another callback or other arguments."""

_TOLD = 100_000


class Linker:
    """Turns yielded requests into `Outcome.found`; returns what was left out, with the rule."""

    def __init__(
        self,
        fingerprinter: Fingerprinter,
        scope: Scope,
        frontier: Frontier,
        settings: Settings,
        differing: set[bytes] | None = None,
    ) -> None:
        self._fingerprint = fingerprinter
        self._scope = scope
        self._frontier = frontier
        self._told = differing if differing is not None else set()
        self._max_links = settings.max_links
        self._fragments = settings.canonical_fragment

    def link(
        self, parent: Entry | None, requests: Iterable[tuple[int, Request]], outcome: Outcome
    ) -> list[tuple[Request, Skip]]:
        """Fills `outcome.found` from (ordinal, request) pairs; `parent` is None for seeds."""
        skips: list[tuple[Request, Skip]] = []
        fingerprint, marked, found = self._fingerprint.of, self._frontier.mark, outcome.found
        depth = parent.request._depth + 1 if parent is not None else 0
        url = parent.request._url if parent is not None else ""
        duplicates = 0
        words: tuple[object, object] = (None, None)
        own = 0
        here: dict[bytes, int] = {}  # new ones of this page, which the store does not know yet
        for ordinal, request in requests:
            if request._depth != depth:
                request = request._copy()
                request._depth = depth
            if request._options.unique:
                key = fingerprint(request)
                mark = marked(key)
                if mark < 0 and key in here:
                    mark = here[key]
                if mark >= 0:
                    duplicates += 1
                    if request._callback is not words[0] or request._kwargs is not words[1]:
                        words, own = (request._callback, request._kwargs), _mark_of(request)
                    if mark and mark != own:
                        self._differs(key, request, url, outcome)
                    continue
            else:
                key = self._fingerprint.child(parent.key if parent is not None else b"", ordinal)
            refused = self._scope.refuses(request)
            if refused is None and len(found) >= self._max_links:
                refused = ("limit", f"the page gave more than max_links = {self._max_links} requests")
            if refused is not None:
                skips.append((request, Skip(request._url, *refused, url, key)))
                continue
            if "#" in request._url:
                request = self._as_one_page(request)
            here[key] = _mark_of(request)
            found.append(Found(key, scheduling_host(request._url), request))
        if duplicates:
            outcome.counters["duplicates"] = outcome.counters.get("duplicates", 0) + duplicates
        return skips

    def link_hop(self, page: Entry, request: Request, outcome: Outcome) -> Skip | None:
        """Adds a redirect's target, which takes the page's age; or says by which rule it is left out.

        It is deduplicated only where the page was an ordinary GET and the target is not in its own
        chain: the answer to a form, or a page that redirects to itself with a cookie, must arrive.
        """
        old = page.request._options
        key = self._fingerprint.of(request)
        if old.method == "GET" and old.unique and key not in self._chain(page):
            mark = self._frontier.mark(key)
            if mark >= 0:
                outcome.counters["duplicates"] = outcome.counters.get("duplicates", 0) + 1
                if mark and mark != _mark_of(request):
                    self._differs(key, request, page.request._url, outcome)
                return None
        else:
            key = self._fingerprint.hop(page.key, len(request._options.history))
        refused = self._scope.refuses(request)
        if refused is not None:
            reason, detail = refused
            return Skip(request._url, reason, f"{detail}; redirected from {page.request._url}", page.request._url, key)
        request = self._as_one_page(request)
        outcome.found.append(Found(key, scheduling_host(request._url), request, page.age))
        return None

    def _differs(self, key: bytes, request: Request, parent: str, outcome: Outcome) -> None:
        """A known page, yielded with another callback or other arguments than the first time: it is fetched
        once and for the first one, so this is said. Listed once a page."""
        outcome.counters[DIFFERS] = outcome.counters.get(DIFFERS, 0) + 1
        if key in self._told or len(self._told) >= _TOLD:
            return
        self._told.add(key)
        words = ", ".join(f"{name}={value!r:.60}" for name, value in request.kwargs.items())
        detail = f"for {request._callback or 'parse'}({words}); it was found before with other words"
        outcome.skips.append(Skip(request._url, OTHER_ARGUMENTS, detail, parent, key))

    def _as_one_page(self, request: Request) -> Request:
        """Without a fragment that makes no other page: which link came first must not show in the items."""
        url, mark, fragment = request._url.partition("#")
        if not mark or self._fragments == "keep" or (self._fragments == "hashbang" and fragment.startswith("!")):
            return request
        request = request._copy()
        request._url = url
        return request

    def _chain(self, page: Entry) -> set[bytes]:
        request = page.request
        urls = [request._url, *(hop.url for hop in request._options.history)]
        return {self._fingerprint.of(make(url, "", {}, request._options, 0)) for url in urls}


def _mark_of(request: Request) -> int:
    try:
        return mark_of(request._callback, request._kwargs)
    except TypeError:  # an argument that cannot be stored: the store refuses the request, if it is new
        return 0
