"""robots.txt of each origin: known, being found out, or failing (RFC 9309).

`Robots` is the scheduler's gate. It is asked at each hand-out and never waits: an origin that is not
known is noted, the engine fetches what `wanted` names, and the host is woken. How an answer counts:

    2xx                 its rules; an HTML page sets none (said once)
    redirects           followed, ten at most, to any host; the rules are those of the origin that was asked
    4xx                 everything is allowed (§2.3.1.3)
    429, 5xx, no answer nothing is allowed (§2.3.1.4): asked again after 1, 2, 4, … s (`retry_wait`),
                        `retries` times; then the host is parked, so that a site whose robots.txt is
                        down for a night does not end as an empty success. What was known is kept meanwhile
    no address, a certificate that is not trusted, an address that is refused
                        the pages are let through: they fail by themselves and are recorded as failed
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, Protocol

from crawler.errors import DNSFailed, FetchError, Refused, TLSFailed
from crawler.events import Event, HostParked, HostWaits, Warned
from crawler.request import PLAIN, make
from crawler.retry_after import retry_after
from crawler.robots_rules import ALLOW_ALL, Rules, parse, product_token
from crawler.settings_values import slow_robots
from crawler.urls import join, origin, scheduling_host

if TYPE_CHECKING:
    from crawler.contracts import Entry, Fetcher
    from crawler.response import Response
    from crawler.settings import Settings

__all__ = ["Hosts", "Robots", "path_of", "text_of"]

LIMIT: Final = 500 * 1024
"""Bytes of a robots.txt that are read; the rest is ignored (§2.5)."""
_KEEP: Final = 24 * 3600.0  # seconds that rules are trusted (§2.4)
_KEEP_STALE: Final = 3600.0  # seconds that old rules are used on when new ones cannot be had
_KEEP_OPEN: Final = 60.0  # seconds that pages of an origin that cannot be reached at all are let through
_LONGEST: Final = 3600.0  # seconds between two questions to an origin that keeps failing
_HOPS: Final = 10
_ORIGINS: Final = 50_000  # known at once; older ones are asked again when needed
_RULES: Final = 200_000  # rules kept at once, over all origins: 100 MB at the very most
_SLOW_AFTER: Final = 0.25  # seconds
_LARGE: Final = 50 * 1024  # parsed in a thread from here on
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Hosts(Protocol):
    """What robots.txt has to say to the scheduler."""

    def sent(self, host: str) -> None:
        """A request went to the host just now."""
        ...

    def set_delay(self, host: str, seconds: float) -> None:
        """The host's Crawl-delay; 0: none."""
        ...

    def wake(self, host: str) -> None:
        """The host's pages may be looked at again."""
        ...

    def park(self, host: str, until: float, reason: str) -> None:
        """The host is left alone until then, an epoch second."""
        ...


@dataclass(slots=True)
class _Known:
    rules: Rules
    expires: float


@dataclass(slots=True)
class _Failing:
    """Attempts that failed in a row, and the epoch second before which there is no other."""

    attempts: int
    due: float


