"""A run that no process works on, taken for a moment to change what is pending in it.

Under the run's lock, with the same frontier, fingerprints and rules as a crawl; no page is fetched, and the
item log is not touched: each commit records the end that it has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawler.contracts import Entry, Group, Outcome, Recovered, Skip
from crawler.errors import CrawlerError, StateError, UsageError
from crawler.frontier import SQLiteFrontier
from crawler.frontier.fingerprint import VERSION, Fingerprinter
from crawler.linking import Linker
from crawler.loading import load
from crawler.orders.carry_out import carry_out
from crawler.recording import skipped_length
from crawler.runs.choose import Ended, stored
from crawler.runs.inbox import Answer, Command, Inbox, Unreadable
from crawler.runs.intact import check_intact, key_of
from crawler.runs.lock import Lock
from crawler.runs.skipped import SkippedList
from crawler.scope import Scope, all_domains
from crawler.settings import Settings
from crawler.settings_layers import Layer, resolve

if TYPE_CHECKING:
    from crawler.runs import RunDirectory
    from crawler.spider import Spider

__all__ = ["AtRest"]


class AtRest:
    """Carries out commands on a run that stands still. Use as an async context manager.

    Entering carries out what lies in the run's inbox, and raises AlreadyRunning while a process has the run,
    UsageError for one that has ended, StateError for files that cannot be used. `warn` is told what could not
    be read. It is `carry_out.Target`.
    """

    def __init__(self, run: RunDirectory, warn: Callable[[str], None]) -> None:
        self._run = run
        self._warn = warn
        self._stack = AsyncExitStack()
        self._outcomes: list[Outcome] = []
        self._recovered = Recovered()
        self._number = 0

    async def __aenter__(self) -> AtRest:
        run, stack = self._run, self._stack
        identity = run.identity
        try:
            stack.enter_context(Lock(run.path.parent / f"{identity.digest}.lock", f"spider {identity.spider!r}"))
            if not run.frontier.exists():
                raise StateError(f"{run.path} kept no frontier on the disk (frontier = memory, or it never began)")
            check_intact(run, key_of(run), "strict")
            self._frontier = SQLiteFrontier(run.frontier, durable=True)
            stack.push_async_callback(self._frontier.close)
            self._recovered = await self._frontier.open()
            self._number = self._recovered.commit
            self._check_goes_on()
            self._skipped = stack.enter_context(SkippedList(run.skipped, skipped_length(self._recovered.meta)))
            await self._take_inbox()
        except BaseException:
            await stack.aclose()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def carry_out(self, command: Command) -> Answer:
        """Does what a command says; it is durable then. Raises StateError, UsageError for a spider that
        cannot be loaded."""
        return await carry_out(command, self)

    async def _take_inbox(self) -> None:
        """What was given to a crawl that ended before it had carried it out comes first."""
        inbox = Inbox(self._run)
        for name in inbox.waiting():
            try:
                command = inbox.read(name)
            except Unreadable as error:
                aside = inbox.set_aside(f"{name}.cmd")
                self._warn(f"{inbox.path / name}.cmd is set aside as {aside.name}: {error}")
            else:
                inbox.answer(name, await self.carry_out(command))

    def _check_goes_on(self) -> None:
        ended: Ended | None = stored(self._recovered.meta, "ended", Ended)
        if ended is None:
            return
        identity = self._run.identity
        name = f"{identity.spider}/{identity.id}"
        target = identity.target.rpartition(":")[0] or "SPIDER"
        raise UsageError(
            f"run {name} has ended ({ended.reason}): nothing more is fetched in it; give the command to a new run, "
            f"or to this one while it goes on: crawler run {target} --resume {name}"
        )

    # -- the target

    @cached_property
    def spider(self) -> type[Spider]:
        """The spider of the run, from where it was when the run began."""
        identity = self._run.identity
        if not identity.target or identity.target.startswith("__main__:"):
            raise UsageError(f"where the spider of {self._run.path} is was not kept: give the command while it runs")
        try:
            return load(identity.target)
        except CrawlerError as error:
            raise UsageError(
                f"the spider of {self._run.path} cannot be loaded to check its callbacks: {error}"
            ) from None

    @cached_property
    def linker(self) -> Linker:
        """With the run's own fingerprints, and the rules that its last process was told."""
        identity = self._run.identity
        if identity.fingerprint_version != VERSION:
            raise StateError(f"{self._run.path} has other fingerprints than this version of crawler: use that one")
        fingerprinter = Fingerprinter(key_of(self._run), identity.rules)
        settings, allowed = self._rules
        scope = Scope(settings, allowed, lambda name: self._recovered.counters.get(name, 0))
        return Linker(fingerprinter, scope, self._frontier, settings)

    @cached_property
    def _rules(self) -> tuple[Settings, list[str]]:
        told: dict[str, Any] = stored(self._recovered.meta, "scope", dict) or {}
        layers = [Layer("run.json", {"canonical_fragment": self._run.identity.canonical["fragment"]})]
        layers += [Layer("scope", {name: told[name] for name in ("max_depth", "max_url") if name in told})]
        settings = resolve(self.spider, env=os.environ, use_files=True, command_line=layers).settings
        if "allowed_domains" in told:
            return settings, list(told["allowed_domains"])
        return settings, all_domains(self.spider.__name__, self.spider.allowed_domains, settings)

    @property
    def store(self) -> Path:
        """The frontier's file."""
        return self._run.frontier

    @property
    def max_links(self) -> int:
        """The most requests that are judged at once."""
        return self._rules[0].max_links

    def accept(self, outcome: Outcome) -> None:
        """Takes an outcome into the next commit."""
        self._frontier.accept(outcome)
        self._outcomes.append(outcome)

    async def flush(self) -> None:
        """Commits what was accepted."""
        if not self._outcomes:
            return
        outcomes, self._outcomes = self._outcomes, []
        self._number += 1
        group = Group(self._number, outcomes, self._recovered.log_end)
        skips = [skip for outcome in outcomes for skip in outcome.skips]
        if skips:
            group.meta["skipped"] = str(self._skipped.append(skips)).encode()
        await self._frontier.commit(group)

    def first_skip(self, skip: Skip) -> bool:
        """Whether it is to be listed: once, up to a bound."""
        if skip.key in self._skipped.told:
            return False
        self._skipped.told.add(skip.key)
        return True

    def bodies(self, ids: Sequence[int]) -> list[Entry]:
        """The entries of those ids that are pending."""
        return self._frontier.bodies(ids)

    def in_flight(self) -> Container[int]:
        """Nothing is fetched."""
        return ()
