"""Where each host is: warm in one of several places, or cold.

A warm host is ready (in the ring, or over its share of the workers), idle, busy (as much in flight
as it may have), timed, asleep until its robots.txt is known, put off at the gate, or parked. `place`
puts it where it belongs after every change.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from crawler.backlog import Backlog
from crawler.contracts import Level
from crawler.scheduler.chains import Chains
from crawler.scheduler.cold import Cold
from crawler.scheduler.gate import LATER, WAIT
from crawler.scheduler.hosts import ASLEEP, BUSY, IDLE, OVER, PARKED, PUT_OFF, RING, TIMED, Host
from crawler.scheduler.order import Favourites, Order
from crawler.scheduler.politeness import Timer, Waits
from crawler.scheduler.throttle import Answer, Pace, Slowed, Throttle

if TYPE_CHECKING:
    from crawler.settings import Settings

__all__ = ["Places"]

_WARM = 1024  # this many hosts may be ready at once; beyond it a host is kept cold until its turn
_RESTING = 1024  # of hosts without work so many are remembered, for the faces
_WINDOW = 16  # pages that a window has room for at least: a look into the store costs 200 µs, whatever it brings
_PACES = 10_000  # cold hosts of which it is known how slowly they are to be asked
_STEP = 64  # hosts moved in one call, so that none takes long


class Places:
    """All hosts of a crawl. Its owner changes hosts and calls `place`."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self.hosts: dict[str, Host] = {}
        """The warm ones."""
        self.cold = Cold()
        self.order = Order(4 * settings.concurrency)
        self.put_off: OrderedDict[Host, None] = OrderedDict()
        self.timer = Timer()
        self.waits = Waits()
        self.delays: dict[str, float] = {}
        """Hosts with a longer delay than the setting's, in seconds."""
        self.turn = 0
        """Hand-outs so far."""
        self.begin = 0.0
        """No host is asked before, in a process that took up the work of another. Epoch seconds."""
        self.level: int | None = None
        """-priority of the first page ever."""
        self.favourites: Favourites | None = None
        """Only once there are two priorities."""
        self._clock = clock
        self._concurrency = settings.concurrency
        self._limit = min(settings.concurrency_per_host, settings.concurrency)
        self._delay = settings.delay
        self._throttle = Throttle(settings) if settings.throttle else None
        self._paces: dict[str, Pace] = {}
        self._resting: OrderedDict[Host, None] = OrderedDict()
        self._active = 0  # warm hosts that are ready or in flight

    # -- where a host belongs

    def place(self, host: Host, now: float | None) -> None:
        """Puts a host where it belongs, after whatever changed about it. `now`: where it is known."""
        was = host.where
        if was < ASLEEP:
            if not host.has_work:
                to = BUSY if host.in_flight else IDLE
            elif host.in_flight >= host.limit:
                to = BUSY
            elif host.next_at and host.next_at > (now := self._clock() if now is None else now):
                to = TIMED
            else:
                to = RING
            if was == IDLE:
                self._resting.pop(host, None)
            if to == RING:
                if was > OVER and self.cold and self._chill(host):
                    return
                self.order.enter(host)
                if self.favourites is not None:
                    self._favour(self.favourites, host)
            else:
                if was <= OVER:
                    self.order.leave(host)
                host.where = to
                if to == TIMED:
                    self.timer.watch(host, host.next_at)
                elif to == IDLE and not host.pending:
                    self._rest(host, self._clock() if now is None else now)
        active = host.in_flight > 0 or host.where <= OVER
        if active is not host.active:
            host.active = active
            self._active += 1 if active else -1

    def replace(self, host: Host, now: float) -> None:
        """As `place`, at the end of the line: the host has had its turn."""
        self.order.leave(host)
        host.where = BUSY
        self.place(host, now)

    def _rest(self, host: Host, now: float) -> None:
        """Without work: remembered as long as its wait matters, and a little for the faces."""
        self._resting[host] = None
        if len(self._resting) > _RESTING:
            oldest = next(iter(self._resting))
            if oldest.next_at > now:
                self._resting.move_to_end(oldest)
            else:
                del self._resting[oldest], self.hosts[oldest.name]
                self._remember(oldest)

    def heard(self, host: Host, answer: Answer, now: float, seconds: float, asked: float) -> Slowed | None:
        """How a request of the host ended: it is asked from now on as its throttle says. Who says so places it."""
        if self._throttle is None:
            return None
        pace = host.pace
        if pace is None:
            pace = host.pace = Pace(self._throttle, now)
        slowed = None
        if answer == "good":
            pace.good(now, seconds)
        else:
            slowed = pace.trouble(answer, now, seconds, asked)
        if pace.limit != host.limit or pace.gap != host.gap:
            self._keep_to(host, pace)
        return slowed

    def _keep_to(self, host: Host, pace: Pace) -> None:
        host.pace, host.limit, host.gap = pace, pace.limit, pace.gap
        host.delay = max(self.delays.get(host.name, self._delay), pace.gap)

    def _remember(self, host: Host) -> None:
        """What must outlast a host that goes cold: that it is to be asked slowly."""
        if host.pace is not None and host.pace.slowed:
            if len(self._paces) >= _PACES:
                del self._paces[next(iter(self._paces))]
            self._paces[host.name] = host.pace

    def wait_until(self, host: Host, moment: float, reason: str) -> None:
        """The host is not asked before; who says so places it."""
        host.next_at = moment
        host.reason = reason
        self.waits.note(host.name, moment)

    def sleep(self, host: Host, verdict: str, now: float) -> None:
        """The gate said WAIT or LATER."""
        self.order.leave(host)
        host.where = ASLEEP if verdict == WAIT else PUT_OFF
        if verdict == LATER:
            self.put_off[host] = None
        self.place(host, now)

    def wake(self, host: Host) -> None:
        """The gate knows what it did not know."""
        if host.where in (ASLEEP, PUT_OFF):
            self.put_off.pop(host, None)
            host.where = BUSY
            self.place(host, None)

    def park(self, host: Host, until: float, reason: str) -> None:
        """Left alone until an epoch second, when the timer gives it."""
        self.put_off.pop(host, None)
        self._resting.pop(host, None)
        self.order.leave(host)
        host.where = PARKED
        self.wait_until(host, max(until, host.next_at), reason)
        self.timer.watch(host, host.next_at)
        self.place(host, None)

    def freed(self, host: Host, now: float) -> None:
        """A request of it ended. With cold hosts waiting it goes behind them."""
        if host.where <= OVER:
            if self.cold:
                self.replace(host, now)
                return
            self.order.freed(host, self.share())
        self.place(host, now)

    def call_back(self, now: float) -> None:
        """The gate has room again: those that were put off come to it once more."""
        for _ in range(min(_STEP, len(self.put_off))):
            host, _none = self.put_off.popitem(last=False)
            host.where = BUSY
            self.place(host, now)

    # -- whose turn

    def share(self) -> int:
        """How many workers a host may hold while others are ready or in flight: rounded up, so that
        the shares of all come to all workers."""
        return -(-self._concurrency // max(1, self._active + len(self.cold)))

    def room(self) -> int:
        """How many pages a window holds. With cold hosts waiting a host has one turn and goes back."""
        return 1 if self.cold else max(_WINDOW, 2 * self.share())

    def next(self, now: float) -> Host | None:
        """The host whose turn it is, left in its place; None when none may have more."""
        share = self.share()
        if self.favourites is not None and self.turn % 8 == 7:
            host = self._favourite(self.favourites, share, now)
            if host is not None:
                return host
        return self.order.next(share, self.turn)

    # -- cold and warm

    def restore(self, backlog: Backlog) -> None:
        """All that an earlier process left, cold; before anything else."""
        self.cold.restore(backlog)
        for priority in {level[0] for level in backlog.levels}:
            self.new_level(priority)

    def add_cold(self, name: str, level: Level, id: int) -> None:
        """A page of a host that is not warm."""
        before = self.cold.best(name) if self.favourites is not None else None
        self.cold.append(name, level, id)
        if self.favourites is not None and self.cold.best(name) != before:
            self.favourites.push(level[0], name)

    @property
    def crowded(self) -> bool:
        """A host that is not known yet must begin cold."""
        return bool(self.cold) or len(self.order) >= _WARM

    def warm(self, name: str) -> Host:
        """The host, warm; who asks for it places it."""
        host = self.hosts.get(name)
        if host is None:
            host = self._host_of(name, self.cold.remove(name))
        return host

    def _host_of(self, name: str, chains: Chains | None) -> Host:
        host = self.hosts[name] = Host(name, self.delays.get(name, self._delay), self.begin, self._limit)
        if self._paces and (pace := self._paces.pop(name, None)) is not None:
            self._keep_to(host, pace)
        if chains is not None:
            host.chains = chains
            host.pending = chains.count
            if self.favourites is not None:
                host.favourite = chains.best[0]
        return host

    def wants_cold(self, now: float) -> int:
        """How many cold hosts are to come in now: a step when the ring runs low, none while others are
        put off at the gate."""
        if not self.cold or len(self.order) > _WARM - _STEP or self.put_off or self.begin > now:
            return 0
        return min(_STEP, len(self.cold))

    def bring_in(self) -> tuple[int, Host]:
        """The cold host whose turn it is, and the id of its first page; to be given that and placed by
        `enter`. Raises IndexError when there is none."""
        name, level, id, others = self.cold.pop()
        host = self._host_of(name, others)
        host.pending += 1
        host.favourite = level if self.favourites is not None else None
        return id, host

    def enter(self, host: Host) -> None:
        """A host that was cold, into the ring."""
        self.order.enter(host)
        host.active = True
        self._active += 1

    def _chill(self, host: Host) -> bool:
        """While others wait cold, a host that had its turn goes behind them, if nothing of it must stay."""
        if host.in_flight or host.owed or host.fetches or self.put_off:
            return False
        chains = host.to_chains()
        self.cold.put(host.name, chains)
        del self.hosts[host.name]
        self._remember(host)
        if host.active:
            self._active -= 1
        if self.favourites is not None:
            best = self.cold.best(host.name)
            assert best is not None
            if host.favourite != best:
                self.favourites.push(best, host.name)
        return True

    # -- the best priority

    def new_level(self, level: int) -> None:
        """Notes the first priority; at the second one the favourites begin."""
        if self.level is None:
            self.level = level
        elif self.favourites is None and level != self.level:
            self.favourites = Favourites()
            for host in self.hosts.values():
                if host.where <= OVER:
                    self._favour(self.favourites, host)
            for name in self.cold:
                best = self.cold.best(name)
                assert best is not None
                self.favourites.push(best, name)

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
            host = self.hosts.get(name)
            if host is None:
                if self.cold.best(name) != level or self.begin > now:
                    continue
                found = self._host_of(name, self.cold.remove(name))
                found.favourite = None
                self.enter(found)
            elif host.favourite == level:  # else it stands in another list as well
                host.favourite = None
                if host.where > OVER:
                    continue
                passed.append(host)
                if host.best == level and (host.in_flight < share or self.order.answers(host, self.turn)):
                    found = host
        for host in passed:  # those that stay ready stay in the lists
            self._favour(favourites, host)
        return found