class Robots:
    """The gate of one crawl. `clock` gives epoch seconds."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self.fetched = 0
        """Requests for robots.txt so far, redirects included."""
        self._on = settings.robots
        self._token = product_token(settings.user_agent)
        self._concurrency = settings.concurrency
        self._attempts = settings.retries + 1
        self._wait = settings.retry_wait
        self._max_wait = settings.max_wait
        self._clock = clock
        self._known: dict[str, _Known] = {}  # the first is the oldest
        self._rules = 0  # in all of `_known`
        self._failing: dict[str, _Failing] = {}
        self._again: list[tuple[float, str]] = []  # a heap of those whose host is asleep, not parked
        self._line: deque[str] = deque()
        self._asked: set[str] = set()  # in the line or being fetched
        self._fetching = 0  # without the slow ones
        self._slow: set[str] = set()  # being fetched for so long that others need not wait for them
        self._most_slow = slow_robots(settings)
        self._html_told = False
        self._answered: dict[str, tuple[float, int, bytes]] = {}

    # -- the scheduler's side

    @property
    def full(self) -> bool:
        """Twice `concurrency` origins are being found out, but for slow ones: no further host is looked at."""
        slow = len(self._slow)
        return len(self._asked) - slow >= 2 * self._concurrency or slow >= self._most_slow

    def check(self, entry: Entry) -> str:
        """ "go", "wait", "later", or "robots" for a page that the rules leave out."""
        if not self._on:
            return "go"
        url = entry.request.url
        place = origin(url)
        known = self._known.get(place)
        now = self._clock()
        if known is not None and now < known.expires:
            if not known.rules.count or known.rules.allows(path_of(url)):
                return "go"
            return "robots"
        if place in self._asked:
            return "wait"
        failing = self._failing.get(place)
        if failing is not None and failing.due > now:
            heappush(self._again, (failing.due, place))
            return "wait"
        if self.full:
            return "later"
        self._ask_for(place)
        return "wait"

    # -- the engine's side

    @property
    def idle(self) -> bool:
        """No robots.txt is being fetched or waits for it."""
        return not self._asked

    @property
    def asks(self) -> bool:
        """Whether `wanted` has something to fetch now."""
        return bool(self._line) and self._fetching < self._concurrency

    def wanted(self) -> list[str]:
        """The origins whose robots.txt is to be fetched now, each by one `fetch`; at most
        `concurrency` at a time, but for slow ones."""
        if self._again:
            now = self._clock()
            while self._again and self._again[0][0] <= now:
                due, place = heappop(self._again)
                failing = self._failing.get(place)
                if failing is not None and failing.due == due and place not in self._asked:
                    self._ask_for(place)
        wanted: list[str] = []
        while self._line and self._fetching < self._concurrency:
            wanted.append(self._line.popleft())
            self._fetching += 1
        return wanted

    def next_due(self) -> float | None:
        """Seconds until a failing robots.txt is to be asked for again; None: none is."""
        return max(self._again[0][0] - self._clock(), 0.0) if self._again else None

    def answered(self) -> dict[str, tuple[float, int, bytes]]:
        """What a commit records for `explain`: the answers since the last call, by origin: epoch second,
        status (0: none came), the zlib-compressed body of one that has rules."""
        answered, self._answered = self._answered, {}
        return answered

    async def fetch(self, place: str, fetcher: Fetcher, hosts: Hosts) -> list[Event]:
        """Gets the robots.txt of an origin that `wanted` named; what is to be said about it.

        It raises nothing for what the network does.
        """
        host = scheduling_host(place + "/")
        patience = asyncio.get_running_loop().call_later(_SLOW_AFTER, self._let_others_go, place)
        try:
            response = await self._get(place, fetcher, hosts)
            self._note(place, response)
            if response is not None and (response.status >= 500 or response.status == 429):
                wait = retry_after(response.headers) or 0.0
                return self._failed(place, host, f"status {response.status}", wait, hosts)
            rules, events = await self._read(place, response)
        except (DNSFailed, TLSFailed, Refused) as error:
            self._note(place, None)
            if isinstance(error, DNSFailed) and self._tries(place) < self._attempts:
                return self._failed(place, host, error.message, 0.0, hosts)
            self._learn(place, host, ALLOW_ALL, _KEEP_OPEN, hosts)
            return []
        except FetchError as error:
            self._note(place, None)
            return self._failed(place, host, error.message, 0.0, hosts)
        finally:
            patience.cancel()
            self._asked.discard(place)
            if place in self._slow:
                self._slow.discard(place)
            else:
                self._fetching -= 1
            hosts.wake(host)
        self._learn(place, host, rules, _KEEP, hosts)
        return events

    def _let_others_go(self, place: str) -> None:
        """A silent host holds up nobody's robots.txt but its own."""
        self._slow.add(place)
        self._fetching -= 1

    def _note(self, place: str, response: Response | None) -> None:
        status = response.status if response is not None else 0
        body = zlib.compress(response.body, 1) if response is not None and 200 <= status < 300 else b""
        self._answered[place] = (self._clock(), status, body)

    # -- asking

    def _ask_for(self, place: str) -> None:
        self._asked.add(place)
        self._line.append(place)

    async def _get(self, place: str, fetcher: Fetcher, hosts: Hosts) -> Response | None:
        """The answer at the end of the redirects; None when they lead nowhere."""
        url = f"{place}/robots.txt"
        for _ in range(_HOPS + 1):
            hosts.sent(scheduling_host(url))
            self.fetched += 1
            response = await fetcher(make(url, "", {}, PLAIN, 0), max_body=LIMIT, cut=True)
            if response.status not in _REDIRECTS:
                return response
            try:
                url = join(url, response.headers.get("Location", ""))
            except ValueError:
                return None
            if not url.startswith(("http://", "https://")):
                return None
        return None

    async def _read(self, place: str, response: Response | None) -> tuple[Rules, list[Event]]:
        if response is None or not 200 <= response.status < 300:
            return ALLOW_ALL, []
        text = text_of(response.body)
        if text is None:
            if self._html_told:
                return ALLOW_ALL, []
            self._html_told = True
            message = f"{place}/robots.txt is an HTML page: it sets no rules (said once, whatever others do)"
            return ALLOW_ALL, [Warned(message, f"{place}/robots.txt")]
        if len(response.body) > _LARGE:
            return await asyncio.to_thread(parse, text, self._token), []
        return parse(text, self._token), []

    # -- what came of it

    def _learn(self, place: str, host: str, rules: Rules, keep: float, hosts: Hosts) -> None:
        self._failing.pop(place, None)
        old = self._known.pop(place, None)
        self._rules += rules.count - (old.rules.count if old is not None else 0)
        self._known[place] = _Known(rules, self._clock() + keep)
        while len(self._known) > 1 and (len(self._known) > _ORIGINS or self._rules > _RULES):
            oldest = next(iter(self._known))
            self._rules -= self._known.pop(oldest).rules.count
        delays = (self._known[at].rules.delay for at in _origins(host) if at in self._known)
        hosts.set_delay(host, max((delay for delay in delays if delay is not None), default=0.0))
        hosts.wake(host)

    def _tries(self, place: str) -> int:
        """The attempts made, with the one that just ended."""
        failing = self._failing.get(place)
        return failing.attempts + 1 if failing is not None else 1

    def _failed(self, place: str, host: str, why: str, asked: float, hosts: Hosts) -> list[Event]:
        """No answer that counts. `asked`: seconds for which the host wants to be left alone."""
        now = self._clock()
        known = self._known.get(place)
        if known is not None:
            known.expires = now + max(asked, _KEEP_STALE)
            return []
        attempts = self._tries(place)
        wait = max(min(self._wait * 2.0 ** min(attempts - 1, 30), _LONGEST), asked)
        reason = f"robots.txt of {place}: {why}"
        if attempts < self._attempts and wait <= self._max_wait:
            self._failing[place] = _Failing(attempts, now + wait)
            return [HostWaits(host, wait, reason)]
        if any(at in self._known for at in _origins(host)):
            # Only one of the host's two origins is down: it must not take the other one with it. Where
            # nobody answers, its pages fail by themselves; where somebody does, they are left out.
            gone = not why.startswith("status")
            self._learn(place, host, ALLOW_ALL if gone else Rules({"/": False}), _KEEP_OPEN, hosts)
            return []
        self._failing[place] = _Failing(attempts, now + wait)
        hosts.park(host, now + wait, reason)
        return [HostParked(host, now + wait, reason)]


def text_of(body: bytes) -> str | None:
    """The text of a robots.txt, as far as it counts; None for an HTML page, which sets no rules."""
    if len(body) >= LIMIT:  # cut: the last line may be half a rule
        body = body[: max(body.rfind(b"\n", 0, LIMIT), body.rfind(b"\r", 0, LIMIT), 0)]
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return None if text.lstrip()[:1] == "<" else text


def path_of(url: str) -> str:
    """Path and query of an absolute URL."""
    return url[url.index("/", url.index("//") + 2) :]


def _origins(host: str) -> tuple[str, ...]:
    """The origins that are one scheduling host."""
    return f"http://{host}", f"https://{host}"
