"""`opened` and `closed`: the spider's first and last word, once per process."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from typing import TYPE_CHECKING, Any

from crawler.callbacks import USER_ERRORS, user_traceback, where_of
from crawler.contracts import Outcome, StateOp
from crawler.events import CallbackFailed
from crawler.spider import current_work

if TYPE_CHECKING:
    from crawler.ending import End
    from crawler.engine import Engine
    from crawler.request import Request
    from crawler.response import Response

__all__ = ["HookWork", "Hooks"]


class HookWork:
    """The current work of a method that belongs to no page."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.counters: dict[str, int] = {}
        self.cookies: dict[str, bytes] | None = None
        self.state: list[StateOp] = []
        self.own: dict[str, Any] = {}

    async def fetch(self, request: Request) -> Response:
        """`self.fetch` outside of a page: to the seeds' domains and `services`."""
        return await self.engine.inner.fetch(self, request)

    def stop(self, reason: str, resumable: bool) -> None:
        """`self.stop`."""
        self.engine.stop_asked(reason, resumable)

    def changed(self, name: str, where: str) -> None:
        """Here attributes are set as they should be."""

    def hand_over(self) -> None:
        """Writes and counters so far go with the next commit."""
        if self.state or self.counters or self.cookies:
            self.engine.accept(Outcome(None, "none", state=self.state, counters=self.counters, cookies=self.cookies))
            self.counters, self.cookies, self.state, self.own = {}, None, [], {}


class Hooks:
    """Runs the spider's and the pipelines' own beginnings and ends."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def opened(self) -> bool:
        """Pipelines' `open`, then `opened`. False: one raised, and the crawl ends with 1."""
        engine = self._engine
        for name, call in (("pipelines", lambda: engine.chain.open(engine.spider)), ("opened", engine.spider.opened)):
            try:
                await self._call(call)
            except USER_ERRORS as error:
                engine.stop(engine.broke(name, error))
                return False
        return True

    async def closed(self, end: End) -> bool:
        """`closed(reason)`, then pipelines' `close`; what they raise is counted and said. True: none raised."""
        engine, well = self._engine, True
        for name, call in (("closed", lambda: engine.spider.closed(end.reason)), ("pipelines", engine.chain.close)):
            try:
                await self._call(call)
            except USER_ERRORS as error:
                text = f"{type(error).__name__}: {error}"
                engine.emit(CallbackFailed("", name, text, where_of(error), user_traceback(error)))
                engine.counts.add({"callbacks_failed": 1, f"callback/{type(error).__name__}": 1})
                engine.counts.example(f"callback/{type(error).__name__}", "", f"{name}: {text} at {where_of(error)}")
                well = False
        return well

    async def _call(self, call: Any) -> None:
        work = HookWork(self._engine)
        context = contextvars.copy_context()
        context.run(current_work.set, work)

        async def run() -> None:
            result = call()
            if inspect.isgenerator(result) or inspect.isasyncgen(result):
                raise TypeError(f"{result.__name__} has a yield: it is a plain or an async method, and gives nothing")
            if inspect.isawaitable(result):
                await result

        await asyncio.create_task(run(), context=context)
        work.hand_over()
