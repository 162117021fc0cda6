"""`crawler explain URL`: everything known of a URL in a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crawler.runs import RunDirectory
    from crawler.runs.explain_report import Explanation, RequestReport, Step
    from crawler.runs.explain_rules import RulesInForce

__all__ = ["EXAMPLE", "explain"]

EXAMPLE = "Example: crawler explain https://books.example/catalogue/page-2.html --spider books"

_SHOWN = 5  # requests, attempts, links: of more the rest is counted, and in the JSON


def explain(
    url: Annotated[str, typer.Argument(metavar="URL", help="Absolute, with https:// or http://.")],
    spider: Annotated[
        str, typer.Option(metavar="NAME", help="The newest run of this spider; or FILE|MODULE:CLASS, for its rules.")
    ] = "",
    run: Annotated[str, typer.Option(metavar="RUN", help="A run: its id, spider/id, its path, or last.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    given: Annotated[
        list[str] | None, typer.Option("-s", "--set", metavar="NAME=VALUE", help="As for `crawler run`.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Instead of config.toml of the directory.")
    ] = None,
    runs_dir: Annotated[str | None, typer.Option(metavar="DIR", help="Where runs are kept.")] = None,
) -> None:
    """Tell all that is known of a URL: how it was found, what became of it and why, or what would.

    In the newest run, unless --run or --spider says otherwise; also while it runs. Nothing is fetched.
    """
    from crawler.errors import UsageError
    from crawler.runs.explain import explain as tell
    from crawler.urls import absolute

    try:
        wanted = absolute(url)
    except ValueError as error:
        raise UsageError(str(error)) from None
    explanation = tell(wanted, *_run_and_rules(spider, run, given or [], config, runs_dir))
    if as_json:
        _print_json(explanation)
        return
    for label, text in _lines(explanation):
        typer.echo(f"{label:<12}{text}".rstrip() if label is not None else "")


def _run_and_rules(
    spider: str, run: str, given: list[str], config: Path | None, runs_dir: str | None
) -> tuple[RunDirectory | None, RulesInForce]:
    """The run to look in, and the rules by which it would go on."""
    import os

    from crawler.cli.pairs import pairs
    from crawler.errors import UsageError
    from crawler.loading import load
    from crawler.runs.explain import pick
    from crawler.runs.explain_rules import rules_of_run, rules_of_spider
    from crawler.settings_layers import Effective, Layer, resolve

    layers = [Layer("-s", pairs("-s", given), text=True)]
    layers += [Layer("--runs-dir", {"runs_dir": runs_dir})] if runs_dir else []

    def resolved(spider_class: Any) -> Effective:
        return resolve(spider_class, config=config, env=os.environ, use_files=True, command_line=layers)

    loaded = load(spider) if spider.endswith(".py") or ":" in spider or "/" in spider else None
    place = Path(resolved(loaded).settings.runs_dir)
    if loaded is None:
        found = pick(place, run, spider)
        return found, rules_of_run(found, resolved)
    try:
        found = pick(place, run, loaded.name)
    except UsageError:
        if run:
            raise
        return None, rules_of_spider(loaded, None, resolved)  # it has not run yet: its rules are told
    return found, rules_of_spider(loaded, found.identity.args, resolved)


# -- JSON


def _print_json(explanation: Explanation) -> None:
    import msgspec

    from crawler.codec import to_json_line

    line = to_json_line(_masked(msgspec.to_builtins(explanation)))
    typer.echo(msgspec.json.format(line, indent=2).decode())


def _masked(value: Any) -> Any:
    """Without passwords in URLs; items are the user's data and stay as they are."""
    from crawler.terminal.text import masked

    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    if isinstance(value, dict):
        return {name: inner if name == "items" else _masked(inner) for name, inner in value.items()}
    return value


# -- for people: (label, text); a label of None is an empty line


def _lines(found: Explanation) -> Iterator[tuple[str | None, str]]:
    yield "url", _url(found.url)
    if found.canonical != found.url:
        yield "canonical", _url(found.canonical)
    if found.run is not None:
        yield "run", f"{found.run} ({found.run_state})"
    for report in found.requests[:_SHOWN]:
        if len(found.requests) > 1:
            yield None, ""
            yield "request", _unusual(report) or "GET"
        yield from _request(report, found)
    more = len(found.requests[_SHOWN:]) + found.requests_left_out
    if more:
        yield "", f"… and {more:,} more requests for this URL"
    if len(found.requests) > 1 or more:
        yield None, ""
    if not found.known:
        yield from _never(found)
    yield from _links(found)
    when = f" (asked {_when(found.robots.time)})" if found.robots.time is not None else ""
    delay = f"; Crawl-delay {found.robots.crawl_delay:g} s" if found.robots.crawl_delay else ""
    yield "robots.txt", _text(found.robots.text + delay) + when
    if found.forecast.verdict == "left out" and any(report.became == "pending" for report in found.requests):
        yield "rules now", _text(f"{found.forecast.text}; applied before it is sent", 1_000)
    for missing in found.missing:
        yield "missing", _text(missing, 1_000)


