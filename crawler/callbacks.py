"""Runs a method of the user's and gives its yields one by one, whatever kind of method it is.

Async generators, generators, coroutines that return an iterable, and None are accepted; a yielded
list, tuple, generator or page's `Links` (those exact types) counts as its members.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import sysconfig
import time
import traceback
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import AsyncGeneratorType, FrameType, GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from crawler.contracts import NOBODY
from crawler.parse.following import Links
from crawler.request import Request

if TYPE_CHECKING:
    from crawler.slots import Slots

__all__ = ["USER_ERRORS", "Results", "WrongYield", "stepped", "user_traceback", "where_of"]

T = TypeVar("T")
USER_ERRORS = (Exception, SystemExit)
"""What a user's code may raise without ending the crawl: also `sys.exit()`, which asyncio lets through."""
Take = Callable[[Any], Awaitable[None] | None]
TakeRequests = Callable[[Sequence[Request]], None]
_REQUESTS = {Request}
_MANY = frozenset({Links, list, tuple, GeneratorType, AsyncGeneratorType})
_NOTHING: Any = object()
"""What a step that need not wait waits for (a bare yield waits for None)."""
_OURS = str(Path(__file__).parent)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class WrongYield(TypeError):
    """A callback yielded something that is neither an item nor a request; `where` is its line."""

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.where = where


class Results:
    """The yields of one call of a user's method."""

    __slots__ = ("_call", "_generator", "_key", "_slots", "_slowest")

    def __init__(self, call: Callable[[], Any], slots: Slots, key: bytes) -> None:
        self._call = call
        self._slots = slots
        self._key = key
        self._generator: Any = None
        self._slowest = 0.0

    @property
    def slowest(self) -> float:
        """Seconds that the longest step of the method's own code held the loop."""
        return self._slowest

    def where(self) -> str:
        """file:line where the method stands at the moment."""
        generator = self._generator
        frame: FrameType | None = getattr(generator, "gi_frame", None) or getattr(generator, "ag_frame", None)
        return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""

    async def give(self, take: Take, take_requests: TakeRequests) -> None:
        """Runs the method to its end; `take` gets the yields, members one by one, but for a list or tuple of
        nothing but requests and a page's `Links`, which `take_requests` gets as they are.

        `take` returns None, or an awaitable that is awaited before the method goes on. Raises what the
        method or `take` raised, and WrongYield for a result that cannot be read.
        """
        result = self._step(self._call)
        if type(result) is AsyncGeneratorType:
            await self._drain(result, take, take_requests)
            return
        if inspect.iscoroutine(result) or (isinstance(result, Awaitable) and not hasattr(result, "__aiter__")):
            result = await stepped(result, self._slots, self._key, self._took)
        if result is None:
            return
        if hasattr(result, "__aiter__"):
            await self._iterate(result, take, take_requests)
        elif isinstance(result, str | bytes | dict) or not hasattr(result, "__iter__"):
            raise WrongYield(f"returned {shown(result)}: return a list of items, or yield them", self.where())
        else:
            self._generator = result
            for value in self._sync(iter(result)):
                await self._members(value, take, take_requests)

    async def _drain(self, generator: AsyncGeneratorType[Any, None], take: Take, take_requests: TakeRequests) -> None:
        """`_iterate` for what nearly all callbacks are: a step that need not wait is made here, by one call."""
        self._generator = generator
        clock, slots, key = time.perf_counter, self._slots, self._key
        memory, slot = slots.memory, slice(slots.first, slots.last)
        try:
            while True:
                step = generator.__anext__()
                begin = clock()
                memory[slot] = key
                try:
                    waited = step.send(None)
                except StopIteration as stop:
                    value, waited = stop.value, _NOTHING
                except StopAsyncIteration:
                    return
                finally:
                    memory[slot] = NOBODY
                    self._took(clock() - begin)
                if waited is not _NOTHING:
                    try:
                        value = await stepped(step, slots, key, self._took, waited)
                    except StopAsyncIteration:
                        return
                if type(value) in _MANY:
                    await self._members(value, take, take_requests)
                elif (waiting := take(value)) is not None:
                    await waiting
        except BaseException:
            await generator.aclose()
            raise

    async def _iterate(self, result: Any, take: Take, take_requests: TakeRequests) -> None:
        self._generator = result
        iterator = result.__aiter__()
        try:
            while True:
                try:
                    value = await stepped(iterator.__anext__(), self._slots, self._key, self._took)
                except StopAsyncIteration:
                    return
                await self._members(value, take, take_requests)
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    async def _members(self, value: Any, take: Take, take_requests: TakeRequests) -> None:
        kind = type(value)
        if kind is Links or ((kind is list or kind is tuple) and set(map(type, value)) == _REQUESTS):
            take_requests(value)
            return
        if kind is AsyncGeneratorType:
            async for member in value:
                waiting = take(member)
                if waiting is not None:
                    await waiting
            return
        members = value if kind is list or kind is tuple else self._sync(value) if kind is GeneratorType else (value,)
        for member in members:
            waiting = take(member)
            if waiting is not None:
                await waiting

    def _sync(self, iterator: Iterator[Any]) -> Iterator[Any]:
        while True:
            try:
                value = self._step(lambda: next(iterator))
            except StopIteration:
                return
            yield value

    def _step(self, call: Callable[[], T]) -> T:
        begin = time.perf_counter()
        try:
            return self._slots.during(self._key, call)
        finally:
            self._took(time.perf_counter() - begin)

    def _took(self, seconds: float) -> None:
        if seconds > self._slowest:
            self._slowest = seconds


