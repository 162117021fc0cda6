"""Where a page's CPU time goes: one clock that is switched from stage to stage as the page goes its way.

Of the first pages each is measured, then one in `EVERY`, which stands for that many; so the price is paid by
few, and the clock is never off. The coroutine of such a page is driven step by step: what it waits for costs
nothing, and nothing is counted twice, since a stage within another stops the outer one's clock. What is no
page's (a turn of handing out, bytes that arrive, a commit) is measured where it happens.

The clock is the thread's CPU time: a wall clock would count what other programs take on a busy machine. A
reading costs 0.3 to 0.5 µs, a system call; it is weighed at the start and taken off again. All other pages pay
for a look at `weight` at each seam::

    before = stages.weight and stages.enter(PARSE)
    ...
    if before:
        stages.leave(before)
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import get_ident
from typing import Any, Final, Generic, ParamSpec, TypeVar

__all__ = ["ENGINE", "STAGES", "MeasuredThreads", "Stages", "Stopwatch"]

A = TypeVar("A")
T = TypeVar("T")
P = ParamSpec("P")

STAGES: Final = (
    "claim", "schedule", "onion", "session", "decode", "parse", "callback", "links", "pipeline", "encode",
    "fingerprint", "dedupe", "page", "commit", "output",
)  # fmt: skip
"""Their names, in the order of a page's way. What each has is said in docs/performance.md."""
(CLAIM, SCHEDULE, ONION, SESSION, DECODE, PARSE, CALLBACK, LINKS, PIPELINE, ENCODE,
 FINGERPRINT, DEDUPE, PAGE, COMMIT, OUTPUT) = range(1, len(STAGES) + 1)  # fmt: skip

ENGINE: Final = frozenset(STAGES) - {"session", "decode", "parse", "callback", "pipeline"}
"""The stages that are the engine's own: neither aiohttp's, nor the parser's, nor the user's code."""

EVERY: Final = 17
"""How many pages a measured one stands for, after the first."""
_ROUND: Final = 16 * EVERY
_MEASURED: Final = range(128, 144)
"""Sixteen in a row: the first finds the processor's caches without the code that measures, and seems dearer than it
is; alone it made a page 6 % too dear."""


