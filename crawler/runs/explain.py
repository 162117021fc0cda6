"""Everything known of a URL in a run: `crawler explain URL`, during the run and after.

The answer is put together from what the run keeps anyway: the frontier's file (explain_store.py), the
list of left-out links and the item log (explain_files.py), and the rules in force (explain_rules.py).
A crawl pays nothing for it: no index, no rows that it would not write without.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.canonical import CanonicalRules, canonical
from crawler.errors import StateError, UsageError
from crawler.frontier.fingerprint import Fingerprinter
from crawler.frontier.recovery import read_meta
from crawler.request import PLAIN, make
from crawler.runs.directory import RunDirectory, all_runs, find
from crawler.runs.explain_files import items_of, left_out
from crawler.runs.explain_report import Explanation, Items, Redirect, RequestReport, RobotsVerdict, Wait
from crawler.runs.explain_rules import forecast, robots_verdict
from crawler.runs.explain_store import Row, Store, Wanted
from crawler.runs.history import RunInfo, history, look, spider_directories
from crawler.runs.identity import hash_key
from crawler.urls import origin, without_fragment

if TYPE_CHECKING:
    from crawler.runs.explain_rules import RulesInForce
    from crawler.settings import Settings

__all__ = ["explain", "pick"]

_WHERE = re.compile(r" at (\S[^;]*?:\d+)(?=;|$)")
"""Where a message of a callback's error names its line; of several the first, `failed` may add its own."""


def pick(runs_dir: Path, run: str = "", spider: str = "") -> RunDirectory:
    """The run to look in: the named one, or the newest (of a spider). Raises UsageError."""
    if run:
        found = find(runs_dir, run)
        if spider and found.identity.spider != spider:
            raise UsageError(f"run {run} is of the spider {found.identity.spider}, not of {spider}: leave one out")
        return found
    if not spider:
        return find(runs_dir, "last")
    runs = [found for place in spider_directories(runs_dir, spider) for found in all_runs(place)]
    if not runs:
        raise UsageError(
            f"there are no runs of a spider {spider!r} in {runs_dir}: run it first, or name a run with --run"
        )
    return max(runs, key=lambda run: run.identity.created)


def explain(url: str, run: RunDirectory | None, rules: RulesInForce) -> Explanation:
    """Tells of an absolute URL (`urls.absolute`); without a run only what would happen to it.

    Reads beside a crawl and changes nothing. Raises StateError for a run whose files cannot be read.
    """
    same = _canonical_rules(run, rules.settings)
    robots = robots_verdict(url, None, rules.settings)
    answer = Explanation(
        url=url, canonical=canonical(url, same), run=None, run_state=None, known=False, requests=[],
        requests_left_out=0, redirected_here=[], left_out=[], other_arguments=[],
        robots=robots, forecast=forecast(url, rules, robots), missing=list(rules.missing),
    )  # fmt: skip
    if run is None:
        return answer
    state = _state(run)
    answer.run, answer.run_state = state.name, state.state
    answer.left_out, answer.other_arguments = left_out(run.skipped, answer.canonical, same)
    wanted = Wanted(url, answer.canonical, same, _key(run, url, same, answer.missing))
    if not run.frontier.exists():
        answer.missing.append(
            f"what became of its requests: there is no {run.frontier.name} (was it frontier = memory?)"
        )
        return answer
    with Store(run.frontier) as store:
        answer.robots = robots_verdict(url, store.robots(origin(url)), rules.settings)
        answer.forecast = forecast(url, rules, answer.robots)
        rows, answer.requests_left_out = store.find(wanted)
        if rows:
            answer.known = True
            answer.requests = _reports(store, rows, wanted)
            _add_waits(store, rows, answer, state, rules.settings)
            _add_items(run, rows, answer)
        urls = {*_spellings(url), *(row.request.url for row in rows)}
        own = {row.id for row in rows} | {row.parent for row in rows}  # a hop's parent is in `redirected_from`
        answer.redirected_here = store.redirected_here(urls, own)
    return answer


def _canonical_rules(run: RunDirectory | None, settings: Settings) -> CanonicalRules:
    """Those that the run's keys were made with."""
    if run is None:
        return CanonicalRules.from_settings(settings)
    return run.identity.rules


def _key(run: RunDirectory, url: str, rules: CanonicalRules, missing: list[str]) -> bytes:
    place = run.path.parent
    if not (place / "hash.key").exists():  # a run's directory was copied: looking must not make another key
        missing.append(f"other spellings of the page: {place / 'hash.key'} is not there")
        return b""
    return Fingerprinter(hash_key(place), rules).of(make(url, "", {}, PLAIN, 0))


