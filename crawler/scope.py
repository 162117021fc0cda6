"""Which requests are followed: scheme, domains, depth, length, scope and traps, judged before anything is stored.

`Scope` has the rules of a crawl; what can be said of a URL alone it says at any time (`refuses`: at
hand-out on resuming, for `explain`). `OnPage` judges the links of one page, which is more: how far they lead
from the seed (`roots.py`), whether the site leads us round and round (`traps.py`, `wandering.py`).
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from crawler.counts import TALLY
from crawler.request import SITEMAP
from crawler.roots import Reach, with_scope
from crawler.settings_values import domains
from crawler.traps import UrlTraps, place_of
from crawler.urls import hostname, in_domains, scheduling_host
from crawler.wandering import Budgets, Wandering

if TYPE_CHECKING:
    from crawler.contracts import Found
    from crawler.request import Request
    from crawler.settings import Settings

__all__ = ["TRAP", "OnPage", "Scope", "all_domains"]

TRAP = "trap"
"""The reason of what a trap's rule left out; the counters trap/SETTING PLACE say where."""

_PLACES = 200  # named ones; the rest is counted together

Refusal = tuple[str, str]


class Scope:
    """The rules of one crawl. `counted(name)` is a counter's value in what was accepted so far."""

    def __init__(
        self, settings: Settings, allowed_domains: Sequence[str], counted: Callable[[str], int] = lambda name: 0
    ) -> None:
        self._domains = tuple(domain.lower().strip(".") for domain in allowed_domains)
        self._max_depth = settings.max_depth
        self._sitemap_depth = settings.sitemap_depth
        self._max_url = settings.max_url
        self._hosts: dict[str, bool] = {}
        self.reach = Reach(settings.scope, settings.extra_hops)
        self.budgets = Budgets.from_settings(settings)
        self.counted = counted
        self._traps = UrlTraps(settings) if settings.traps else None
        self._places: set[str] = set()

    def refuses(self, request: Request) -> Refusal | None:
        """(reason, detail) of the rule that leaves the request out wherever it is linked, or None."""
        url = request._url
        if not url.startswith(("https://", "http://")):
            return "scheme", f"{url.partition(':')[0]}: is not fetched"
        if request._callback == SITEMAP:
            if request._depth > self._sitemap_depth:
                return "depth", f"deeper than sitemap_depth = {self._sitemap_depth}"
        elif self._max_depth is not None and request._depth > self._max_depth:
            return "depth", f"deeper than max_depth = {self._max_depth}"
        if len(url) > self._max_url:
            return "url-length", f"longer than max_url = {self._max_url}"
        if self._domains and not self.allows_host(hostname(url)):
            return "domain", f"{hostname(url)} is not in allowed_domains"
        return None

    def trap(self, url: str) -> Refusal | None:
        """The refusal of a URL that is a trap by itself. Not asked of seeds: whoever wrote them meant them."""
        detail = self._traps.find(url) if self._traps is not None else None
        return None if detail is None else (TRAP, detail)

    def refuses_stored(self, request: Request) -> Refusal | None:
        """The rule that leaves out a request that is pending under other rules than it was stored under."""
        refused = self.refuses(request)
        if refused is None and request._depth:
            refused = self.trap(request._url)
        if refused is None and self.reach.refuses(request):
            refused = ("scope", self.reach.why(request))
        return refused

    def on(self, parent: Request | None, counters: MutableMapping[str, int], known: Callable[[str], bool]) -> OnPage:
        """The judge of what a page leads to, or of seeds. `counters` are its outcome's; `known(url)` says whether
        a page was found before."""
        return OnPage(self, parent, counters, known)

    def allows_host(self, host: str) -> bool:
        """Whether `allowed_domains` has the host, subdomains included."""
        known = self._hosts.get(host)
        if known is None:
            if len(self._hosts) > 100_000:
                self._hosts.clear()
            known = self._hosts[host] = not self._domains or in_domains(host, self._domains)
        return known

    def place_of(self, url: str) -> str:
        """The name under which a trap is counted."""
        place = place_of(url)
        if place not in self._places:
            if len(self._places) >= _PLACES:
                return "more places"
            self._places.add(place)
        return place


class OnPage:
    """Judges the new links of one page: each with `refuses` and `rooted`, then all of them with `settle`."""

    __slots__ = ("_counters", "_parent", "_scope", "_trap", "_wandering", "free")

    def __init__(
        self,
        scope: Scope,
        parent: Request | None,
        counters: MutableMapping[str, int],
        known: Callable[[str], bool],
    ) -> None:
        self._scope = scope
        self._parent = parent
        self._counters = counters
        self._wandering = None
        self._trap = scope.trap if parent is not None else None
        if parent is not None and scope.budgets.max_calendar is not None and Wandering.may_begin(parent._url):
            self._wandering = Wandering(parent._url, scope.budgets, scope.counted, counters, known)
        self.free = parent is None or scope.reach.free(parent)
        """Whether `rooted` may be left out."""

    def refuses(self, request: Request, key: bytes) -> Refusal | None:
        """(reason, detail) of the rule that leaves a new link out, or None."""
        scope = self._scope
        refused = scope.refuses(request)
        if refused is not None:
            return refused
        url = request._url
        if self._trap is not None:
            refused = self._trap(url)
        if refused is None and scope.budgets.max_pages_per_host is not None:
            refused = self._over_host(url)
        if refused is not None:
            self._name(url, refused[1])
        elif self._wandering is not None:
            self._wandering.look_at(url, key)
        return refused

    def rooted(self, request: Request) -> Request | Refusal:
        """The request with what it has to carry of its seed's scope, or the refusal of one outside."""
        parent = self._parent
        if parent is None or (self.free and not request._options.scope):
            return request
        carried = self._scope.reach.link(parent, request)
        return ("scope", self._scope.reach.why(parent)) if carried is None else with_scope(request, carried)

    def rooted_hop(self, request: Request) -> Request | Refusal:
        """`rooted` for a redirect's target."""
        assert self._parent is not None
        carried = self._scope.reach.hop(self._parent, request._url)
        return ("scope", self._scope.reach.why(self._parent)) if carried is None else with_scope(request, carried)

    def settle(self, found: list[Found]) -> list[tuple[Found, Refusal]]:
        """Takes out of `found` what the page as a whole says is a trap, and returns it."""
        if self._wandering is None:
            return []
        refused = [(one, (TRAP, detail)) for one, detail in self._wandering.settle(found)]
        for one, (_, detail) in refused:
            self._name(one.request._url, detail)
        return refused

    def _over_host(self, url: str) -> Refusal | None:
        limit = self._scope.budgets.max_pages_per_host
        host = scheduling_host(url)
        name = f"{TALLY}max_pages_per_host {host}"
        here = self._counters.get(name, 0)
        if limit is not None and self._scope.counted(name) + here >= limit:
            return TRAP, f"max_pages_per_host = {limit}: so many of {host} were taken"
        self._counters[name] = here + 1
        return None

    def _name(self, url: str, detail: str) -> None:
        setting = detail.partition(" ")[0].rstrip(":")
        name = f"trap/{setting} {self._scope.place_of(url)}"
        self._counters[name] = self._counters.get(name, 0) + 1


def all_domains(spider: str, own: Any, settings: Settings) -> list[str]:
    """The domains to stay on: those of the class `spider`, and the setting's. Raises SettingsError for
    what is no domain."""
    return [
        *domains(own, f"{spider}.allowed_domains"),
        *domains(settings.allowed_domains, "the setting allowed_domains"),
    ]
