"""The committer: outcomes become groups, a group becomes durable as a whole.

Item log first (written, and synced where `durability` is strict), then one transaction of the
frontier that records the log's end. One thread does both, in order; the loop only waits. A group
closes when it is full, or `commit_seconds` after the last one began, so that a lone first page is
committed at once and a busy crawl pays one sync for a few hundred pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from crawler.contracts import Entry, Frontier, Group, Outcome, Skip
from crawler.stages import COMMIT, Stages
from crawler.uncancelled import uncancelled

if TYPE_CHECKING:
    from crawler.contracts import ItemRecord
    from crawler.outputs.log import ItemLog
    from crawler.settings import Settings

__all__ = ["Committer"]


class Committer:
    """Takes accepted outcomes in their order and commits them.

    `list_skips(skips)` writes what was left out and returns the length of its file, in the commit thread;
    `prepare(group)` adds what goes with a group (cursors, hosts' waits); `committed(group, arrived,
    seconds)` is told when it is durable. After a failure nothing more is written: `error` says why, `flush`
    and `run` raise it.
    """

    def __init__(
        self,
        frontier: Frontier,
        log: ItemLog,
        thread: ThreadPoolExecutor,
        settings: Settings,
        *,
        number: int,
        list_skips: Callable[[list[Skip]], int],
        prepare: Callable[[Group], None],
        committed: Callable[[Group, list[Entry], float], None],
        stages: Stages,
    ) -> None:
        self._stages = stages
        self._frontier = frontier
        self._log = log
        self._thread = thread
        self._max_pages = settings.commit_pages
        self._max_bytes = settings.commit_bytes
        self._gap = settings.commit_seconds
        self.number = number
        """The number of the last group begun."""
        self._list_skips = list_skips
        self._prepare = prepare
        self._committed = committed
        self._waiting: deque[Outcome] = deque()
        self._bytes = 0
        self._submitted = 0
        self._durable = 0
        self._urgent = 0  # outcomes up to this number are wanted on the disk at once
        self._flushes: list[tuple[int, asyncio.Future[None]]] = []
        self._forced = False
        self._wake = asyncio.Event()
        self._closing = False
        self._began = float("-inf")
        self.error: BaseException | None = None

    @property
    def full(self) -> bool:
        """So much waits for the disk that nothing more should be handed out."""
        return len(self._waiting) >= 4 * self._max_pages or self._bytes >= 4 * self._max_bytes

    def submit(self, outcome: Outcome) -> None:
        """Takes an outcome that the frontier has accepted."""
        self._waiting.append(outcome)
        self._bytes += outcome.size
        self._submitted += 1
        if len(self._waiting) == 1 or self._is_group():  # in between it sleeps until the group is due
            self._wake.set()

    async def flush(self, *, force: bool = False) -> None:
        """Waits until all that was submitted so far is durable. `force` commits even an empty group."""
        if self.error is not None:
            raise self.error
        if self._durable >= self._submitted and not force:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._urgent = self._submitted
        self._forced = self._forced or force
        self._flushes.append((self._submitted, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Commits until `stop`; the owner's task."""
        try:
            while True:
                await self._turn()
                if self._closing and not self._waiting and not self._forced:
                    return
                await self._stages.drive(self._write(), COMMIT)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self._answer_flushes()

    def stop(self) -> None:
        """Ends `run` after what waits was committed."""
        self._closing = True
        self._wake.set()

    async def _turn(self) -> None:
        """Waits until there is a group to write."""
        while not self._closing and not self._forced:
            self._wake.clear()
            left = self._began + self._gap - time.monotonic()
            urgent = self._urgent > self._durable
            if self._waiting and (urgent or self._is_group() or left <= 0):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left if self._waiting else None):
                    await self._wake.wait()

    def _is_group(self) -> bool:
        """Whether enough waits to be written without waiting for more."""
        return len(self._waiting) >= self._max_pages or self._bytes >= self._max_bytes

    def _answer_flushes(self) -> None:
        waiting = []
        for target, done in self._flushes:
            if done.done():
                continue
            if self.error is not None:
                done.set_exception(self.error)
            elif self._durable >= target and not self._forced:
                done.set_result(None)
            else:
                waiting.append((target, done))
        self._flushes = waiting

    async def _write(self) -> None:
        self._began = begin = time.monotonic()
        self._forced = False
        outcomes = self._next_group()
        self.number += 1
        group = Group(self.number, outcomes, 0)
        skips = [skip for outcome in outcomes for skip in outcome.skips]
        records = [(o.entry.key if o.entry is not None else b"", item) for o in outcomes for item in o.items]
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(self._thread, self._append, group, records, skips)
        group.log_end = await uncancelled(writing)
        self._prepare(group)
        arrived = await self._frontier.commit(group)
        self._durable += len(outcomes)
        self._committed(group, arrived, time.monotonic() - begin)
        self._answer_flushes()

    def _next_group(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        size = 0
        while self._waiting and len(outcomes) < self._max_pages and size < self._max_bytes:
            outcome = self._waiting.popleft()
            outcomes.append(outcome)
            size += outcome.size
        self._bytes -= size
        return outcomes

    def _append(self, group: Group, records: list[tuple[bytes, ItemRecord]], skips: list[Skip]) -> int:
        if skips:
            group.meta["skipped"] = str(self._list_skips(skips)).encode()
        return self._log.append(group.number, records) if records else self._log.end