class stepped(Awaitable[T]):
    """Awaits a user's coroutine step by step: its page's key stands in the loop's slot during each step
    and not while it waits; `took` is told how long each held the loop. `waited`: what its first step, made
    before, waits for."""

    __slots__ = ("_awaitable", "_key", "_slots", "_took", "_waited")

    def __init__(
        self,
        awaitable: Awaitable[T],
        slots: Slots,
        key: bytes,
        took: Callable[[float], None] | None = None,
        waited: Any = _NOTHING,
    ) -> None:
        self._awaitable = awaitable
        self._slots = slots
        self._key = key
        self._took = took or _untold
        self._waited = waited

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._awaitable.__await__()
        clock, took, key = time.perf_counter, self._took, self._key
        memory, slot = self._slots.memory, slice(self._slots.first, self._slots.last)
        send = getattr(steps, "send", None) or (lambda _value: next(steps))
        value: Any = None
        error: BaseException | None = None
        waited = self._waited
        while True:
            if waited is not _NOTHING:
                value, error = None, None
                try:
                    value = yield waited
                except BaseException as raised:
                    error = raised
            begin = clock()
            memory[slot] = key
            try:
                waited = steps.throw(error) if error is not None else send(value)
            except StopIteration as stop:
                result: T = stop.value
                return result
            finally:
                memory[slot] = NOBODY
                took(clock() - begin)


def _untold(seconds: float) -> None:
    """Nobody wants to know."""


async def in_thread(call: Callable[[], Any], slots: Slots, key: bytes, took: Callable[[int], None]) -> list[Any]:
    """The yields of a blocking callback, run whole in the thread pool (with the page's context); `took` is told
    its nanoseconds of CPU time."""
    spent = 0

    def run() -> list[Any]:
        nonlocal spent
        slots.enter(key)
        begin = time.thread_time_ns()
        try:
            return listed(call())
        finally:
            spent = time.thread_time_ns() - begin
            slots.leave()

    def listed(result: Any) -> list[Any]:
        if result is None:
            return []
        if isinstance(result, str | bytes | dict) or not hasattr(result, "__iter__"):
            raise WrongYield(f"returned {shown(result)}", "")
        many = (Links, list, tuple, GeneratorType)
        return [member for value in result for member in (value if type(value) in many else (value,))]

    try:
        return await asyncio.to_thread(run)
    finally:
        took(spent)


def shown(value: object) -> str:
    text = repr(value)
    return f"a {type(value).__name__} ({text if len(text) <= 60 else text[:57] + '...'})"


def where_of(error: BaseException) -> str:
    """file:line of the user's code that raised: the innermost frame that is no library's."""
    where = getattr(error, "where", "")
    if where:
        return _short(str(where))
    frames = _user_frames(error.__traceback__)
    if not frames:
        return ""
    frame, line = frames[-1]
    return _short(f"{frame.f_code.co_filename}:{line}")


def defined_at(method: Any) -> str:
    """file:line where a method of the user's begins; empty for what has no code of its own."""
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    if code is None or code.co_filename.startswith(_OURS):
        return ""
    return _short(f"{code.co_filename}:{code.co_firstlineno}")


def user_traceback(error: BaseException) -> str:
    """The traceback as text, beginning at the user's first line."""
    stack = error.__traceback__
    while stack is not None and stack.tb_frame.f_code.co_filename.startswith(_OURS):
        stack = stack.tb_next
    return "".join(traceback.format_exception(type(error), error, stack or error.__traceback__)).rstrip()


def _user_frames(stack: TracebackType | None) -> list[tuple[FrameType, int]]:
    frames = []
    while stack is not None:
        if not stack.tb_frame.f_code.co_filename.startswith((_OURS, "<frozen")):
            frames.append((stack.tb_frame, stack.tb_lineno))
        stack = stack.tb_next
    return [place for place in frames if not place[0].f_code.co_filename.startswith(_LIBRARIES)] or frames


def _short(where: str) -> str:
    """Relative to the working directory where that is shorter."""
    name, _, line = where.rpartition(":")
    try:
        relative = str(Path(name).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return where
    return f"{relative}:{line}" if sys.platform != "win32" else where
