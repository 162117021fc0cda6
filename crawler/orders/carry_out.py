"""Carrying out a command of the inbox: the same for a live crawl and for a run at rest.

Both are a `Target`: a frontier that accepts outcomes and commits them. What is added goes the way of
seeds (fingerprint, known, scope); what is dropped ends as "skipped", by the rule "dropped". No code of the
spider is called. A part is durable before the next one is begun, so memory is that of one part.
"""

from __future__ import annotations

import asyncio
import difflib
import inspect
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from crawler.contracts import Entry, Outcome, Skip
from crawler.frontier.inspect import pattern, pending_ids
from crawler.request import PLAIN, Request, make, make_options
from crawler.runs.inbox import Add, Answer, Command, Drop
from crawler.spider import Spider
from crawler.uncancelled import uncancelled
from crawler.urls import absolute

if TYPE_CHECKING:
    from pathlib import Path

    from crawler.linking import Linker

__all__ = ["DROPPED", "Target", "carry_out", "in_thread_to_its_end"]

T = TypeVar("T")

DROPPED = "dropped"
"""The reason of what a command left out, in skipped.jsonl and in the counter skipped/dropped."""

_BATCH = 500
"""Requests accepted in one go: the loop is held for some milliseconds."""


class Target(Protocol):
    """What commands are carried out on."""

    @property
    def spider(self) -> type[Spider]:
        """The spider's class, for its callbacks. Raises UsageError where it cannot be had."""
        ...

    @property
    def linker(self) -> Linker:
        """Fingerprints and judges what is added. Raises UsageError like `spider`."""
        ...

    @property
    def store(self) -> Path | None:
        """The frontier's file; None where it is kept in memory."""
        ...

    @property
    def max_links(self) -> int:
        """The most requests that `linker` takes at once."""
        ...

    def accept(self, outcome: Outcome) -> None:
        """Takes an outcome into the order of commits."""
        ...

    async def flush(self) -> None:
        """Makes durable what was accepted. Raises StateError."""
        ...

    def first_skip(self, skip: Skip) -> bool:
        """Whether a request that is left out is to be listed."""
        ...

    def bodies(self, ids: Sequence[int]) -> list[Entry]:
        """The entries of those ids that are pending."""
        ...

    def in_flight(self) -> Container[int]:
        """The ids of what is being fetched at the moment."""
        ...


async def carry_out(command: Command, target: Target) -> Answer:
    """Does what a command says, durably; repeated it changes nothing more. Raises StateError.

    What the command gets wrong is in the answer's `error`.
    """
    if isinstance(command, Add):
        return await _add(command, target)
    return await _drop(command, target)


async def _add(add: Add, target: Target) -> Answer:
    answer = Answer()
    try:
        _check_callback(target.spider, add.callback)
        options = make_options({"priority": add.priority}) if add.priority else PLAIN
    except (TypeError, ValueError) as error:
        return Answer(error=str(error))
    requests: list[Request] = []
    for url in add.urls:
        try:
            requests.append(make(absolute(url), add.callback, {}, options, 0))
        except ValueError as error:
            answer.refuse("bad-url", str(error))
    size = min(_BATCH, target.max_links)
    for first in range(0, len(requests), size):
        _accept(requests[first : first + size], target, answer)
        await asyncio.sleep(0)
    await target.flush()
    return answer


def _accept(requests: Sequence[Request], target: Target, answer: Answer) -> None:
    """As seeds: without a parent; refused ones are counted, and listed once."""
    outcome = Outcome(None, "none")
    counters = outcome.counters
    for _, skip in target.linker.link(None, enumerate(requests), outcome):
        answer.refuse(skip.reason, skip.detail)
        counters[f"skipped/{skip.reason}"] = counters.get(f"skipped/{skip.reason}", 0) + 1
        if target.first_skip(skip):
            outcome.skips.append(skip)
    known = counters.pop("duplicates", 0)  # of the command's, not of the site's links
    keys = {found.key for found in outcome.found}
    answer.known += known + len(outcome.found) - len(keys)  # some may be in it twice
    answer.added += len(keys)
    outcome.size = 200 * len(keys)
    if outcome.found or outcome.skips or counters:
        target.accept(outcome)


async def _drop(drop: Drop, target: Target) -> Answer:
    answer = Answer()
    store = target.store
    if store is None:
        return Answer(error="a frontier in memory cannot be searched: drop works with frontier = sqlite")
    try:
        matches = pattern(drop.pattern, regex=drop.regex)
    except ValueError as error:
        return Answer(error=str(error))
    await target.flush()  # what was accepted is in the file then
    after: int | None = 0
    while after is not None:
        ids, after = await in_thread_to_its_end(pending_ids, store, matches, after)
        for first in range(0, len(ids), _BATCH):
            in_flight = target.in_flight()
            for entry in target.bodies(ids[first : first + _BATCH]):
                if entry.id in in_flight:
                    answer.in_flight += 1
                    continue
                target.accept(_dropped(entry, drop.pattern, target))
                answer.dropped += 1
            await target.flush()
    return answer


def _dropped(entry: Entry, pattern: str, target: Target) -> Outcome:
    skip = Skip(entry.request.url, DROPPED, f"by a command: {pattern}", "", entry.key)
    skips = [skip] if target.first_skip(skip) else []
    return Outcome(
        entry, "skipped", error=DROPPED, message=skip.detail, skips=skips, counters={f"skipped/{DROPPED}": 1}, size=200
    )


async def in_thread_to_its_end(call: Callable[..., T], *args: Any) -> T:
    """A blocking call in a thread. A cancelled wait waits for it all the same: a thread cannot be stopped."""
    return await uncancelled(asyncio.to_thread(call, *args))


def _check_callback(spider: type[Spider], name: str) -> None:
    """That a method of that name can get a response. Raises ValueError: a request that waits for a method
    which is not there would stop the next start of the run."""
    method = getattr(spider, name or "parse", None)
    kind = spider.__name__
    if not callable(method) or method is getattr(Spider, name or "parse", None) or name.startswith("__"):
        own = [word for word in vars(spider) if not word.startswith("_") and _takes_response(getattr(spider, word))]
        near = difflib.get_close_matches(name, own, 1) or own
        hint = f"; did you mean {near[0]}?" if len(near) == 1 else f"; it has {', '.join(sorted(near))}" if near else ""
        if name:
            raise ValueError(f"{kind} has no callback {name!r}{hint}")
        raise ValueError(f"{kind} has no parse(self, response): name another method with --callback{hint}")
    if not _takes_response(method):
        raise ValueError(f"{kind}.{name or 'parse'}{inspect.signature(method)} cannot be called with a response alone")


def _takes_response(method: Any) -> bool:
    if not inspect.isfunction(method):
        return False
    try:
        inspect.signature(method).bind(None, None)  # self and response
    except TypeError:
        return False
    return not hasattr(Spider, method.__name__) or method.__name__ == "parse"
