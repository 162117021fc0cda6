"""Traps that only show by counting: pages that lead to nothing but more pages of their own kind.

A list of 3,000 pages and a calendar of 3,000 months look alike: each page is found from the one before.
They differ in their addresses. A list counts with one number (?page=7, /page/7/); it is never counted here,
nor is a product with an id or a name. Three kinds of links are, and only where the page that has
them is of the same kind, so that an archive's months in a menu cost nothing:

- from a date to another date of the host (a calendar; `max_calendar`),
- from three or more query parameters to others of the same path (filters; `max_combinations`),
- down from a directory with a tail that the two directories above have too (a path that grows, /a/b/a/c/b/;
  `max_growth`).

A page that leads to something else as well, to articles or products that were not known, counts a tenth:
a newspaper's archive of 7,000 days is not a calendar of 7,000 empty ones.

The tallies are counters, so they are committed with the pages that they are of, and a resumed run goes on
counting where the disk says. Memory is one number for each host, or path, where such links were taken.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Final, NamedTuple

from crawler.counts import TALLY
from crawler.dates import is_calendar_page
from crawler.urls import scheduling_host

if TYPE_CHECKING:
    from crawler.contracts import Found
    from crawler.settings import Settings

__all__ = ["Budgets", "Wandering"]

_TENTHS: Final = 10
_DEEP: Final = 5  # slashes of a directory with two above it
_CHANCES: Final = 2  # where paths grow, a page has the same links as the pages above: the first ones tell
_ALL: Final = 1 << 30
_PARAMETERS: Final = 3  # so many make a filter; with two there is little to combine


class Budgets(NamedTuple):
    """The limits of one crawl; None: no limit."""

    max_calendar: int | None
    max_combinations: int | None
    max_growth: int | None
    max_pages_per_host: int | None

    @classmethod
    def from_settings(cls, settings: Settings) -> Budgets:
        """`max_pages_per_host` holds also where `traps` is false."""
        if not settings.traps:
            return cls(None, None, None, settings.max_pages_per_host)
        return cls(settings.max_calendar, settings.max_combinations, settings.max_growth, settings.max_pages_per_host)


class Wandering:
    """The links of one page. `counted(name)` is what was counted before, `counters` what the page adds.

    `known(url)` says whether a page was found before.
    """

    __slots__ = (
        "_budgets",
        "_calendar",
        "_chances",
        "_counted",
        "_counters",
        "_directory",
        "_doubtful",
        "_host",
        "_known",
        "_path",
    )

    def __init__(
        self,
        page: str,
        budgets: Budgets,
        counted: Callable[[str], int],
        counters: MutableMapping[str, int],
        known: Callable[[str], bool],
    ) -> None:
        self._budgets = budgets
        self._counted = counted
        self._counters = counters
        self._known = known
        self._host = scheduling_host(page)
        self._doubtful: dict[bytes, tuple[str, str]] = {}
        self._calendar = is_calendar_page(page)
        path, _, query = page.partition("?")
        self._path = path + "?" if query.count("&") >= _PARAMETERS - 1 else ""
        directory = path[: path.rfind("/") + 1]
        self._directory = directory if directory.count("/") >= _DEEP else ""
        self._chances = _CHANCES

    @classmethod
    def may_begin(cls, page: str) -> bool:
        """Whether a page is of one of the three kinds; most are not, and their links are not looked at."""
        return page.count("/") >= _DEEP or page.count("&") >= _PARAMETERS - 1 or is_calendar_page(page)

    def look_at(self, url: str, key: bytes) -> None:
        """Notes a new link that may lead nowhere; what becomes of it `settle` says, with the whole page at hand."""
        if self._calendar and scheduling_host(url) == self._host and is_calendar_page(url):
            self._doubtful[key] = ("max_calendar", self._host)
        elif self._path and url.startswith(self._path) and url.count("&") >= _PARAMETERS - 1:
            self._doubtful[key] = ("max_combinations", self._path[self._path.find("//") + 2 : -1])
        elif self._chances and self._directory and url.startswith(self._directory):
            if self._grows(url):
                self._doubtful[key] = ("max_growth", self._host)
                self._chances = _ALL  # the page is one of them: each of its links is looked at
            else:
                self._chances -= 1

    def settle(self, found: list[Found]) -> list[tuple[Found, str]]:
        """Takes out of what the page found the links beyond a budget; returns them with the rule's detail."""
        doubtful = self._doubtful
        if not doubtful:
            return []
        weight = 1 if any(one.key not in doubtful for one in found) else _TENTHS
        refused: list[tuple[Found, str]] = []
        for one in found:
            if one.key in doubtful:
                setting, place = doubtful[one.key]
                detail = self._count(setting, place, weight)
                if detail is not None:
                    refused.append((one, detail))
        if refused:
            out = {id(one) for one, _ in refused}
            found[:] = [one for one in found if id(one) not in out]
        doubtful.clear()
        return refused

    def _grows(self, url: str) -> bool:
        """Whether the same tail hangs under the two directories above, as where links go down for ever.

        Beyond the budget they are left out, so that those above may be missing: any two count then.
        """
        tail = url[len(self._directory) :]
        if not tail or tail[0] in "?#":
            return False
        spent = self._tally("max_growth", self._host) >= _TENTHS * (self._budgets.max_growth or 0)
        above, found = self._directory, 0
        while above.count("/") > 3:
            above = above[: above.rfind("/", 0, -1) + 1]
            if self._known(above + tail):
                found += 1
                if found == 2:
                    return True
            elif not spent:
                return False
        return False

    def _tally(self, setting: str, place: str) -> int:
        name = f"{TALLY}{setting} {place}"
        return self._counted(name) + self._counters.get(name, 0)

    def _count(self, setting: str, place: str, weight: int) -> str | None:
        limit = getattr(self._budgets, setting)
        if self._tally(setting, place) + weight > limit * _TENTHS:
            return f"{setting} = {limit}: {_MEANING[setting]} {place}"
        name = f"{TALLY}{setting} {place}"
        self._counters[name] = self._counters.get(name, 0) + weight
        return None


_MEANING: Final = {
    "max_calendar": "so many dates that lead to nothing but dates, on",
    "max_combinations": "so many combinations of parameters that lead to nothing else, at",
    "max_growth": "so many links whose path repeats under each directory, on",
}
