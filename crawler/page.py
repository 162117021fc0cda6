"""One page's way, from its hand-out to its outcome: ask → judge → callback → pipelines → outcome."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict, CIMultiDictProxy

from crawler.binding import decode_kwargs
from crawler.callbacks import (
    USER_ERRORS,
    Results,
    WrongYield,
    defined_at,
    in_thread,
    shown,
    stepped,
    user_traceback,
    where_of,
)
from crawler.codec import encode_item, is_item
from crawler.contracts import Entry, ItemRecord, Outcome, Returned, Skip, StateOp, Verdict
from crawler.errors import BadStatus, DropItem, FetchError, GaveUp, ProcessDied, Retry, Skipped, of_page
from crawler.events import CallbackFailed, ItemDropped, PageDone, PageFailed, PageReturned, PageSkipped
from crawler.parse.following import Links
from crawler.pipelines import Context
from crawler.redirects import location_of, next_request
from crawler.request import Request
from crawler.response import Response
from crawler.stages import CALLBACK, DEDUPE, ENCODE, PIPELINE

if TYPE_CHECKING:
    from crawler.engine import Engine

__all__ = ["Page"]


class Page:
    """A page while it is worked on; what its callback sees as the current work (`spider.Work`)."""

    __slots__ = (
        "cookies",
        "counters",
        "engine",
        "entry",
        "hop",
        "items",
        "known",
        "ordinal",
        "over",
        "own",
        "permit",
        "requests",
        "response",
        "results",
        "state",
        "waiting",
        "weight",
    )

    def __init__(self, engine: Engine, entry: Entry) -> None:
        self.engine = engine
        self.entry = entry
        self.counters: dict[str, int] = {}
        self.cookies: dict[str, bytes] | None = None
        self.state: list[StateOp] = []
        self.own: dict[str, Any] = {}
        self.items: list[ItemRecord] = []
        self.requests: list[tuple[int, Request]] = []
        self.ordinal = -1
        self.known = 0
        self.waiting = 0
        self.weight = engine.stages.weight
        self.permit = True
        self.over = False
        self.response: Response | None = None
        self.hop: Request | None = None
        self.results: Results | None = None
        if entry.tries == 0 and entry.visit == 0 and not entry.request._options.history:
            self.counters["pages"] = 1

    # -- what the spider's methods call (spider.Work)

    async def fetch(self, request: Request) -> Response:
        """`self.fetch` of this page."""
        return await self.engine.inner.fetch(self, request)

    def stop(self, reason: str, resumable: bool) -> None:
        """`self.stop` of this page."""
        self.engine.stop_asked(reason, resumable)

    def changed(self, name: str, where: str) -> None:
        """A public attribute was set in a callback."""
        self.engine.notices.attribute_changed(name, where)

    # -- the way

    async def work(self) -> Outcome:
        """Everything from asking to the outcome. Raises only what cancels."""
        return await self.finish(await self._way())

    async def finish(self, outcome: Outcome) -> Outcome:
        """Fingerprints what was yielded, and tells `skipped` what the rules left out."""
        engine = self.engine
        link = engine.stages.timed(DEDUPE, engine.linker.link) if self.weight else engine.linker.link
        while True:
            skips = link(self.entry, self.take_requests(), outcome)
            if self.hop is not None:
                (request, self.hop) = (self.hop, None)
                skip = engine.linker.link_hop(self.entry, request, outcome)
                skips += [(request, skip)] if skip is not None else []
            if not skips:
                break
            for request, skip in skips:
                await self._tell_skipped(request, skip, outcome)
        if self.known:
            outcome.counters["duplicates"] = outcome.counters.get("duplicates", 0) + self.known
        if engine.near is not None and self.response is not None:
            engine.near.look(self.entry, self.response, outcome)
        # Given back now, before the next page is parsed, its tree leaves memory that the processor has at hand:
        # 50 µs a page.
        self.response = self.results = None
        outcome.size = 200 + sum(len(item.raw) + 60 for item in outcome.items) + 200 * len(outcome.found)
        return outcome

    def take_requests(self) -> list[tuple[int, Request]]:
        """The requests that were yielded since the last call, with their ordinals."""
        requests, self.requests = self.requests, []
        return requests

    async def _way(self) -> Outcome:
        refused = self.engine.recheck(self.entry.request)
        if refused is not None or self.entry.deaths >= self.engine.settings.max_deaths:
            self.engine.scheduler.release(self.entry.host)  # it is not sent: its host's permit goes to others
            return await self.skip(*refused) if refused is not None else await self._died()
        try:
            response = await self.engine.ask(self.entry)
            self.response = response
            target = self.engine.slots.during(self.entry.key, location_of, response, self.engine.settings)
            if target is not None:
                return await self._hop(response, target)
            self._judge(response)
        except Retry as retry:
            return await self._again(retry)
        except Skipped as skipped:
            return await self.skip(skipped.reason, skipped.detail)
        except FetchError as error:
            return await self._fail(error)
        except USER_ERRORS as error:
            return self._broken("middleware", error)
        return await self._parse(response)

    def _judge(self, response: Response) -> None:
        status = response.status
        accepted = self.entry.request._options.accept_status or self.engine.accepted
        if status not in accepted and not (300 <= status < 400 and self.entry.request._options.redirects is False):
            reason = f" {response.reason}" if response.reason else ""
            raise BadStatus(f"status {status}{reason}", response, seconds=response.elapsed)

    async def _parse(self, response: Response) -> Outcome:
        request = self.entry.request
        spider = self.engine.spider
        name = request.callback or "parse"
        try:
            method = getattr(spider, name)
            kwargs = decode_kwargs(method, request._kwargs) if isinstance(request._kwargs, bytes) else request._kwargs
            await self._run(name, partial(method, response, **kwargs), method)
        except Retry as retry:
            return await self._again(retry)
        except (FetchError, Skipped) as error:
            return await self._fail(of_page(error, request))
        except USER_ERRORS as error:
            return self._broken(name, error)
        status = response.status
        self.counters["responses"] = 1
        self.counters[f"status/{status}"] = 1
        self.counters["bytes"] = len(response.body)
        if self.items:
            self.counters["items"] = len(self.items)
        self.engine.emit(
            PageDone(
                request.url, self.entry.host, status, response.elapsed, len(response.body),
                len(self.items), len(self.requests) + self.known, "done",
            )
        )  # fmt: skip
        return self._outcome("done", status=status)

    async def _run(self, name: str, call: Callable[[], Any], method: Any) -> None:
        """Runs a method of the spider and takes its yields."""
        stages = self.engine.stages
        if getattr(method, "_crawler_blocking", False):
            took = partial(stages.add, CALLBACK, self.weight)
            for value in await in_thread(call, self.engine.slots, self.entry.key, took):
                waiting = self.take(value)
                if waiting is not None:
                    await waiting
            return
        self.results = results = Results(call, self.engine.slots, self.entry.key)
        try:
            giving = results.give(self.take, self.take_all)
            await (stages.during(CALLBACK, giving) if self.weight else giving)
        except WrongYield as error:
            whose = type(self.engine.spider).__name__
            raise WrongYield(f"{whose}.{name} {error}; {_ITEMS}", error.where or defined_at(method)) from None
        finally:
            self.engine.notices.stepped(name, results.slowest)

    def take(self, value: Any) -> Awaitable[None] | None:
        """One yield: a request is kept, an item goes through the pipelines."""
        self.ordinal += 1
        if isinstance(value, Request):
            self.requests.append((self.ordinal, value))
            return None
        if not is_item(value):
            raise WrongYield(f"yielded {shown(value)}", self.results.where() if self.results is not None else "")
        if self.engine.chain:
            return self._through(value, self.ordinal)
        self._keep(value, self.ordinal)
        return None

    def take_all(self, requests: Sequence[Request]) -> None:
        """Many yields at once, all of them requests: half the price of `take` for each, and less for `Links`."""
        first = self.ordinal + 1
        self.ordinal += len(requests)
        if type(requests) is not Links:
            self.requests += enumerate(requests, first)
            return
        engine = self.engine
        unmet = engine.stages.timed(DEDUPE, engine.linker.unmet) if self.weight else engine.linker.unmet
        new = unmet(requests, first)
        self.requests += new
        self.known += len(requests) - len(new)

    async def _through(self, item: Any, ordinal: int) -> None:
        request = self.entry.request  # one that failed has no answer: an empty one stands for it
        response = self.response or Response(request.url, 0, CIMultiDictProxy(CIMultiDict()), b"", request)
        try:
            context = Context(self.entry.key, ordinal, response, self.engine.spider)
            passing = stepped(self.engine.chain.process(item, context), self.engine.slots, self.entry.key)
            kept = await (self.engine.stages.during(PIPELINE, passing) if self.weight else passing)
        except DropItem as drop:
            name = f"dropped/{drop.reason[:60]}"
            self.counters[name] = self.counters.get(name, 0) + 1
            self.engine.emit(ItemDropped(request.url, drop.reason))
            return
        self._keep(kept, ordinal)

    def _keep(self, item: Any, ordinal: int) -> None:
        encode = self.engine.stages.timed(ENCODE, encode_item) if self.weight else encode_item
        try:
            type_name, fields, raw = encode(item)
        except (TypeError, ValueError, OverflowError) as error:
            if self.results is not None:
                error.where = self.results.where()  # type: ignore[union-attr]  # the yield's line
            raise
        self.items.append(ItemRecord(ordinal, type_name, fields, raw, item))

    # -- other ends

    async def _hop(self, response: Response, target: str) -> Outcome:
        try:
            self.hop = next_request(response, target, self.engine.settings)
        except FetchError as error:
            return await self._fail(error)
        self.counters["redirects"] = 1
        self.counters[f"status/{response.status}"] = 1
        url = self.entry.request.url
        self.engine.emit(PageDone(url, self.entry.host, response.status, response.elapsed, 0, 0, 1, "redirected"))
        return self._outcome("redirected", status=response.status, message=self.hop.url)  # for `explain`

    async def _again(self, retry: Retry) -> Outcome:
        """A try is used up: back with a time, or failed."""
        entry = self.entry
        if entry.tries >= self.engine.retry.retries(entry.request, retry.response):
            error = retry.error or GaveUp(
                f"gave up after {entry.tries + 1} tries: {retry.reason or 'Retry was raised'}",
                request=entry.request, phase="callback",
            )  # fmt: skip
            return await self._fail(error)
        after = retry.after if retry.after is not None else self.engine.retry.wait(entry.tries)
        self._forget()
        self.counters["retries"] = 1
        self.engine.emit(PageReturned(entry.request.url, entry.host, retry.reason, entry.tries + 1, after))
        outcome = self._outcome("returned")
        outcome.returned = Returned(entry.tries + 1, time.time() + after, retry.reason)
        return outcome

    async def skip(self, reason: str, detail: str = "") -> Outcome:
        """The page itself was left out by a rule, at hand-out."""
        self.counters.pop("pages", None)
        outcome = self._outcome("skipped", error=reason)
        history = self.entry.request._options.history
        named = f"{detail}; redirected from {history[-1].url}" if history else detail
        await self._tell_skipped(
            self.entry.request, Skip(self.entry.request.url, reason, named, "", self.entry.key), outcome
        )
        return outcome

    async def _tell_skipped(self, request: Request, skip: Skip, outcome: Outcome) -> None:
        name = f"skipped/{skip.reason}"
        outcome.counters[name] = outcome.counters.get(name, 0) + 1
        if not self.engine.notices.first_skip(skip):
            return  # listed and told before
        self.engine.emit(PageSkipped(skip.url, skip.reason, skip.detail))
        outcome.skips.append(skip)
        if self.engine.hears_skipped:
            await self._extra("skipped", partial(self.engine.spider.skipped, request, skip.reason), outcome)

    async def _fail(self, error: FetchError, *, tell: bool = True) -> Outcome:
        """The request failed for good: counted, said once, shown to errback or `failed`."""
        request = self.entry.request
        self._forget()
        error.request = error.request or request
        status = error.response.status if isinstance(error, BadStatus) else 0
        self.counters["requests_failed"] = 1
        self.counters[f"error/{error.kind}"] = 1
        if status:
            self.counters[f"status/{status}"] = 1
        self.engine.counts.example(f"error/{error.kind}", request.url, error.message)
        self.engine.emit(PageFailed(request.url, self.entry.host, error.kind, error.message, status, error.seconds))
        outcome = self._outcome("failed", status=status, error=error.kind, message=error.message)
        spider, options = self.engine.spider, request._options
        if not tell:
            return outcome
        if options.errback:
            errback = getattr(spider, options.errback)
            kwargs = decode_kwargs(errback, options.errback_kwargs) if options.errback_kwargs else {}
            await self._extra(options.errback, partial(errback, request, error, **kwargs), outcome)
        else:
            await self._extra("failed", partial(spider.failed, request, error), outcome)
        if outcome.verdict == "failed" and self.ordinal >= 0:
            outcome.verdict = "handled"
        return outcome

    async def _died(self) -> Outcome:
        """It ended the process too often."""
        times = self.entry.deaths
        message = f"the process died while on this page ({times} times)"
        error = ProcessDied(message, request=self.entry.request, phase="process")
        return await self._fail(error, tell=times == self.engine.settings.max_deaths)  # `failed` may kill it, too

    async def _extra(self, name: str, call: Callable[[], Any], outcome: Outcome) -> None:
        """Runs `failed`, `skipped` or an errback; its yields join the outcome that is at hand."""
        try:
            await self._run(name, call, getattr(self.engine.spider, name, None))
        except USER_ERRORS as error:
            broken = self._broken(name, error, keep=outcome.counters)
            outcome.verdict = "failed" if outcome.verdict != "skipped" else "skipped"
            outcome.error = f"{outcome.error}+{broken.error}" if outcome.verdict == "failed" else outcome.error
            outcome.message = f"{outcome.message}; {broken.message}" if outcome.message else broken.message
            return
        if self.items:
            outcome.counters["items"] = outcome.counters.get("items", 0) + len(self.items)
        outcome.items, outcome.state = self.items, self.state

    def _broken(self, name: str, error: BaseException, keep: dict[str, int] | None = None) -> Outcome:
        """The spider's code raised: this page is failed, all else goes on."""
        where = where_of(error) or defined_at(getattr(self.engine.spider, name, None))
        kind = type(error).__name__
        dropped = len(self.items)
        self._forget()
        counters = self.counters if keep is None else keep
        counters["callbacks_failed"] = counters.get("callbacks_failed", 0) + 1
        counters[f"callback/{kind}"] = 1
        if dropped:
            counters["items_lost_to_errors"] = counters.get("items_lost_to_errors", 0) + dropped
        text = str(error) if isinstance(error, WrongYield) else f"{kind}: {error}" if str(error) else kind
        url = self.entry.request.url
        self.engine.counts.example(f"callback/{kind}", url, f"{text} ({where})" if where else text)
        self.engine.emit(CallbackFailed(url, name, text, where, user_traceback(error)))
        if self.response is not None and keep is None:
            counters["responses"] = 1
            counters[f"status/{self.response.status}"] = 1
            counters["bytes"] = len(self.response.body)
        status = self.response.status if self.response is not None else 0
        return self._outcome("failed", status=status, error=f"callback/{kind}", message=f"{text} at {where}")

    def unstorable(self, error: BaseException) -> Outcome:
        """The store refused what the page gave (an argument, a state value): the page is failed instead."""
        return self._broken(self.entry.request.callback or "parse", error)

    def _forget(self) -> None:
        """Items, requests and state of a callback that did not end well are dropped; tries are not."""
        pages = self.counters.get("pages")
        fetches = self.counters.get("fetches")
        self.counters = {name: n for name, n in (("pages", pages), ("fetches", fetches)) if n}
        self.items, self.requests, self.state, self.own = [], [], [], {}
        self.ordinal, self.known = -1, 0

    def _outcome(self, verdict: Verdict, *, status: int = 0, error: str = "", message: str = "") -> Outcome:
        return Outcome(
            self.entry, verdict, status, error, message, self.items,
            state=self.state, counters=self.counters, cookies=self.cookies,
        )  # fmt: skip


_ITEMS = "yield requests and items: dataclass, msgspec Struct, pydantic model, attrs class or dict"
