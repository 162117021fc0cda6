"""From a page's yields to what it found: fingerprints, duplicates, and the rules of scope.

The hot path: thirty requests a page, of which most are known. So the fingerprint is asked first
and the rules judge only what is new; what they refuse is not put into seen, so that a shorter path
may still take it up.

A site's pages link to the same menu again and again. So the known pages that were met lately are
remembered by their URLs as they were written: such a link costs one look into a dict, 0.3 µs against
1.3 for its canonical form, its fingerprint and the seen set (benchmarks/links.py). On the Python
documentation that are 99 links in 100. What is known stays known, with the mark that it has, so there
is nothing to be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from crawler.binding import mark_of
from crawler.contracts import Entry, Found, Outcome, Skip
from crawler.request import PLAIN, SITEMAP, Options, Request, make
from crawler.runs.skipped import OTHER_ARGUMENTS
from crawler.stages import DEDUPE, FINGERPRINT, Stages, Stopwatch
from crawler.urls import scheduling_host

if TYPE_CHECKING:
    from crawler.contracts import Frontier
    from crawler.frontier.fingerprint import Fingerprinter
    from crawler.parse.following import Links
    from crawler.scope import OnPage, Scope
    from crawler.settings import Settings

__all__ = ["DIFFERS", "Linker"]

DIFFERS = "duplicates_with_arguments"
"""The counter of links to known pages that name another callback or other arguments."""

_TOLD = 100_000

_MET, _MET_LENGTH = 1 << 15, 200
"""How many known pages are remembered by their URLs as written, and how long those may be: 5 MB, at most 10."""


class Linker:
    """Turns yielded requests into `Outcome.found`; returns what was left out, with the rule."""

    def __init__(
        self,
        fingerprinter: Fingerprinter,
        scope: Scope,
        frontier: Frontier,
        settings: Settings,
        differing: set[bytes] | None = None,
        stages: Stages | None = None,
    ) -> None:
        self._stages = stages if stages is not None else Stages()
        self._fingerprint = fingerprinter
        self._scope = scope
        self._frontier = frontier
        self._told = differing if differing is not None else set()
        self._met: dict[str, int] = {}
        self._max_links = settings.max_links
        self._max_listed = settings.sitemap_entries
        self._fragments = settings.canonical_fragment
        self._cut = "#" if self._fragments == "drop" else "\n"  # where a known URL's name ends; none has a line break

    def link(
        self, parent: Entry | None, requests: Iterable[tuple[int, Request]], outcome: Outcome
    ) -> list[tuple[Request, Skip]]:
        """Fills `outcome.found` from (ordinal, request) pairs; `parent` is None for seeds.

        What a sitemap names are seeds too, which it has given their depth: pages are at 0.
        """
        skips: list[tuple[Request, Skip]] = []
        stopwatch = Stopwatch(self._fingerprint.of) if self._stages.weight else None
        fingerprint = stopwatch.call if stopwatch is not None else self._fingerprint.of
        marked, met, found = self._frontier.mark, self._met, outcome.found
        depth = parent.request._depth + 1 if parent is not None else 0
        listed = parent is not None and parent.request._callback == SITEMAP
        most = self._max_listed if listed else self._max_links
        page = parent.request._url if parent is not None else ""
        near, host = "\n", ""  # the beginning, down to its path, of the URL that was found last; and its host
        callback: str | None = None
        kwargs: Mapping[str, Any] | bytes | None = None
        options: Options | None = None
        sort: str | None = None
        own = 0
        here: dict[bytes, int] = {}  # new ones of this page, which the store does not know yet
        judge: OnPage | None = None  # most pages have no new link
        requests = list(requests)
        fresh = self._not_met(requests)
        duplicates = len(requests) - len(fresh)
        for ordinal, request in fresh:
            if request._depth != depth and not listed:
                request = request._copy()
                request._depth = depth
            if request._callback is not callback or request._kwargs is not kwargs:
                callback, kwargs = request._callback, request._kwargs
                own = _mark_of(callback, kwargs)
            if request._options is not options:
                options = request._options
                sort = _sort(options)
            url = request._url
            if options.unique:
                name = url.partition(self._cut)[0]
                name = sort + name if sort else name
                mark = met.get(name, -1) if sort is not None else -1
                key = b""
                if mark < 0:
                    key = fingerprint(request)
                    mark = marked(key)
                    if mark < 0:
                        mark = here.get(key, -1)
                    elif sort is not None and len(name) <= _MET_LENGTH:
                        if len(met) >= _MET:
                            met.clear()
                        met[name] = mark
                if mark >= 0:
                    duplicates += 1
                    if mark and mark != own:
                        self._differs(key or fingerprint(request), request, page, outcome)
                    continue
            else:
                key = self._fingerprint.child(parent.key if parent is not None else b"", ordinal)
            if judge is None:
                judge = self._judge(None if listed else parent, outcome)
            refused = judge.refuses(request, key)
            if refused is None and not (judge.free and options is PLAIN):
                rooted = judge.rooted(request)
                refused, request = (rooted, request) if isinstance(rooted, tuple) else (None, rooted)
            if refused is None and len(found) >= most:
                refused = ("limit", f"the page gave more than max_links = {most} requests")
            if refused is not None:
                skips.append((request, Skip(url, *refused, page, key)))
                continue
            if "#" in url:
                request = self._as_one_page(request)
            here[key] = own
            if not url.startswith(near):
                near, host = url[: url.find("/", 8) + 1], scheduling_host(url)
            found.append(Found(key, host, request, 0, own))
        if judge is not None:
            for one, refused in judge.settle(found):
                skips.append((one.request, Skip(one.request._url, *refused, page, one.key)))
        if duplicates:
            outcome.counters["duplicates"] = outcome.counters.get("duplicates", 0) + duplicates
        if stopwatch is not None:
            self._stages.move(DEDUPE, FINGERPRINT, stopwatch.ns)
        return skips

    def unmet(self, links: Links, first: int) -> list[tuple[int, Request]]:
        """(ordinal, request) of those links, counted from `first`, that do not lead to pages met lately.

        A request is made for these alone.
        """
        target = links.target
        if links.urls is None or target.options is not PLAIN:
            return list(enumerate(links, first))
        urls, met, cut, own = links.urls, self._met, self._cut, _mark_of(target.name, target.kwargs)
        new = [n for n, url in enumerate(urls) if met.get(url) != own and met.get(url.partition(cut)[0]) != own]
        if not new:
            return []
        return [(first + n, request) for n, request in zip(new, target.requests(urls[n] for n in new), strict=True)]

    def link_hop(self, page: Entry, request: Request, outcome: Outcome) -> Skip | None:
        """Adds a redirect's target, which takes the page's age; or says by which rule it is left out.

        It is deduplicated only where the page was an ordinary GET and the target is not in its own
        chain: the answer to a form, or a page that redirects to itself with a cookie, must arrive.
        """
        old = page.request._options
        key, own = self._fingerprint.of(request), _mark_of(request._callback, request._kwargs)
        if old.method == "GET" and old.unique and key not in self._chain(page):
            mark = self._frontier.mark(key)
            if mark >= 0:
                outcome.counters["duplicates"] = outcome.counters.get("duplicates", 0) + 1
                if mark and mark != own:
                    self._differs(key, request, page.request._url, outcome)
                return None
        else:
            key = self._fingerprint.hop(page.key, len(request._options.history))
        judge = self._judge(page, outcome)
        refused = judge.refuses(request, key)
        if refused is None:
            rooted = judge.rooted_hop(request)
            refused, request = (rooted, request) if isinstance(rooted, tuple) else (None, rooted)
        if refused is not None:
            reason, detail = refused
            return Skip(request._url, reason, f"{detail}; redirected from {page.request._url}", page.request._url, key)
        request = self._as_one_page(request)
        outcome.found.append(Found(key, scheduling_host(request._url), request, page.age, own))
        for _, (reason, detail) in judge.settle(outcome.found):  # of this one: `link` has settled the others
            return Skip(request._url, reason, f"{detail}; redirected from {page.request._url}", page.request._url, key)
        return None

    def _judge(self, parent: Entry | None, outcome: Outcome) -> OnPage:
        return self._scope.on(
            parent.request if parent is not None else None, outcome.counters, partial(self._known, parent)
        )

    def _known(self, parent: Entry | None, url: str) -> bool:
        """Whether a plain page of the parent's session was found before."""
        session = parent.request._options.session if parent is not None else ""
        options = Options(session=session) if session else PLAIN
        return self._frontier.known(self._fingerprint.of(make(url, "", {}, options, 0)))

    def _not_met(self, requests: list[tuple[int, Request]]) -> list[tuple[int, Request]]:
        """Without those that were met lately, made as they are made here: most links of most pages.

        `link` comes to the same, with a look at each for 1 µs; here it is a third of that.
        """
        if not requests:
            return requests
        like, met = requests[0][1], self._met
        callback, kwargs = like._callback, like._kwargs
        own = _mark_of(callback, kwargs)
        cut = self._cut
        return [
            pair
            for pair in requests
            if met.get((request := pair[1])._url.partition(cut)[0]) != own
            or request._options is not PLAIN
            or request._callback is not callback
            or request._kwargs is not kwargs
        ]

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


def _sort(options: Options) -> str | None:
    """What tells a page from others of the same URL, to stand in front of it; None where that is more than the
    session. No URL has a line break in it."""
    if options.method != "GET" or options.body or options.key:
        return None
    return options.session and options.session + "\n"


def _mark_of(callback: str, kwargs: Mapping[str, Any] | bytes) -> int:
    try:
        return mark_of(callback, kwargs)
    except TypeError:  # an argument that cannot be stored: the store refuses the request, if it is new
        return 0
