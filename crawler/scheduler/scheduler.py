"""`Scheduler`: gives out the page that may be sent now. Synchronous, driven by an injected clock.

Each host is in exactly one place: ready (in the ring, or over its share of the workers), idle, busy
(as much in flight as it may have), timed, asleep until its robots.txt is known, put off, parked, or
cold. `_place` puts it where it belongs; all else here changes something and then calls it.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from crawler.contracts import Entry, Level
from crawler.scheduler.chains import Chains
from crawler.scheduler.cold import Cold
from crawler.scheduler.gate import GO, LATER, WAIT, Gate
from crawler.scheduler.hosts import (
    ASLEEP,
    BUSY,
    IDLE,
    OVER,
    PARKED,
    PUT_OFF,
    RING,
    TIMED,
    Host,
    HostView,
    ranked,
)
from crawler.scheduler.order import Favourites, Order
from crawler.scheduler.politeness import Timer, Waits, seconds_left

if TYPE_CHECKING:
    from crawler.settings import Settings

__all__ = ["Handout", "Mode", "Scheduler"]

Mode = Literal["all", "owed", "fetches"]
"""What may be handed out: everything; only fetches and what was given back; only fetches."""

_WARM = 1024  # this many hosts may be ready at once; beyond it a host is kept cold until its turn
_RESTING = 1024  # of hosts without work so many are remembered, for the faces
_STEP = 64  # hosts moved in one call, so that none takes long


class Handout(NamedTuple):
    """A page that goes now, with a permit of its host; or, with a reason in `skip`, one that never goes."""

    entry: Entry
    skip: str = ""


class Scheduler:
    """Which page goes next.

    Within a host strictly by (-priority, depth, age); fetches of pages in flight go first. Between
    ready hosts round robin, and one hand-out in eight goes to the best priority of all.

    `bodies(ids)` gives the entries of pending ids, in their order, without those that are gone.
    `clock` gives epoch seconds.
    """

    def __init__(
        self,
        settings: Settings,
        bodies: Callable[[Sequence[int]], list[Entry]],
        *,
        gate: Gate,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.pending = 0
        """Pages that are not in flight, whatever they wait for. Fetches are not counted."""
        self.in_flight = 0
        """Host permits that are out."""
        self._bodies = bodies
        self._gate = gate
        self._clock = clock
        self._concurrency = settings.concurrency
        self._limit = min(settings.concurrency_per_host, settings.concurrency)
        self._delay = settings.delay
        self._max_wait = settings.max_wait
        self._hosts: dict[str, Host] = {}  # the warm ones
        self._cold = Cold()
        self._order = Order(4 * settings.concurrency)
        self._favourites: Favourites | None = None  # only once there are two priorities
        self._level: int | None = None  # -priority of the first page ever
        self._resting: OrderedDict[Host, None] = OrderedDict()
        self._put_off: OrderedDict[Host, None] = OrderedDict()
        self._parked: dict[str, Host] = {}
        self._refused: deque[Handout] = deque()
        self._timer = Timer()
        self._waits = Waits()
        self._delays: dict[str, float] = {}  # hosts with a longer delay than the setting's
        self._active = 0  # warm hosts that are ready or in flight
        self._owed = 0
        self._turn = 0  # hand-outs so far
        self._begin = 0.0  # no host is asked before, in a process that took up the work of another

    # -- what there is

    def add(self, entry: Entry) -> None:
        """A newly accepted page. Only the best of a host stay here, as many as its window holds; of
        the others the id."""
        rank = ranked(entry)
        self.pending += 1
        if rank[0] != self._level:
            self._new_level(rank[0])
        host = self._hosts.get(entry.host)
        if host is None:
            if self._cold or len(self._order) >= _WARM:
                self._add_cold(entry.host, rank[:2], (entry.id,))
                return
            host = self._warm(entry.host)
        host.pending += 1
        host.add(rank, self._room)
        if host.where > OVER or self._favourites is not None:
            self._place(host, None)

    def restore(self, host: str, level: Level, ids: Sequence[int]) -> None:
        """Pending pages of an earlier process, oldest first. Before any `add`."""
        if not ids:
            return
        self.pending += len(ids)
        if level[0] != self._level:
            self._new_level(level[0])
        warm = self._hosts.get(host)
        if warm is None:
            self._add_cold(host, level, ids)
            return
        warm.pending += len(ids)
        warm.restore(level, ids)
        self._place(warm, None)

    def give_back(self, entry: Entry) -> None:
        """A retry or the target of a redirect: waits for `entry.due`, then stands where its `age` puts it."""
        if not entry.id:  # the retry of a fetch: it is no page, and stands where fetches stand
            if entry.due > self._clock():
                self._timer.wait_for(entry.due, entry)
            else:
                self.fetch(entry)
            return
        host = self._warm(entry.host)
        self.pending += 1
        self._owed += 1
        host.pending += 1
        host.owed += 1
        if entry.level[0] != self._level:
            self._new_level(entry.level[0])
        now = self._clock()
        if entry.due > now:
            self._timer.wait_for(entry.due, entry)
        else:
            host.returned(entry)
        self._place(host, now)

    def fetch(self, entry: Entry) -> None:
        """A transient request (id 0) that a page waits for: before all pages of its host, under the
        same permits and delay. Of a parked host it comes out skipped, "parked"."""
        host = self._warm(entry.host)
        if host.where == PARKED:
            self._refused.append(Handout(entry, "parked"))
            self._place(host, None)
        else:
            host.fetches.append(entry)
            self._place(host, None)

    # -- handing out

    def take(self, mode: Mode = "all") -> Handout | None:
        """The next page that may be sent at this moment, or one that a rule leaves out; None: nothing can.

        A page to send takes a permit of its host, until `release`.
        """
        now = self._clock()
        if self._timer.is_due(now):
            self._wake_due(now)
        if self._refused:
            return self._refused.popleft()
        if self._put_off and not self._gate.full:
            self._call_back(now)
        while (host := self._choose(mode, now)) is not None:
            if mode == "all" and not host.window and host.chains is not None and not host.fetches:
                self._refill(host, now)
            entry = host.first(mode == "all")
            if entry is None:  # what its chain named is gone, or not due
                self._place(host, now)
                continue
            verdict = self._gate.check(entry)
            if verdict == GO:
                self._remove(host, entry)
                self._send(host, now)
                return Handout(entry)
            if verdict in (WAIT, LATER):
                self._sleep(host, verdict, now)
                continue
            self._remove(host, entry)
            self._replace(host, now)
            return Handout(entry, verdict)
        return None

    def release(self, host: str, *, wait: float = 0.0, failed: bool = False) -> None:
        """A request ended, with its body: its permit comes back. `wait`: seconds for which the host
        asked to be left alone; `failed`: for the host's numbers."""
        now = self._clock()
        warm = self._hosts[host]
        self.in_flight -= 1
        warm.in_flight -= 1
        warm.pages += 1
        warm.errors += failed
        warm.seconds += now
        warm.answered = self._turn
        if wait > 0 and now + wait > warm.next_at:
            self._wait_until(warm, now + wait, "retry-after")
        if warm.where == RING or warm.where == OVER:
            if self._cold:
                self._replace(warm, now)  # behind the cold ones
                return
            self._order.freed(warm, self._share())
        self._place(warm, now)

    def sent(self, host: str) -> None:
        """Something went to the host at this moment that was not handed out (robots.txt), or later
        than it was: the delay counts from now."""
        now = self._clock()
        warm = self._warm(host)
        warm.sent_at = now
        if warm.delay and now + warm.delay > warm.next_at:
            self._wait_until(warm, now + warm.delay, "")
        self._place(warm, now)

    def wake(self, host: str) -> None:
        """The gate knows now what it wanted to know about the host."""
        warm = self._hosts.get(host)
        if warm is not None and (warm.where == ASLEEP or warm.where == PUT_OFF):
            self._put_off.pop(warm, None)
            warm.where = BUSY
            self._place(warm, None)

    def set_delay(self, host: str, seconds: float) -> None:
        """The host's own delay (Crawl-delay), in seconds; the setting's if that is longer. At most `max_wait`."""
        delay = max(self._delay, min(seconds, self._max_wait))
        if delay > self._delay:
            self._delays[host] = delay
        else:
            self._delays.pop(host, None)
        warm = self._hosts.get(host)
        if warm is not None and warm.delay != delay:
            warm.delay = delay
            if warm.sent_at and warm.sent_at + delay > warm.next_at:
                self._wait_until(warm, warm.sent_at + delay, "")
            self._place(warm, None)

    def park(self, host: str, until: float, reason: str) -> None:
        """Leaves a host alone until an epoch second. It keeps its pages; fetches that wait for it are
        skipped. A crawl that has only parked hosts left ends (`only_parked`)."""
        warm = self._warm(host)
        self._put_off.pop(warm, None)
        self._resting.pop(warm, None)
        self._order.leave(warm)
        self._parked[host] = warm
        warm.where = PARKED
        self._wait_until(warm, max(until, warm.next_at), reason)
        self._timer.watch(warm, warm.next_at)
        self._refused.extend(Handout(entry, "parked") for entry in warm.fetches)
        warm.fetches.clear()
        self._place(warm, None)

    # -- times

    def next_due(self) -> float | None:
        """Seconds until something may become ready by time alone; None: nothing waits for a time."""
        return self._timer.next_due(self._clock())

    def waits(self) -> dict[str, tuple[float, float]]:
        """Host to (now, seconds until it may be asked), of those that changed since the last call:
        what a commit records."""
        return self._waits.take(self._clock())

    def restore_waits(self, hosts: Mapping[str, tuple[float, float]]) -> None:
        """The committed waits of earlier processes, after `restore`. Every host begins at its wait or
        after one delay, whichever is later: what was sent after the last commit is not known."""
        now = self._clock()
        if self._delay and (hosts or self.pending):
            self._begin = now + self._delay
            self._timer.wait_for(self._begin, None)
            for warm in list(self._hosts.values()):
                warm.next_at = max(warm.next_at, self._begin)
                self._place(warm, now)
        for name, seconds in seconds_left(hosts, now).items():
            warm = self._warm(name)
            if seconds > max(self._max_wait, self._delay):
                self.park(name, now + seconds, f"it asked to wait, {seconds:,.0f} s are left")
            else:
                self._wait_until(warm, max(warm.next_at, now + seconds), "")
                self._place(warm, now)

    # -- for the end, and for faces

    @property
    def owed(self) -> int:
        """Pages that were given back and not handed out again, but for those of parked hosts."""
        return self._owed - sum(host.owed for host in self._parked.values())

    @property
    def idle(self) -> bool:
        """Nothing is pending and nothing in flight."""
        return not self.pending and not self.in_flight

    @property
    def only_parked(self) -> bool:
        """All that is left belongs to parked hosts, and nothing is in flight."""
        if not self.pending or self.in_flight:
            return False
        return sum(host.pending for host in self._parked.values()) == self.pending

    def parked(self) -> dict[str, tuple[float, str]]:
        """Host to (epoch second until which it is left alone, reason)."""
        return {name: (host.next_at, host.reason) for name, host in self._parked.items()}

    def hosts(self) -> Iterator[HostView]:
        """The hosts that are asked, wait or were asked lately: at most a few thousand, however many are known."""
        now = self._clock()
        return (host.view(now) for host in self._hosts.values())

    # -- where a host belongs

    def _place(self, host: Host, now: float | None) -> None:
        was = host.where
        if was < ASLEEP:
            if not host.has_work:
                to = BUSY if host.in_flight else IDLE
            elif host.in_flight >= self._limit:
                to = BUSY
            elif host.next_at and host.next_at > (now := self._clock() if now is None else now):
                to = TIMED
            else:
                to = RING
            if was == IDLE:
                self._resting.pop(host, None)
            if to == RING:
                if was > OVER and self._cold and self._chill(host):
                    return
                self._order.enter(host)
                if self._favourites is not None:
                    self._favour(self._favourites, host)
            else:
                if was <= OVER:
                    self._order.leave(host)
                host.where = to
                if to == TIMED:
                    self._timer.watch(host, host.next_at)
                elif to == IDLE and not host.pending:
                    self._rest(host, self._clock() if now is None else now)
        active = host.in_flight > 0 or host.where <= OVER
        if active is not host.active:
            host.active = active
            self._active += 1 if active else -1

    def _replace(self, host: Host, now: float) -> None:
        """As `_place`, at the end of the line: the host has had its turn."""
        self._order.leave(host)
        host.where = BUSY
        self._place(host, now)

    def _rest(self, host: Host, now: float) -> None:
        """Without work: remembered as long as its wait matters, and a little for the faces."""
        self._resting[host] = None
        if len(self._resting) > _RESTING:
            oldest = next(iter(self._resting))
            if oldest.next_at > now:
                self._resting.move_to_end(oldest)
            else:
                del self._resting[oldest], self._hosts[oldest.name]

    def _wait_until(self, host: Host, moment: float, reason: str) -> None:
        host.next_at = moment
        host.reason = reason
        self._waits.note(host.name, moment)

    def _sleep(self, host: Host, verdict: str, now: float) -> None:
        self._order.leave(host)
        host.where = ASLEEP if verdict == WAIT else PUT_OFF
        if verdict == LATER:
            self._put_off[host] = None
        self._place(host, now)

    def _call_back(self, now: float) -> None:
        """The gate has room again: those that were put off come to it once more."""
        for _ in range(min(_STEP, len(self._put_off))):
            host, _none = self._put_off.popitem(last=False)
            host.where = BUSY
            self._place(host, now)

    def _wake_due(self, now: float) -> None:
        for target in self._timer.due(now):
            if isinstance(target, Entry):
                if not target.id:
                    self.fetch(target)
                    continue
                host = self._warm(target.host)
                host.returned(target)
            elif self._hosts.get(target.name) is target:
                host = target
                if host.where == PARKED:
                    if host.next_at > now:
                        self._timer.watch(host, host.next_at)
                    else:
                        del self._parked[host.name]
                        host.where, host.reason = BUSY, ""
            else:
                continue  # it went cold since
            self._place(host, now)

    # -- whose turn

    def _share(self) -> int:
        """How many workers a host may hold while others are ready or in flight: rounded up, so that
        the shares of all come to all workers."""
        return -(-self._concurrency // max(1, self._active + len(self._cold)))

    def _room(self) -> int:
        """How many pages a window holds. With cold hosts waiting a host has one turn and goes back."""
        return 1 if self._cold else 2 * min(self._limit, self._share())

    def _choose(self, mode: Mode, now: float) -> Host | None:
        if mode != "all":
            return self._order.next_fetching() if mode == "fetches" else self._order.next_owing()
        if self._cold and len(self._order) <= _WARM - _STEP:
            self._promote(now)
        share = self._share()
        if self._favourites is not None and self._turn % 8 == 7:
            host = self._favourite(self._favourites, share, now)
            if host is not None:
                return host
        return self._order.next(share, self._turn)

    def _remove(self, host: Host, entry: Entry) -> None:
        before = host.pending
        self._owed -= host.remove(entry)
        self.pending -= before - host.pending

    def _send(self, host: Host, now: float) -> None:
        self.in_flight += 1
        self._turn += 1
        host.in_flight += 1
        host.seconds -= now
        host.sent_at = now
        if host.delay:
            self._wait_until(host, now + host.delay, "")
        self._replace(host, now)

    def _refill(self, host: Host, now: float) -> None:
        """The window from the chains; ids that are gone are forgotten."""
        while host.chains is not None and not host.window:
            ids = host.chains.take(self._room())
            if not host.chains.count:
                host.chains = None
            self._take_in(host, self._bodies(ids), len(ids), now)

    def _take_in(self, host: Host, entries: Sequence[Entry], asked: int, now: float) -> None:
        """What came of the `asked` ids goes into the window; the rest are no pages any more."""
        gone = asked - len(entries)
        host.pending -= gone
        self.pending -= gone
        for entry in entries:
            if entry.due > now:
                self._timer.wait_for(entry.due, entry)
                host.owed += 1
                self._owed += 1
            else:
                host.window.append(ranked(entry))
        if asked > 1:
            host.window.sort()

    # -- cold and warm

    def _add_cold(self, name: str, level: Level, ids: Sequence[int]) -> None:
        before = self._cold.best(name) if self._favourites is not None else None
        self._cold.extend(name, level, ids)
        if self._favourites is not None and self._cold.best(name) != before:
            self._favourites.push(level[0], name)

    def _warm(self, name: str) -> Host:
        """The host, warm; who asks for it places it."""
        host = self._hosts.get(name)
        if host is None:
            host = self._host_of(name, self._cold.remove(name))
        return host

    def _host_of(self, name: str, chains: Chains | None) -> Host:
        host = self._hosts[name] = Host(name, self._delays.get(name, self._delay), self._begin)
        if chains is not None:
            host.chains = chains
            host.pending = chains.count
            if self._favourites is not None:
                host.favourite = chains.best[0]
        return host

    def _promote(self, now: float) -> None:
        """Cold hosts come into the ring, with their first pages, which are read in one call. None
        does while others are put off at the gate."""
        if self._begin > now or self._put_off:
            return
        hosts: dict[int, Host] = {}
        for _ in range(min(_STEP, len(self._cold))):
            name, level, id, others = self._cold.pop()
            hosts[id] = host = self._host_of(name, others)
            host.pending += 1
            host.favourite = level if self._favourites is not None else None
        entries = {entry.id: entry for entry in self._bodies(list(hosts))}
        for id, host in hosts.items():
            self._take_in(host, [entries[id]] if id in entries else [], 1, now)
            if host.has_work:
                self._enter(host)
            else:
                self._place(host, now)

    def _enter(self, host: Host) -> None:
        """A host that was cold, into the ring."""
        self._order.enter(host)
        host.active = True
        self._active += 1

    def _chill(self, host: Host) -> bool:
        """While others wait cold, a host that had its turn goes behind them, if nothing of it must stay."""
        if host.in_flight or host.owed or host.fetches or self._put_off:
            return False
        chains = host.to_chains()
        self._cold.put(host.name, chains)
        del self._hosts[host.name]
        if host.active:
            self._active -= 1
        if self._favourites is not None:
            best = self._cold.best(host.name)
            assert best is not None
            if host.favourite != best:
                self._favourites.push(best, host.name)
        return True

    # -- the best priority

    def _new_level(self, level: int) -> None:
        """Notes the first priority; at the second one the favourites begin."""
        if self._level is None:
            self._level = level
        elif self._favourites is None:
            self._favourites = Favourites()
            for host in self._hosts.values():
                if host.where <= OVER:
                    self._favour(self._favourites, host)
            for name in self._cold:
                best = self._cold.best(name)
                assert best is not None
                self._favourites.push(best, name)

    def _favour(self, favourites: Favourites, host: Host) -> None:
        best = host.best
        if host.favourite != best:
            host.favourite = best
            favourites.push(best, host.name)

    def _favourite(self, favourites: Favourites, share: int, now: float) -> Host | None:
        """The host with the best priority that may go."""
        passed: list[Host] = []
        found = None
        while found is None and (popped := favourites.pop()) is not None:
            level, name = popped
            host = self._hosts.get(name)
            if host is None:
                if self._cold.best(name) != level or self._begin > now:
                    continue
                found = self._host_of(name, self._cold.remove(name))
                found.favourite = None
                self._enter(found)
            elif host.favourite == level:  # else it stands in another list as well
                host.favourite = None
                if host.where > OVER:
                    continue
                passed.append(host)
                if host.best == level and (host.in_flight < share or self._order.answers(host, self._turn)):
                    found = host
        for host in passed:  # those that stay ready stay in the lists
            self._favour(favourites, host)
        return found
