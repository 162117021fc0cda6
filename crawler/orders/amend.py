"""Giving commands to a run, whether a process works on it or not.

Where none does, they are carried out here and now, under the run's lock. Where one does, they go through its
inbox, a few at a time, and its answers are gathered; if it ends meanwhile, what it left is done here. If it
does not answer, they lie in the inbox: whoever works on the run next takes them up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crawler.errors import AlreadyRunning, UsageError
from crawler.orders.at_rest import AtRest
from crawler.runs.inbox import Answer, Command, Inbox

if TYPE_CHECKING:
    from crawler.runs import RunDirectory

__all__ = ["Given", "amend"]

_AHEAD = 8  # commands that lie in the inbox at once while it is answered
_STARTING = 5.0  # seconds between a crawl's lock and its first look into the inbox, at most
_LOOK = 0.05


@dataclass(slots=True)
class Given:
    """What became of the commands: the answers together, and how many lie in the inbox unanswered."""

    answer: Answer = field(default_factory=Answer)
    left: int = 0


async def amend(
    run: RunDirectory, commands: Iterable[Command], warn: Callable[[str], None], *, patience: float = 10.0
) -> Given:
    """Gives the commands to a run, in order; draws them as they are needed. `patience`: seconds without an
    answer after which no more of them is waited for. `warn` is told of files that could not be read.

    A command that is refused as a whole (`answer.error`) ends it. Raises AlreadyRunning where another run of
    the same spider and arguments is at work, UsageError for a run that has ended, StateError.
    """
    return await _Giving(run, iter(commands), warn, patience).give()


class _Giving:
    def __init__(
        self, run: RunDirectory, commands: Iterator[Command], warn: Callable[[str], None], patience: float
    ) -> None:
        self._run = run
        self._commands = commands
        self._warn = warn
        self._patience = patience
        self._inbox = Inbox(run)
        self._given = Given()
        self._names: deque[str] = deque()  # given through the inbox, not answered yet
        self._answered = time.monotonic()

    async def give(self) -> Given:
        given, began = self._given, time.monotonic()
        while True:
            try:
                async with AtRest(self._run, self._warn) as rest:
                    self._collect()  # entering has carried out what was left
                    while not given.answer.error and (command := next(self._commands, None)) is not None:
                        given.answer.add(await rest.carry_out(command))
                return given
            except AlreadyRunning as error:
                if self._inbox.is_heard:
                    if await self._through_inbox():
                        return given
                    began = time.monotonic()
                elif time.monotonic() - began > _STARTING:
                    if self._names:  # it was heard before: they lie there for the next that listens
                        given.left = len(self._names)
                        return given
                    raise AlreadyRunning(
                        f"{error} (it does not listen to {self._inbox.path}: it works on another run, or starts yet)"
                    ) from None
                await asyncio.sleep(_LOOK)
            except UsageError:  # it has ended meanwhile: nobody will ever take them
                if not self._inbox.is_heard:
                    for name in self._names:
                        self._inbox.withdraw(name)
                raise

    async def _through_inbox(self) -> bool:
        """Whether all commands were given; False when nobody listens any more."""
        given, self._answered = self._given, time.monotonic()
        while not given.answer.error:
            while len(self._names) >= _AHEAD:
                if not await self._heard():
                    return False
                if self._impatient:
                    break
            command = next(self._commands, None)
            if command is None:
                break
            self._names.append(self._inbox.put(command))
            self._collect()
        while self._names and not self._impatient:
            if not await self._heard():
                return False
        given.left = len(self._names)
        return True

    @property
    def _impatient(self) -> bool:
        return time.monotonic() - self._answered > self._patience

    async def _heard(self) -> bool:
        """Waits a little for answers; False when nobody is there to give them."""
        if self._collect():
            return True
        if not self._inbox.is_heard:
            return self._collect()  # its last ones
        await asyncio.sleep(_LOOK)
        return True

    def _collect(self) -> bool:
        """Takes the answers that are there; whether there were any."""
        before = len(self._names)
        while self._names and (answer := self._inbox.take_answer(self._names[0])) is not None:
            self._given.answer.add(answer)
            self._names.popleft()
        if len(self._names) == before:
            return False
        self._answered = time.monotonic()
        return True
