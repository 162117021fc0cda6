"""All settings: one typed object, made once at the door and passed down.

Each field stands with its type, its bounds, its default and its meaning with unit; from this one
table come the checks, `crawler settings`, `config.example.toml` and docs/settings.md.
Layers, later ones win: defaults < config.toml [crawler] < the spider's `settings` < config.toml
[spiders.NAME] < CRAWLER_* < command line (`settings_layers.py`).
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

import msgspec
from msgspec import Meta, field

__all__ = ["Settings", "SettingsDict"]

# The units say which endings a text may have: "32MiB", "1.5h" (`from_text.py`).
Count = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=1, extra={"unit": "bytes"})]
Seconds = Annotated[float, Meta(ge=0, extra={"unit": "seconds"})]
Timeout = Annotated[float, Meta(gt=0, extra={"unit": "seconds"})]
Share = Annotated[float, Meta(ge=0, le=1)]
Status = Annotated[int, Meta(ge=100, le=999)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings in force for one crawl."""

    # -- how much at once, how gently
    concurrency: Annotated[Count, Meta(description="Pages in flight at once, over all hosts.")] = 32
    concurrency_per_host: Annotated[Count, Meta(description="Requests in flight at once to one host.")] = 8
    delay: Annotated[Seconds, Meta(description="Smallest gap between two requests to one host, in seconds.")] = 0.0
    throttle: Annotated[
        bool,
        Meta(description="Ask a host less, and later more again, by how it answers: slow, busy (429, 503) or not."),
    ] = True
    breaker_failures: Annotated[
        int,
        Meta(ge=1, description="Requests in a row without an answer that make a host be left alone, then probed."),
    ] = 5
    pages_open: Annotated[
        int, Meta(ge=0, description="Pages whose callback is not finished, at most; 0: four times `concurrency`.")
    ] = 0
    robots: Annotated[bool, Meta(description="Obey robots.txt (RFC 9309) of every host that is asked.")] = True
    user_agent: Annotated[
        str,
        Meta(min_length=1, description="The User-Agent header; its first word is the name looked up in robots.txt."),
    ] = "crawler/0.1.0"
    headers: Annotated[
        dict[str, str], Meta(description="Headers sent with every request; a request's own ones win.")
    ] = {}
    cookies: Annotated[dict[str, str], Meta(description="Cookies sent with every request to the seeds' hosts.")] = {}

    # -- connection
    timeout: Annotated[Timeout, Meta(description="Seconds for one request in all: connect, headers and body.")] = 60.0
    timeout_connect: Annotated[
        Timeout, Meta(description="Seconds to get a connection, waiting for a free one included.")
    ] = 30.0
    timeout_sock_connect: Annotated[Timeout, Meta(description="Seconds for one TCP connect and TLS handshake.")] = 10.0
    timeout_sock_read: Annotated[Timeout, Meta(description="Seconds without a byte from the server.")] = 30.0
    limit: Annotated[int, Meta(ge=0, description="Connections open at once; 0: as many as `concurrency` needs.")] = 0
    limit_per_host: Annotated[
        int, Meta(ge=0, description="Connections to one host at once; 0: as many as `concurrency_per_host`.")
    ] = 0
    ttl_dns_cache: Annotated[
        int,
        Meta(ge=0, extra={"unit": "seconds"}, description="Seconds that a name's addresses are kept; 0: not at all."),
    ] = 300
    proxy: Annotated[str, Meta(description="URL of an HTTP proxy for all requests; empty: none.")] = ""

    # -- retry and redirects
    retries: Annotated[
        int, Meta(ge=0, description="Further attempts after a first one that failed in a passing way.")
    ] = 2
    retry_statuses: Annotated[list[Status], Meta(description="Statuses that are tried again.")] = field(
        default_factory=lambda: [408, 425, 429, 500, 502, 503, 504, 522, 524]
    )
    retry_methods: Annotated[
        list[str], Meta(description="Methods that may be repeated; others only with `retry=True` on the request.")
    ] = field(default_factory=lambda: ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
    retry_wait: Annotated[
        Seconds, Meta(description="Seconds before the first retry; doubles with each, with jitter up to its half.")
    ] = 1.0
    retry_wait_max: Annotated[
        Seconds, Meta(description="Longest wait between retries, in seconds (Retry-After may be longer).")
    ] = 60.0
    retries_busy: Annotated[
        int, Meta(ge=0, description="Further attempts after a 429, or a 503 with Retry-After: no fault of the page.")
    ] = 8
    max_wait: Annotated[
        Seconds,
        Meta(description="A host that asks for a longer wait than this, in seconds, is parked for a later run."),
    ] = 300.0
    redirects: Annotated[int, Meta(ge=0, description="Redirects followed in a chain; 0: a redirect is a failure.")] = 10
    meta_refresh: Annotated[
        Seconds,
        Meta(description="A meta refresh of at most this delay, in seconds, is a redirect; longer ones are pages."),
    ] = 5.0
    accept_status: Annotated[
        list[str],
        Meta(description='Statuses that are pages, as numbers or ranges ("404", "200-299"); others are failures.'),
    ] = field(default_factory=lambda: ["200-299"])

    # -- what is followed
    allowed_domains: Annotated[list[str], Meta(description="Hosts to stay on, subdomains included; empty: all.")] = []
    services: Annotated[
        list[str],
        Meta(description="Hosts that `await self.fetch` may also ask, besides the page's own registrable domain."),
    ] = []
    scope: Annotated[
        Literal["any", "domain", "host", "prefix", "page"],
        Meta(description="How far from its seed a link is followed: everywhere, or within the seed's part of the web."),
    ] = "any"
    extra_hops: Annotated[int, Meta(ge=0, description="Links outside of `scope` that are followed in a row.")] = 0
    max_depth: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Links away from a seed that are followed; none: no limit.")
    ] = None
    max_links: Annotated[Count, Meta(description="Requests taken from one page, at most.")] = 20_000
    max_url: Annotated[Bytes, Meta(description="Longest URL that is followed, in bytes.")] = 8_000
    traps: Annotated[bool, Meta(description="Leave out links that lead round and round (docs/scope.md).")] = True
    max_segments: Annotated[Count, Meta(description="Segments of a path (`traps`).")] = 25
    max_repeats: Annotated[
        Count, Meta(description="Times that segments of a path, or a parameter, may follow themselves (`traps`).")
    ] = 2
    max_parameters: Annotated[Count, Meta(description="Query parameters of a URL (`traps`).")] = 50
    max_calendar: Annotated[
        Count, Meta(description="Dates of a host found on its dates, where they lead to nothing else (`traps`).")
    ] = 1_000
    max_combinations: Annotated[
        Count, Meta(description="URLs of a path with three or more parameters, found on each other (`traps`).")
    ] = 10_000
    max_growth: Annotated[
        Count, Meta(description="Links of a host whose tail hangs under each of three directories (`traps`).")
    ] = 500
    max_pages_per_host: Annotated[
        Count | None, Meta(description="URLs of a host that are taken, seeds included; none: no limit.")
    ] = None
    near_duplicates: Annotated[
        Annotated[int, Meta(ge=0, le=3)] | None,
        Meta(description="List pages that differ from another of the host in so many bits of 64 (simhash); none: no."),
    ] = None
    canonical_sort_query: Annotated[
        bool, Meta(description="?b=1&a=2 and ?a=2&b=1 are one page for the fingerprint.")
    ] = True
    canonical_drop_query: Annotated[
        list[str], Meta(description='Query parameters that make no difference to the page ("utm_*", "sid").')
    ] = []
    canonical_session_ids: Annotated[
        list[str], Meta(description="Names of session ids in queries and paths: they make no difference to the page.")
    ] = field(default_factory=lambda: ["PHPSESSID", "jsessionid", "ASPSESSIONID*", "sessionid", "session_id"])
    canonical_fragment: Annotated[
        Literal["drop", "hashbang", "keep"],
        Meta(description="Whether #fragment makes another page: never, only #!, always."),
    ] = "drop"
    canonical_trailing_slash: Annotated[bool, Meta(description="/a/ and /a are one page for the fingerprint.")] = False
    canonical_scheme: Annotated[bool, Meta(description="http and https are one page for the fingerprint.")] = False

    # -- sitemaps: the protocol's limits, but for the depth
    sitemap_entries: Annotated[Count, Meta(description="Entries taken from one sitemap or index of sitemaps.")] = 50_000
    sitemap_bytes: Annotated[Bytes, Meta(description="Bytes read of one sitemap, unzipped, instead of `max_body`.")] = (
        50 * 1024 * 1024
    )
    sitemap_depth: Annotated[
        int,
        Meta(ge=0, description="Steps from a URL of `sitemap_urls` to a sitemap: robots.txt and indexes are one each."),
    ] = 3

    # -- limits of a run
    max_body: Annotated[Bytes, Meta(description="Largest body, decoded, in bytes; a larger one is a failure.")] = (
        32 * 1024 * 1024
    )
    max_pages: Annotated[Count | None, Meta(description="Pages of a run, exactly; none: no limit.")] = None
    max_items: Annotated[
        Count | None, Meta(description="The run ends after the page that reaches this many items.")
    ] = None
    max_bytes: Annotated[
        Bytes | None, Meta(description="The run ends after the page that reaches this many body bytes.")
    ] = None
    max_errors: Annotated[
        Count | None, Meta(description="The run ends, with exit code 3, at this many failed requests.")
    ] = None
    max_seconds: Annotated[Timeout | None, Meta(description="This process ends after so many seconds.")] = None
    max_deaths: Annotated[
        Count,
        Meta(description="Times that the process may die while it executes a page's code; then that page is failed."),
    ] = 3
    max_failed_share: Annotated[
        Share, Meta(description="Share of failed requests above which a finished run exits with 3.")
    ] = 0.1
    max_failed_callbacks: Annotated[
        int, Meta(ge=0, description="Pages whose callback failed, above which a finished run exits with 3.")
    ] = 0

    # -- what is written
    runs_dir: Annotated[str, Meta(min_length=1, description="Directory of the runs: state, log, results.")] = "runs"
    output: Annotated[
        list[str],
        Meta(
            description='Files for the items, by ending: .jsonl .json .csv, .gz of each, .sqlite; "-": standard output.'
        ),
    ] = []
    append: Annotated[bool, Meta(description="Add to the output files instead of replacing them.")] = False
    csv_fields: Annotated[
        list[str], Meta(description="Columns of CSV outputs, in order; empty: the fields of the first item's type.")
    ] = []
    frontier: Annotated[
        Literal["sqlite", "memory"], Meta(description="Where requests are kept: sqlite survives a restart.")
    ] = "sqlite"
    durability: Annotated[
        Literal["strict", "relaxed"],
        Meta(description="strict: each commit is on the disk; relaxed: a power cut may undo the last ones."),
    ] = "strict"
    commit_pages: Annotated[Count, Meta(description="Pages of one commit, at most.")] = 200
    commit_bytes: Annotated[Bytes, Meta(description="Bytes of one commit, about.")] = 16 * 1024 * 1024
    commit_seconds: Annotated[Timeout, Meta(description="Seconds between the beginnings of two commits, at least.")] = (
        0.25
    )
    resume: Annotated[
        Literal["auto", "always", "never"],
        Meta(description="Whether an unfinished run of the same spider and arguments goes on."),
    ] = "auto"

    # -- the process
    grace: Annotated[
        Seconds, Meta(description="Seconds that pages in flight get after the first SIGINT or SIGTERM.")
    ] = 8.0
    memory_limit: Annotated[
        Bytes | None,
        Meta(
            description="Resident memory, in bytes, near which fewer pages are in flight (80 %) and the run ends with "
            "exit code 4, to go on later (95 %); none: only the container's limit, which counts in any case."
        ),
    ] = None
    malloc_keep: Annotated[
        int,
        Meta(
            ge=0,
            extra={"unit": "bytes"},
            description="Freed memory that glibc keeps for the next page instead of giving it back; 0: as glibc does.",
        ),
    ] = 16 * 1024 * 1024
    uvloop: Annotated[bool, Meta(description="Use uvloop where it is installed.")] = True
    block_warning: Annotated[
        Seconds,
        Meta(
            description="A callback that blocks the loop for longer, in seconds, is named in log and summary; 0: never."
        ),
    ] = 0.25
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Lines of the log at this level and above.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "text", "json"], Meta(description="auto is text; json is one object a line.")
    ] = "auto"
    progress_seconds: Annotated[
        Seconds, Meta(description="Seconds between progress lines when the output is no terminal; 0: none.")
    ] = 10.0
    quiet: Annotated[bool, Meta(description="No live view, no progress, no summary; warnings and errors remain.")] = (
        False
    )

    @property
    def open_pages(self) -> int:
        """`pages_open` with its default worked out."""
        return self.pages_open or 4 * self.concurrency