class Stages:
    """The clock of one crawl. All but `MeasuredThreads` use it in the thread that runs the crawl."""

    __slots__ = (
        "_began", "_ended", "_ns", "_samples", "_since", "_stage", "_tare", "_thread", "threads", "weight",
    )  # fmt: skip

    def __init__(self) -> None:
        self.weight = 0
        """How many pages the one stands for that runs at this moment; 0: it is not measured."""
        self.threads = [0] * (len(STAGES) + 1)
        """CPU time of threads, in nanoseconds, by stage; each entry is written by one thread at a time."""
        self._ns = [0] * (len(STAGES) + 1)
        self._samples = [0] * (len(STAGES) + 1)
        self._stage = 0
        self._since = 0
        self._tare = 0
        self._thread = 0
        self._began: int | None = None
        self._ended: int | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """The crawl itself: the block's CPU time is what the stages are parts of."""
        self._thread = get_ident()
        self._tare = _weigh(self)
        self._ns = [0] * len(self._ns)
        self.threads = [0] * len(self._ns)
        self._began = time.process_time_ns()
        try:
            yield
        finally:
            self._ended = time.process_time_ns()
            self._ns = self._with_threads()
            self.threads = [0] * len(self._ns)

    # -- in the midst of a measured step

    def enter(self, stage: int) -> int:
        """From now on the time is that of `stage`. Returns what to give to `leave`; 0: nothing is measured here.

        Where an exception skips `leave`, the next outer one mends it.
        """
        if not self.weight or get_ident() != self._thread:  # a user's own thread may read a response
            return 0
        before = self._stage
        now = time.thread_time_ns()
        self._ns[before] += (now - self._since - self._tare) * self.weight
        self._since = now
        self._stage = stage
        return before

    def leave(self, before: int) -> None:
        """The stage that was entered is over; `before` goes on."""
        if self.weight:
            self.enter(before)

    def move(self, source: int, target: int, ns: int) -> None:
        """Time within `source` that a `Stopwatch` found to be `target`'s."""
        self._ns[source] -= ns * self.weight
        self._ns[target] += ns * self.weight

    def add(self, stage: int, weight: int, ns: int) -> None:
        """CPU time that was measured elsewhere, in a thread, for a page that stands for `weight`."""
        self._ns[stage] += ns * weight

    def within(self, stage: int, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls something in a stage."""
        before = self.enter(stage)
        try:
            return call(*args, **kwargs)
        finally:
            if before:
                self.leave(before)

    def timed(self, stage: int, call: Callable[P, T]) -> Callable[P, T]:
        """What to call in its place for `within`."""
        return partial(self.within, stage, call)

    async def during(self, stage: int, work: Awaitable[T]) -> T:
        """Awaits something in a stage."""
        before = self.enter(stage)
        try:
            return await work
        finally:
            if before:
                self.leave(before)

    # -- around what is measured

    def sample(self, stage: int) -> int:
        """The weight of the next one of its kind, most often 0."""
        n = self._samples[stage]
        self._samples[stage] = n + 1
        return 1 if n < _ROUND else EVERY if n % _ROUND in _MEASURED else 0

    def begin(self, stage: int, weight: int) -> None:
        """A step begins, which `end` ends: synchronous, and in no other step."""
        self.weight, self._stage = weight, stage
        self._since = time.thread_time_ns()

    def end(self) -> int:
        """The step is over. Returns the stage that it ended in."""
        stage = self._stage
        self._ns[stage] += (time.thread_time_ns() - self._since - self._tare) * self.weight
        self.weight = 0
        return stage

    def drive(self, work: Coroutine[Any, Any, T], stage: int, weight: int = 1) -> Coroutine[Any, Any, T]:
        """`work`, which begins in `stage`, with its steps measured; as it is where the weight is 0."""
        return self._drive(_Driven(self, work, stage, weight)) if weight else work

    async def _drive(self, driven: _Driven) -> Any:
        return await driven

    # -- what came of it

    def report(self, pages: int) -> dict[str, float]:
        """Microseconds of CPU time a page, by stage; besides, "other" is what is in no stage (the event loop and
        the system's calls it makes, the live view, threads), and "cpu" the sum of all. Empty without pages."""
        if self._began is None or not pages:
            return {}
        until = self._ended if self._ended is not None else time.process_time_ns()
        found = zip(STAGES, (self._with_threads() if self._ended is None else self._ns)[1:], strict=True)
        each = {name: round(max(ns, 0) / pages / 1000, 2) for name, ns in found}
        cpu = round((until - self._began) / pages / 1000, 2)
        return {**each, "other": round(cpu - sum(each.values()), 2), "cpu": cpu}

    def _with_threads(self) -> list[int]:
        return [own + threads for own, threads in zip(self._ns, self.threads, strict=True)]


class _Driven:
    """Steps a coroutine with the clock on; between its steps the stage it is in is kept here."""

    __slots__ = ("_stage", "_stages", "_weight", "_work")

    def __init__(self, stages: Stages, work: Coroutine[Any, Any, Any], stage: int, weight: int) -> None:
        self._stages = stages
        self._work = work
        self._stage = stage
        self._weight = weight

    def __await__(self) -> Generator[Any, Any, Any]:
        stages, work, stage = self._stages, self._work, self._stage
        value: Any = None
        error: BaseException | None = None
        while True:
            stages.begin(stage, self._weight)
            try:
                waited = work.throw(error) if error is not None else work.send(value)
            except StopIteration as stop:
                return stop.value
            finally:
                stage = stages.end()
            value, error = None, None
            try:
                value = yield waited
            except BaseException as raised:
                error = raised


class Stopwatch(Generic[A, T]):
    """Adds up, in `ns`, the time of a function that is called many times and is too short for the clock."""

    __slots__ = ("_timed", "ns")

    def __init__(self, timed: Callable[[A], T]) -> None:
        self._timed = timed
        self.ns = 0

    def call(self, argument: A) -> T:
        """What the function gives."""
        begin = time.perf_counter_ns()
        result = self._timed(argument)
        self.ns += time.perf_counter_ns() - begin
        return result


class MeasuredThreads(ThreadPoolExecutor):
    """Threads of which one is busy at a time; their CPU time counts as a stage."""

    def __init__(self, threads: int, name: str, stages: Stages, stage: int) -> None:
        super().__init__(threads, thread_name_prefix=name)
        self._stages = stages
        self._stage = stage

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Has a thread call `fn`."""
        return super().submit(self._counted, fn, *args, **kwargs)

    def _counted(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        begin = time.thread_time_ns()
        try:
            return fn(*args, **kwargs)
        finally:
            spent = time.thread_time_ns() - begin
            self._stages.threads[self._stage] += spent


def _weigh(stages: Stages) -> int:
    """What one switch costs by this clock, in nanoseconds: the least of a few tries."""
    found = []
    for _ in range(8):
        stages.begin(PAGE, 1)
        begin = time.thread_time_ns()
        for _ in range(8):
            stages.leave(stages.enter(PARSE))
        found.append((time.thread_time_ns() - begin) // 16)
        stages.end()
    return min(found)
