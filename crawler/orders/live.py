"""Orders: the commands that reach a live crawl through its inbox, carried out beside its pages.

A task of the engine. It looks at the inbox with one stat a second and costs the pages nothing. What lies
there at the start is carried out before anything is handed out; a command that was taken is finished
before a crawl without pages may end. One that is not finished when the crawl stops stays in the inbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from crawler.contracts import Entry, Outcome, Skip
from crawler.errors import StateError
from crawler.events import PageSkipped
from crawler.orders.carry_out import carry_out, in_thread_to_its_end
from crawler.runs.inbox import Answer, Inbox, Unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from crawler.engine import Engine
    from crawler.linking import Linker
    from crawler.spider import Spider

__all__ = ["Orders"]

_POLL = 0.5  # seconds between two looks at the inbox


class Orders:
    """Takes the commands of one crawl. `starting`: what lay in the inbox is not carried out yet, so nothing
    is to be handed out. `busy`: a command is being carried out, so the crawl is not at its end."""

    def __init__(self, engine: Engine, inbox: Inbox) -> None:
        self._engine = engine
        self._inbox = inbox
        self._target = _Live(engine, inbox)
        self._over: set[str] = set()  # carried out, and still there: the disk would not have them removed
        self.starting = True
        self.busy = False

    async def run(self) -> None:
        """Until it is cancelled. Trouble with the inbox is a warning, never the crawl's end."""
        engine, inbox = self._engine, self._inbox
        try:
            with inbox.listening():
                inbox.sweep()
                await self._take_all()
                self._started()
                while True:
                    await asyncio.sleep(_POLL)
                    if inbox.changed():
                        await self._take_all()
        except asyncio.CancelledError:
            self._tell_left()
            raise
        except Exception as error:
            if engine.committer.error is None:  # else the crawl ends by that one
                if not isinstance(error, StateError | OSError):
                    raise
                engine.notices.warn(f"no commands are taken: {error}")
        finally:
            self._started()

    def _started(self) -> None:
        self.starting = self.busy = False
        self._engine.wake.set()

    async def _take_all(self) -> None:
        """Carries out what lies there, until nothing does: more parts of a list may come meanwhile."""
        inbox = self._inbox
        while names := [name for name in inbox.waiting() if name not in self._over]:
            self.busy = True
            for name in names:
                await self._take(name)
        self.busy = False
        self._engine.wake.set()
        for file in inbox.strangers():
            self._set_aside(file, "it is no command of ours")

    async def _take(self, name: str) -> None:
        inbox = self._inbox
        try:
            command = await in_thread_to_its_end(inbox.read, name)
        except Unreadable as error:
            self._set_aside(f"{name}.cmd", str(error))
            return
        try:
            answer = await carry_out(command, self._target)
        except StateError as error:
            if self._engine.committer.error is not None:
                raise
            answer = Answer(error=str(error))
        if answer.dropped:
            self._engine.scheduler.forget(lambda entry: not self._engine.frontier.is_pending(entry))
        self._over.add(name)
        try:
            await in_thread_to_its_end(inbox.answer, name, answer)
        except OSError as error:
            self._engine.notices.warn(f"a command was carried out, but not answered: {inbox.path}: {error.strerror}")
        else:
            self._over.discard(name)

    def _set_aside(self, file: str, why: str) -> None:
        """Says once what lies there and where it is now; a file that cannot be renamed is left alone from now on."""
        if file.removesuffix(".cmd") in self._over:
            return
        inbox = self._inbox
        try:
            aside = inbox.set_aside(file)
        except OSError as error:
            self._over.add(file.removesuffix(".cmd"))
            self._engine.notices.warn(f"{inbox.path / file} is left alone: {why} ({error.strerror})")
        else:
            self._engine.notices.warn(f"{inbox.path / file} is set aside as {aside.name}: {why}")

    def _tell_left(self) -> None:
        try:
            left = [name for name in self._inbox.waiting() if name not in self._over]
        except OSError:
            return
        if left:
            self._engine.notices.warn(
                f"{len(left)} of the commands in {self._inbox.path} are not carried out: the run's next start does that"
            )


class _Live:
    """`carry_out.Target` of a crawl that runs."""

    def __init__(self, engine: Engine, inbox: Inbox) -> None:
        self._engine = engine
        self._store = None if engine.settings.frontier == "memory" else inbox.run.frontier

    @property
    def spider(self) -> type[Spider]:
        return type(self._engine.spider)

    @property
    def linker(self) -> Linker:
        return self._engine.linker

    @property
    def store(self) -> Path | None:
        return self._store

    @property
    def max_links(self) -> int:
        return self._engine.settings.max_links

    def accept(self, outcome: Outcome) -> None:
        for found in outcome.found:  # they are seeds: `self.fetch` outside of a page may go there
            self._engine.seeds.note_domain(found.request.url)
        for skip in outcome.skips:
            self._engine.emit(PageSkipped(skip.url, skip.reason, skip.detail))
        self._engine.accept(outcome)

    async def flush(self) -> None:
        await self._engine.committer.flush()

    def first_skip(self, skip: Skip) -> bool:
        return self._engine.notices.first_skip(skip)

    def bodies(self, ids: Sequence[int]) -> list[Entry]:
        return self._engine.frontier.bodies(ids)

    def in_flight(self) -> Container[int]:
        return self._engine.pages_in_flight()
