"""What the rules say of a URL without asking for it: the settings and the spider in force, robots.txt.

The rules are those that a `crawler run` would have now. Where the spider cannot be loaded any more they
are what the run's last process recorded, and what is missing then is said.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from crawler.errors import CrawlerError
from crawler.frontier.recovery import read_meta
from crawler.loading import load
from crawler.request import PLAIN, make
from crawler.robots import path_of, text_of
from crawler.robots_rules import ALLOW_ALL, parse, product_token
from crawler.runs.choose import stored
from crawler.runs.explain_report import Forecast, RobotsVerdict
from crawler.scope import Scope, all_domains
from crawler.settings_values import domains
from crawler.spider_check import made
from crawler.urls import mask, origin

if TYPE_CHECKING:
    from crawler.runs.directory import RunDirectory
    from crawler.settings import Settings
    from crawler.settings_layers import Effective
    from crawler.spider import Spider

__all__ = ["RulesInForce", "forecast", "robots_verdict", "rules_of_run", "rules_of_spider"]


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """The settings, the domains to stay on (of spider and settings), and what could not be had of them."""

    settings: Settings
    domains: list[str]
    missing: list[str] = field(default_factory=list)


def rules_of_spider(
    spider: type[Spider], args: Mapping[str, Any] | None, resolved: Callable[[type[Spider] | None], Effective]
) -> RulesInForce:
    """The rules of a spider's class; `args` are its arguments, None where it was given none.

    Raises SpiderError and SettingsError for what is wrong with it.
    """
    effective = resolved(spider)
    settings, missing = effective.settings, []
    allowed: Any = spider.allowed_domains
    try:
        allowed = made(spider, dict(effective.args if args is None else args)).allowed_domains
    except CrawlerError as error:
        if args is not None:
            raise
        missing.append(f"what {spider.__name__} makes of its arguments: {error}")
        allowed = allowed if isinstance(allowed, list | tuple) else ()
    return RulesInForce(settings, all_domains(spider.__name__, allowed, settings), missing)


def rules_of_run(run: RunDirectory, resolved: Callable[[type[Spider] | None], Effective]) -> RulesInForce:
    """The rules of a run's spider as it is now; where it cannot be loaded, what the run's last process
    recorded of them (`recording.scope_settings`). Raises SettingsError, StateError."""
    identity = run.identity
    try:
        if not identity.target:
            raise CrawlerError("the run does not say where it is; name its file with --spider")
        return rules_of_spider(load(identity.target), identity.args, resolved)
    except CrawlerError as error:
        why = f"the rules of the spider {identity.spider} as it is now ({error})"
    settings = resolved(None).settings
    recorded: dict[str, Any] | None = None
    if run.frontier.exists():
        recorded = stored(read_meta(run.frontier).meta, "scope", dict)
    if recorded is None:
        found = domains(settings.allowed_domains, "the setting allowed_domains")
        return RulesInForce(settings, found, [f"{why}; the settings of this directory are shown without it"])
    known = {name: recorded[name] for name in ("max_depth", "max_url", "traps", "robots") if name in recorded}
    settings = msgspec.structs.replace(settings, **known)
    return RulesInForce(
        settings, list(recorded.get("allowed_domains", ())), [f"{why}; those of the run's last process are shown"]
    )


def robots_verdict(url: str, answer: tuple[float, int, bytes] | None, settings: Settings) -> RobotsVerdict:
    """What a robots.txt that is stored says of a URL. `answer`: (epoch second, status, compressed body), None for none.

    The statuses count as in `crawler.robots`; only there it is known how often a failing one was asked.
    """
    place = origin(url)
    if not place.startswith(("http://", "https://")):
        return RobotsVerdict(origin=place, obeyed=settings.robots, allowed=None, text="it has no robots.txt")
    if not settings.robots:
        return RobotsVerdict(origin=place, obeyed=False, allowed=True, text="not obeyed (robots = false)")
    if answer is None:
        return RobotsVerdict(
            origin=place, obeyed=True, allowed=None, text="not asked yet; that comes before the first page"
        )
    time, status, body = answer
    allowed: bool | None = True
    rule, delay = None, None
    if status == 0:
        allowed, text = None, "no answer: asked again, or its pages are let through to fail by themselves"
    elif status == 429 or status >= 500:
        allowed, text = False, f"status {status}: nothing is allowed until it can be read"
    elif not 200 <= status < 300:
        text = f"allowed: status {status} sets no rules"
    else:
        content = text_of(zlib.decompress(body)) if body else ""
        rules = parse(content, product_token(settings.user_agent)) if content is not None else ALLOW_ALL
        delay = rules.delay
        deciding = rules.deciding(path_of(url))
        allowed = deciding is None or deciding[1]
        rule = None if deciding is None else f"{'Allow' if allowed else 'Disallow'}: {deciding[0]}"
        text = f"{'allowed' if allowed else 'forbidden'} by {rule}" if rule else "allowed: no rule names it"
        text = "allowed: it is an HTML page, which sets no rules" if content is None else text
    return RobotsVerdict(
        origin=place, obeyed=True, allowed=allowed, rule=rule, text=text, time=time, status=status, crawl_delay=delay
    )


def forecast(url: str, rules: RulesInForce, robots: RobotsVerdict) -> Forecast:
    """What would happen to a link to the URL. Its depth is not known, so `max_depth` is only told."""
    depth = rules.settings.max_depth
    scope = Scope(rules.settings, rules.domains)
    refused = scope.refuses(make(url, "", {}, PLAIN, 0)) or scope.trap(url)
    if refused is not None:
        return Forecast("left out", refused[0], f"left out by the rule {refused[0]}: {mask(refused[1])}", depth)
    if robots.allowed is False and robots.rule is not None:
        return Forecast("left out", "robots", f"left out by robots.txt: {robots.rule}", depth)
    if robots.allowed is False:
        return Forecast("waits", "", f"held back by robots.txt of {robots.origin}: {robots.text}", depth)
    if robots.allowed is None:
        what = "is not asked yet" if robots.time is None else "did not answer"
        return Forecast(
            "unknown", "", f"fetched once, unless robots.txt of {robots.origin}, which {what}, forbids it", depth
        )
    return Forecast("fetched", "", "fetched once", depth)