def _state(run: RunDirectory) -> RunInfo:
    """The run with its state. Whether a process works on it is told only by a look at its neighbours."""
    own = look(run)
    if own.state in ("ended", "limit", "unreadable"):
        return own
    return next((info for info in history([run.path.parent])[0] if info.path == run.path), own)


def _reports(store: Store, rows: list[Row], wanted: Wanted) -> list[RequestReport]:
    attempts = store.attempts([row.id for row in rows])
    reports = []
    for row in rows:
        report = _report(store, row, wanted)
        before, report.attempts = attempts.get(row.id, (0, []))
        sent = row.verdict not in ("", "skipped") and row.error != "ProcessDied"
        report.fetched = max(before, row.tries) + sent  # a file of schema 1 has tries and lists no attempts
        reports.append(report)
    return reports


def _add_items(run: RunDirectory, rows: list[Row], answer: Explanation) -> None:
    try:
        # the log's end is read after the rows: what is told to be done has its items before it
        items = items_of(run.log, read_meta(run.frontier).log_end, {row.key for row in rows})
    except StateError as error:
        answer.missing.append(f"its items: {error}")
        return
    for row, report in zip(rows, answer.requests, strict=True):
        report.items = items[row.key]


def _add_waits(store: Store, rows: list[Row], answer: Explanation, state: RunInfo, settings: Settings) -> None:
    pending = [at for at, row in enumerate(rows) if not row.verdict]
    for at, ahead in zip(pending, store.ahead([rows[at] for at in pending]), strict=True):
        report = answer.requests[at]
        report.ahead = ahead
        report.waits = _waits(store, rows[at], ahead, state, settings, answer.robots)


def _report(store: Store, row: Row, wanted: Wanted) -> RequestReport:
    request, options = row.request, row.request._options
    path, path_left_out = store.path(row)
    callback_failed = "callback/" in (row.error or "")
    where = _WHERE.search(row.message or "") if callback_failed else None
    redirected = row.verdict == "redirected"
    return RequestReport(
        id=row.id, url=request.url, same_spelling=request.url in _spellings(wanted.url),
        method=request.method, session=request.session, key=options.key, unique=options.unique,
        body_bytes=len(options.body or b""), priority=request.priority,
        callback=request.callback or "parse", arguments=dict(request.kwargs), depth=request.depth,
        path=path, path_left_out=path_left_out,
        became=row.verdict or "pending", status=row.status or None, error=row.error,  # type: ignore[arg-type]
        message=None if redirected else row.message, where=where[1] if where else None, time=row.time,
        visits=row.visit + 1, fetched=0, attempts=[], deaths=store.deaths(row.key),
        redirected_from=[Redirect(hop.url, hop.status) for hop in options.history],
        redirected_to=store.redirected_to(row) if redirected else [],
        waits=[], ahead=None, items=Items(),
    )  # fmt: skip


def _spellings(url: str) -> set[str]:
    """As it was asked for and as it is sent."""
    return {url, without_fragment(url)}


def _waits(store: Store, row: Row, ahead: int, state: RunInfo, settings: Settings, robots: RobotsVerdict) -> list[Wait]:
    """Why a pending request is not fetched yet, what nobody can hurry first."""
    now = time.time()
    waits: list[Wait] = []
    if state.state != "running":
        told = state.state not in ("limit", "interrupted")  # their reasons say it themselves
        how = ": ".join(part for part in (state.state if told else "", state.reason) if part)
        again = "; it waits for `crawler run` to go on with it" if state.resumable or state.state == "limit" else ""
        waits.append(Wait("run", f"no process works on the run ({how}){again}"))
    if row.due > now:
        waits.append(Wait("due", f"it was given back after attempt {row.tries} and has its time", row.due))
    host, until = store.host_wait(row.host)
    if until > now:
        parked = until - now > max(settings.max_wait, settings.delay)
        how = "is parked: it asked for a longer wait than max_wait" if parked else "may not be asked before"
        waits.append(Wait("parked" if parked else "host", f"its host {host} {how}", until))
    if robots.obeyed and robots.allowed is not True and robots.rule is None:
        waits.append(Wait("robots", f"robots.txt of {robots.origin}: {robots.text}"))
    line = f"{ahead:,} requests of its host go before it" if ahead != 1 else "1 request of its host goes before it"
    first = "it is the next of its host" + (", or it is being fetched now" if state.state == "running" else "")
    waits.append(Wait("line", line if ahead else first))
    return waits
