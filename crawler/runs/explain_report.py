"""What is told of a URL, as data: `crawler explain --json` prints it as it stands here.

Names and types are kept stable; new members may come. Times are epoch seconds, durations seconds; None
(null) is "not known" or "there is none", as the member says.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = [
    "Attempt",
    "Explanation",
    "Forecast",
    "Items",
    "LeftOut",
    "Redirect",
    "RequestReport",
    "RobotsVerdict",
    "Step",
    "Wait",
]

Became = Literal["pending", "done", "failed", "handled", "redirected", "skipped"]
"""What became of a request: the verdicts of `crawler.contracts`, and pending."""


class Step(msgspec.Struct, frozen=True):
    """A page on the way from a seed. `by`: how the one before it led here; "seed" for the first."""

    url: str
    depth: int
    by: Literal["seed", "link", "redirect"]


class Attempt(msgspec.Struct, frozen=True, rename={"number": "try"}):
    """An attempt that did not end its request. `visit` and `number` (in JSON `try`) count from 1."""

    visit: int
    number: int
    time: float
    reason: str


class Redirect(msgspec.Struct, frozen=True):
    """A page that answered with a redirect: its URL and status (2xx: a meta refresh)."""

    url: str
    status: int


class Wait(msgspec.Struct, frozen=True):
    """Why a pending request is not fetched yet; `until` when that is over, None where nobody can tell."""

    why: Literal["run", "due", "host", "parked", "robots", "line"]
    text: str
    until: float | None = None


class Items(msgspec.Struct, frozen=True):
    """The items of a page: how many, and the first ones."""

    count: int = 0
    first: list[dict[str, Any]] = []


class RequestReport(msgspec.Struct, kw_only=True):
    """One request for the URL. There are several where method, body, session, `key=` or `unique=False` differ."""

    id: int
    url: str
    """As it was first found: the spelling that is fetched."""
    same_spelling: bool
    """False: the URL that was asked about is the same page, written in another way."""
    method: str
    session: str
    key: str
    """Its `key=`."""
    unique: bool
    body_bytes: int
    priority: int
    callback: str
    arguments: dict[str, Any]
    depth: int
    path: list[Step]
    """From the seed to this request, both with it; where it is long, its beginning and its end."""
    path_left_out: int
    """Steps left out of the middle of `path`."""
    became: Became
    status: int | None
    """The answer's HTTP status; None where none came, or none yet."""
    error: str | None
    """Kind of the failure ("TimedOut", "callback/KeyError"), or the rule by which it was skipped."""
    message: str | None
    where: str | None
    """File and line of the spider, where its code failed."""
    time: float | None
    """When it ended: its commit."""
    visits: int
    """How often it was taken up: 1, and one more for each `--retry-failed`."""
    fetched: int
    """Attempts that were made, over all visits."""
    attempts: list[Attempt]
    """Those that did not end it, oldest first; the newest where there are many."""
    deaths: int
    """How often the process died while it was on this page."""
    redirected_from: list[Redirect]
    """The hops that led here, the first one first."""
    redirected_to: list[str]
    """Where it led, hop by hop."""
    waits: list[Wait]
    ahead: int | None
    """Pending requests of its host that go before it; None: it is not pending."""
    items: Items


class LeftOut(msgspec.Struct, frozen=True):
    """A link to the URL that was not followed, as in skipped.jsonl. `parent` is the page it was on."""

    url: str
    reason: str
    detail: str = ""
    parent: str = ""


class RobotsVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the stored robots.txt says of the URL. `allowed` is None where that is not known."""

    origin: str
    obeyed: bool
    """The setting `robots`."""
    allowed: bool | None
    rule: str | None = None
    """The line that decides, in the one spelling that rules are compared in."""
    text: str
    """The verdict for people."""
    time: float | None = None
    """When it was answered; None: not asked yet."""
    status: int | None = None
    """0: no answer came."""
    crawl_delay: float | None = None


class Forecast(msgspec.Struct, frozen=True):
    """What would happen to a link to the URL by the rules now in force, dedupe apart."""

    verdict: Literal["fetched", "left out", "waits", "unknown"]
    reason: str
    """The rule that leaves it out: scheme, depth, url-length, domain, trap, robots; else empty."""
    text: str
    max_depth: int | None
    """It counts from the page that links to it; None: no limit."""


class Explanation(msgspec.Struct, kw_only=True):
    """All that is known of a URL in one run."""

    url: str
    """As it was asked about, the way a browser writes it."""
    canonical: str
    """The one form of all its spellings."""
    run: str | None
    """spider/id; None where there is no run to look in."""
    run_state: str | None
    """As in `crawler runs --json`."""
    known: bool
    """Whether the run ever accepted a request for it."""
    requests: list[RequestReport]
    """The page that the URL alone means first, then the others in the order in which they were found."""
    requests_left_out: int
    """Further requests for the URL that are not listed."""
    redirected_here: list[Redirect]
    """Pages that redirected to it when it was known already."""
    left_out: list[LeftOut]
    other_arguments: list[LeftOut]
    """Links that named another callback or other arguments than the first one; it is fetched once."""
    robots: RobotsVerdict
    forecast: Forecast
    missing: list[str]
    """Parts of the answer that could not be had, and why."""