class SettingsDict(TypedDict, total=False):
    """The settings that differ from the defaults: of a spider (`settings = {...}`) or of a `Crawl`."""

    concurrency: int
    concurrency_per_host: int
    delay: float
    throttle: bool
    breaker_failures: int
    pages_open: int
    robots: bool
    user_agent: str
    headers: dict[str, str]
    cookies: dict[str, str]
    timeout: float
    timeout_connect: float
    timeout_sock_connect: float
    timeout_sock_read: float
    limit: int
    limit_per_host: int
    ttl_dns_cache: int
    proxy: str
    retries: int
    retry_statuses: list[int]
    retry_methods: list[str]
    retry_wait: float
    retry_wait_max: float
    retries_busy: int
    max_wait: float
    redirects: int
    meta_refresh: float
    accept_status: list[str]
    allowed_domains: list[str]
    services: list[str]
    scope: Literal["any", "domain", "host", "prefix", "page"]
    extra_hops: int
    max_depth: int | None
    max_links: int
    max_url: int
    traps: bool
    max_segments: int
    max_repeats: int
    max_parameters: int
    max_calendar: int
    max_combinations: int
    max_growth: int
    max_pages_per_host: int | None
    near_duplicates: int | None
    canonical_sort_query: bool
    canonical_drop_query: list[str]
    canonical_session_ids: list[str]
    canonical_fragment: Literal["drop", "hashbang", "keep"]
    canonical_trailing_slash: bool
    canonical_scheme: bool
    sitemap_entries: int
    sitemap_bytes: int
    sitemap_depth: int
    max_body: int
    max_pages: int | None
    max_items: int | None
    max_bytes: int | None
    max_errors: int | None
    max_seconds: float | None
    max_deaths: int
    max_failed_share: float
    max_failed_callbacks: int
    runs_dir: str
    output: list[str]
    append: bool
    csv_fields: list[str]
    frontier: Literal["sqlite", "memory"]
    durability: Literal["strict", "relaxed"]
    commit_pages: int
    commit_bytes: int
    commit_seconds: float
    resume: Literal["auto", "always", "never"]
    grace: float
    memory_limit: int | None
    malloc_keep: int
    uvloop: bool
    block_warning: float
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "text", "json"]
    progress_seconds: float
    quiet: bool