def _request(report: RequestReport, found: Explanation) -> Iterator[tuple[str | None, str]]:
    yield "became", _became(report)
    if report.error and report.became != "skipped":
        yield "error", _text(f"{report.error}: {report.message or ''}", 1_000)
    if report.where:
        yield "at", _text(report.where, 1_000)
    for wait in report.waits:
        yield "waits", _text(wait.text) + (f" until {_when(wait.until)}" if wait.until is not None else "")
    if report.deaths:
        yield "deaths", f"the process died {_times(report.deaths)} while it was on this page"
    if not report.same_spelling:
        yield "same page", f"as {_url(report.url)}, the spelling that was found first"
    yield from _attempts(report)
    yield from _path(report)
    for hop in report.redirected_from:
        yield "from", f"{_url(hop.url)} (redirected, {hop.status})"
    for url in report.redirected_to:
        yield "to", _url(url)
    words = ", ".join(f"{name}={value!r:.60}" for name, value in report.arguments.items())
    yield "for", _text(f"{report.callback}({words})")
    unusual = _unusual(report)
    if unusual and len(found.requests) == 1:
        yield "request", unusual
    if report.became in ("done", "handled") or report.items.count:
        yield "items", f"{report.items.count:,}"
        for item in report.items.first:
            yield "", _item(item)


def _became(report: RequestReport) -> str:
    at = f", {_when(report.time)}" if report.time is not None else ""
    none = "given up" if report.error == "GaveUp" else "no answer"
    status = f"status {report.status}" if report.status else none
    return {
        "pending": "pending: not fetched yet" if not report.fetched else f"pending: tried {_times(report.fetched)}",
        "done": f"done: {status}{at}",
        "failed": f"failed: {status}{at}",
        "handled": f"failed, and the spider dealt with it: {status}{at}",
        "redirected": f"redirected: {status}{at}",
        "skipped": _text(f"skipped by the rule {report.error}") + at,
    }[report.became]


def _attempts(report: RequestReport) -> Iterator[tuple[str, str]]:
    if report.visits > 1:
        yield "visits", f"{report.visits} (taken up anew {_times(report.visits - 1)})"
    if report.fetched > 1:
        yield "attempts", f"{report.fetched:,}"
    for attempt in report.attempts[-_SHOWN:]:
        yield "", f"{_when(attempt.time)}  try {attempt.number} of visit {attempt.visit}: {_text(attempt.reason)}"


def _path(report: RequestReport) -> Iterator[tuple[str, str]]:
    """The chain of parents: a step a line, of a long one the beginning and the end."""
    steps, left_out = report.path[:-1], report.path_left_out
    if not steps:
        yield "found", "as a seed"
        return
    label = "found"
    if len(steps) > 2 * _SHOWN:
        left_out += len(steps) - 2 * _SHOWN
        steps = [*steps[:_SHOWN], *steps[-_SHOWN:]]
    for at, step in enumerate(steps):
        if left_out and at == len(steps) // 2:
            yield "", f"… {left_out:,} more …"
        yield label, _step(step)
        label = ""
    how = "by its redirect" if report.path[-1].by == "redirect" else "by a link on it"
    yield "", f"{how}, depth {report.depth}"


def _step(step: Step) -> str:
    how = {"seed": "seed", "link": f"depth {step.depth}", "redirect": f"depth {step.depth}, by redirect"}[step.by]
    return f"{_url(step.url)} ({how})"


def _unusual(report: RequestReport) -> str:
    """What makes it another request than the URL alone does."""
    parts = [report.method if report.method != "GET" else "", f"session {report.session}" if report.session else ""]
    parts += [f"key {report.key}" if report.key else "", "" if report.unique else "unique=False"]
    parts += [f"body of {report.body_bytes:,} bytes" if report.body_bytes else ""]
    return _text(", ".join(part for part in parts if part))


def _links(found: Explanation) -> Iterator[tuple[str, str]]:
    for redirect in found.redirected_here[:_SHOWN]:
        yield "also from", f"{_url(redirect.url)} (redirected here, {redirect.status})"
    skipped = {report.error for report in found.requests if report.became == "skipped"}  # told already
    left_out = [link for link in found.left_out if link.detail or link.parent or link.reason not in skipped]
    for link in left_out[:_SHOWN]:
        where = f", on {_url(link.parent)}" if link.parent else ""
        yield "left out", _text(f"by the rule {link.reason}{': ' if link.detail else ''}{link.detail}") + where
    for link in found.other_arguments[:_SHOWN]:
        yield "duplicate", f"{_text(link.detail)}, on {_url(link.parent) if link.parent else 'a seed'}"
    for listed, name in (
        (found.redirected_here, "redirects"),
        (left_out, "links"),
        (found.other_arguments, "links"),
    ):
        if len(listed) > _SHOWN:
            yield "", f"… and {len(listed) - _SHOWN:,} more {name} of this kind"


def _never(found: Explanation) -> Iterator[tuple[str, str]]:
    """For a URL without a request: what would become of one."""
    if found.run is not None:
        why = "the run left out every link to it" if found.left_out else "no page of the run has linked to it"
        yield "became", f"nothing: {why}"
    coming = found.forecast
    again = " if a link that the rule lets pass leads to it" if found.left_out and coming.verdict != "left out" else ""
    yield "would be", _text(coming.text, 1_000) + again
    if coming.max_depth is not None and coming.verdict != "left out":
        yield "", f"as far as it is at most {coming.max_depth} links away from a seed (max_depth)"


def _item(item: dict[str, Any]) -> str:
    from crawler.codec import to_json_line

    return _text(to_json_line(item).decode(), 160)


def _url(url: str) -> str:
    from crawler.terminal.text import clean_url

    return clean_url(url, 300)


def _text(text: str, limit: int = 300) -> str:
    from crawler.terminal.text import clean, masked

    return clean(masked(text), limit)


def _when(epoch: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def _times(n: int) -> str:
    return {1: "once", 2: "twice"}.get(n, f"{n:,} times")
