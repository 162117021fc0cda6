"""`Scheduler`: gives out the page that may be sent now. Synchronous, driven by an injected clock.

Each method changes something about a host and lets `Places` put it where it then belongs.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from crawler.backlog import Backlog
from crawler.contracts import Entry
from crawler.scheduler.gate import GO, LATER, WAIT, Gate
from crawler.scheduler.hosts import BUSY, OVER, PARKED, Host, HostView, ranked
from crawler.scheduler.places import Places
from crawler.scheduler.politeness import seconds_left
from crawler.scheduler.throttle import Answer, Slowed

if TYPE_CHECKING:
    from crawler.settings import Settings

__all__ = ["Handout", "Mode", "Scheduler"]

Mode = Literal["all", "owed", "fetches"]
"""What may be handed out: everything; only fetches and what was given back; only fetches."""


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
        self._places = Places(settings, clock)
        self._delay = settings.delay
        self._max_wait = settings.max_wait
        self._parked: dict[str, Host] = {}
        self._refused: deque[Handout] = deque()
        self._owed = 0

    # -- what there is

    def add(self, entry: Entry) -> None:
        """A newly accepted page. Only the best of a host stay here, as many as its window holds; of
        the others the id."""
        rank = ranked(entry)
        self.pending += 1
        if rank[0] != self._places.level:
            self._places.new_level(rank[0])
        host = self._places.hosts.get(entry.host)
        if host is None:
            if self._places.crowded:
                self._places.add_cold(entry.host, rank[:2], entry.id)
                return
            host = self._places.warm(entry.host)
        host.pending += 1
        host.add(rank, self._places.room)
        if host.where > OVER or self._places.favourites is not None:
            self._places.place(host, None)

    def restore(self, backlog: Backlog) -> None:
        """The pending pages of an earlier process. Before anything else."""
        self.pending = len(backlog)
        self._places.restore(backlog)

    def give_back(self, entry: Entry) -> None:
        """A retry or the target of a redirect: waits for `entry.due`, then stands where its `age` puts it."""
        if not entry.id:  # the retry of a fetch: it is no page, and stands where fetches stand
            if entry.due > self._clock():
                self._places.timer.wait_for(entry.due, entry)
            else:
                self.fetch(entry)
            return
        host = self._places.warm(entry.host)
        self.pending += 1
        self._owed += 1
        host.pending += 1
        host.owed += 1
        if entry.level[0] != self._places.level:
            self._places.new_level(entry.level[0])
        now = self._clock()
        if entry.due > now:
            self._places.timer.wait_for(entry.due, entry)
        else:
            host.returned(entry)
        self._places.place(host, now)

    def fetch(self, entry: Entry) -> None:
        """A transient request (id 0) that a page waits for: before all pages of its host, under the
        same permits and delay. Of a parked host it comes out skipped, "parked"."""
        host = self._places.warm(entry.host)
        if host.where == PARKED:
            self._refused.append(Handout(entry, "parked"))
        else:
            host.fetches.append(entry)
        self._places.place(host, None)

    # -- handing out

    @property
    def still(self) -> bool:
        """Whether `take` has nothing to look at: no host is ready, and none waits for a time or for the gate."""
        places = self._places
        return not (places.order or self._refused or places.timer or places.cold or places.put_off)

    def take(self, mode: Mode = "all") -> Handout | None:
        """The next page that may be sent at this moment, or one that a rule leaves out; None: nothing can.

        A page to send takes a permit of its host, until `release`.
        """
        now = self._clock()
        if self._places.timer.is_due(now):
            self._wake_due(now)
        if self._refused:
            return self._refused.popleft()
        if self._places.put_off and not self._gate.full:
            self._places.call_back(now)
        while (host := self._choose(mode, now)) is not None:
            if mode == "all" and not host.window and host.chains is not None and not host.fetches:
                self._refill(host, now)
            entry = host.first(mode == "all")
            if entry is None:  # what its chain named is gone, or not due
                self._places.place(host, now)
                continue
            verdict = self._gate.check(entry)
            if verdict == GO:
                self._remove(host, entry)
                self._send(host, now)
                return Handout(entry)
            if verdict in (WAIT, LATER):
                self._places.sleep(host, verdict, now)
                continue
            self._remove(host, entry)
            self._places.replace(host, now)
            return Handout(entry, verdict)
        return None

    def release(
        self, host: str, *, wait: float = 0.0, failed: bool = False, answer: Answer = "unsent", seconds: float = 0.0
    ) -> Slowed | None:
        """A request ended, with its body, `seconds` after it was sent: its permit comes back.

        `wait`: seconds for which the host asked to be left alone; `failed`: for the host's numbers; `answer`:
        for the throttle, which may decide to ask the host more slowly.
        """
        now = self._clock()
        warm = self._places.hosts[host]
        slowed = self._places.heard(warm, answer, now, seconds, wait) if answer != "unsent" else None
        if slowed is not None:
            wait = max(wait, min(slowed.wait, self._max_wait))
        self.in_flight -= 1
        warm.in_flight -= 1
        warm.pages += 1
        warm.errors += failed
        warm.seconds += now
        warm.answered = self._places.turn
        if wait > 0 and now + wait > warm.next_at:
            self._places.wait_until(warm, now + wait, slowed.reason if slowed is not None else "retry-after")
        self._places.freed(warm, now)
        return slowed

    def sent(self, host: str) -> None:
        """Something went to the host at this moment that was not handed out (robots.txt), or later
        than it was: the delay counts from now."""
        now = self._clock()
        warm = self._places.warm(host)
        warm.sent_at = now
        if warm.delay and now + warm.delay > warm.next_at:
            self._places.wait_until(warm, now + warm.delay, "")
        self._places.place(warm, now)

    def wake(self, host: str) -> None:
        """The gate knows now what it wanted to know about the host."""
        warm = self._places.hosts.get(host)
        if warm is not None:
            self._places.wake(warm)

    def set_delay(self, host: str, seconds: float) -> None:
        """The host's own delay (Crawl-delay), in seconds; the setting's if that is longer. At most `max_wait`."""
        delay = max(self._delay, min(seconds, self._max_wait))
        if delay > self._delay:
            self._places.delays[host] = delay
        else:
            self._places.delays.pop(host, None)
        warm = self._places.hosts.get(host)
        if warm is not None and warm.delay != (delay := max(delay, warm.gap)):
            warm.delay = delay
            if warm.sent_at and warm.sent_at + delay > warm.next_at:
                self._places.wait_until(warm, warm.sent_at + delay, "")
            self._places.place(warm, None)

    def forget(self, gone: Callable[[Entry], bool]) -> None:
        """Pages were dropped that may stand here: `gone` says which. Those in chains are passed over when their
        turn comes, but for parked hosts, whose turn does not come."""
        now = self._clock()
        for entry in self._places.timer.drop(lambda entry: bool(entry.id) and gone(entry)):
            host = self._places.hosts[entry.host]
            host.pending -= 1
            host.owed -= 1
            self.pending -= 1
            self._owed -= 1
        for host in list(self._places.hosts.values()):
            before = host.pending
            self._owed -= host.drop(gone)
            if host.where == PARKED:
                self._forget_chains(host)
            self.pending -= before - host.pending
            self._places.place(host, now)

    def _forget_chains(self, host: Host) -> None:
        chains, host.chains = host.chains, None
        while chains is not None and chains.count:
            ids = chains.take(1000)
            alive = self._bodies(ids)
            host.pending -= len(ids) - len(alive)
            for entry in alive:
                host.restore(ranked(entry)[:2], (entry.id,))

    def park(self, host: str, until: float, reason: str) -> None:
        """Leaves a host alone until an epoch second. It keeps its pages; fetches that wait for it are
        skipped. A crawl that has only parked hosts left ends (`only_parked`)."""
        warm = self._places.warm(host)
        self._parked[host] = warm
        self._places.park(warm, until, reason)
        self._refused.extend(Handout(entry, "parked") for entry in warm.fetches)
        warm.fetches.clear()

    # -- times

    def next_due(self) -> float | None:
        """Seconds until something may become ready by time alone; None: nothing waits for a time."""
        timer = self._places.timer
        return timer.next_due(self._clock()) if timer else None

    def waits(self) -> dict[str, tuple[float, float]]:
        """Host to (now, seconds until it may be asked), of those that changed since the last call:
        what a commit records."""
        return self._places.waits.take(self._clock())

    def restore_waits(self, hosts: Mapping[str, tuple[float, float]]) -> None:
        """The committed waits of earlier processes, after `restore`. Every host begins at its wait or
        after one delay, whichever is later: what was sent after the last commit is not known."""
        now = self._clock()
        if self._delay and (hosts or self.pending):
            self._places.begin = now + self._delay
            self._places.timer.wait_for(self._places.begin, None)
            for warm in list(self._places.hosts.values()):
                warm.next_at = max(warm.next_at, self._places.begin)
                self._places.place(warm, now)
        for name, seconds in seconds_left(hosts, now).items():
            warm = self._places.warm(name)
            if seconds > max(self._max_wait, self._delay):
                self.park(name, now + seconds, f"it asked to wait, {seconds:,.0f} s are left")
            else:
                self._places.wait_until(warm, max(warm.next_at, now + seconds), "")
                self._places.place(warm, now)

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
        return (host.view(now) for host in self._places.hosts.values())

    def _wake_due(self, now: float) -> None:
        for target in self._places.timer.due(now):
            if isinstance(target, Entry):
                if not target.id:
                    self.fetch(target)
                    continue
                host = self._places.warm(target.host)
                host.returned(target)
            elif self._places.hosts.get(target.name) is target:
                host = target
                if host.where == PARKED:
                    if host.next_at > now:
                        self._places.timer.watch(host, host.next_at)
                    else:
                        del self._parked[host.name]
                        host.where, host.reason = BUSY, ""
            else:
                continue  # it went cold since
            self._places.place(host, now)

    def _remove(self, host: Host, entry: Entry) -> None:
        before = host.pending
        self._owed -= host.remove(entry)
        self.pending -= before - host.pending

    def _send(self, host: Host, now: float) -> None:
        self.in_flight += 1
        self._places.turn += 1
        host.in_flight += 1
        host.seconds -= now
        host.sent_at = now
        if host.delay:
            self._places.wait_until(host, now + host.delay, "")
        self._places.replace(host, now)

    def _refill(self, host: Host, now: float) -> None:
        """The window from the chains; ids that are gone are forgotten."""
        while host.chains is not None and not host.window:
            ids = host.chains.take(self._places.room())
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
                self._places.timer.wait_for(entry.due, entry)
                host.owed += 1
                self._owed += 1
            else:
                host.window.append(ranked(entry))
        if asked > 1:
            host.window.sort()

    def _choose(self, mode: Mode, now: float) -> Host | None:
        if mode != "all":
            order = self._places.order
            return order.next_fetching() if mode == "fetches" else order.next_owing()
        if self._places.cold:
            self._bring_in(now)
        return self._places.next(now)

    def _bring_in(self, now: float) -> None:
        """Cold hosts come into the ring with their first pages, which are read in one call."""
        hosts = dict(self._places.bring_in() for _ in range(self._places.wants_cold(now)))
        if not hosts:
            return
        entries = {entry.id: entry for entry in self._bodies(list(hosts))}
        for id, host in hosts.items():
            self._take_in(host, [entries[id]] if id in entries else [], 1, now)
            if host.has_work:
                self._places.enter(host)
            else:
                self._places.place(host, now)
