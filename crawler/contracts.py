"""The seams: what the parts promise each other. The engine knows these and not the parts.

A page's way: `Frontier.accept` gives entries, the scheduler hands one out, the fetcher turns its
request into a response, the callback's yields become an `Outcome`, outcomes become a `Group`, and a
group is committed as a whole: item log first, then one transaction of the frontier.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from crawler.backlog import Backlog, Level

if TYPE_CHECKING:
    from crawler.request import Request
    from crawler.response import Response

__all__ = [
    "NOBODY",
    "Died",
    "Entry",
    "Fetch",
    "Fetcher",
    "Found",
    "Frontier",
    "Group",
    "ItemRecord",
    "Level",
    "Middleware",
    "Outcome",
    "Recovered",
    "Returned",
    "Sink",
    "Skip",
    "StateOp",
    "Verdict",
]

Fetch = Callable[["Request"], Awaitable["Response"]]
Middleware = Callable[["Request", Fetch], Awaitable["Response"]]

Verdict = Literal["done", "failed", "handled", "redirected", "skipped", "returned", "none"]
"""What became of a page.

done: fetched, callback finished, committed. failed: for good, kept for `--retry-failed`.
handled: failed, and the spider's errback or `failed` yielded something. redirected: a hop.
skipped: not sent, by rule. returned: given back with a time (not final). none: not a page (seeds,
`opened`, `closed`).
"""


class Entry:
    """The engine's own record of a request.

    `id` is the frontier's row (0: a transient hand-out such as `self.fetch` or robots), `key` the
    16-byte page key, `host` the scheduling host (hostname plus a port that is not 80 or 443), `age`
    the id whose place in the order it has (its own, or that of the page that redirected here), `due`
    the epoch second before which it may not be sent (0: at once).
    """

    __slots__ = ("age", "deaths", "due", "host", "id", "key", "request", "tries", "visit")

    def __init__(
        self,
        id: int,
        key: bytes,
        host: str,
        request: Request,
        age: int = 0,
        tries: int = 0,
        deaths: int = 0,
        visit: int = 0,
        due: float = 0.0,
    ) -> None:
        self.id = id
        self.key = key
        self.host = host
        self.request = request
        self.age = age or id
        self.tries = tries
        self.deaths = deaths
        self.visit = visit
        self.due = due

    @property
    def level(self) -> Level:
        """The level within its host."""
        return (-self.request.priority, self.request.depth)

    @property
    def order(self) -> tuple[int, int, int]:
        """The place within its host: (-priority, depth, age)."""
        return (-self.request.priority, self.request.depth, self.age)

    def __repr__(self) -> str:
        return f"<Entry {self.id} {self.host} {self.request.url}>"


class Found:
    """A request that a page yielded, fingerprinted, not yet known to be new.

    `age` is 0 but for a redirect's target, which takes its source's. `mark` is the request's
    (`binding.mark_of`) where whoever found it knows it; 0: the store makes it.
    """

    __slots__ = ("age", "host", "key", "mark", "request")

    def __init__(self, key: bytes, host: str, request: Request, age: int = 0, mark: int = 0) -> None:
        self.key = key
        self.host = host
        self.request = request
        self.age = age
        self.mark = mark


class ItemRecord:
    """An item that passed the pipelines: `raw` is its MessagePack, `item` the object itself.

    `fields` are the declared field names in order (a dict's keys), the header of a table.
    """

    __slots__ = ("fields", "item", "ordinal", "raw", "type_name")

    def __init__(self, ordinal: int, type_name: str, fields: tuple[str, ...], raw: bytes, item: object = None) -> None:
        self.ordinal = ordinal
        self.type_name = type_name
        self.fields = fields
        self.raw = raw
        self.item = item


@dataclass(slots=True, frozen=True)
class Skip:
    """A request left out by a rule; listed in skipped.jsonl."""

    url: str
    reason: str
    detail: str = ""
    parent: str = ""
    key: bytes = b""


@dataclass(slots=True, frozen=True)
class StateOp:
    """One write to `self.state`: op is set, delete, add, max, min or put."""

    op: str
    key: str
    value: Any = None


@dataclass(slots=True, frozen=True)
class Returned:
    """A page given back: with this many tries, not before `due` (epoch seconds)."""

    tries: int
    due: float
    reason: str = ""


@dataclass(slots=True)
class Outcome:
    """What one page gave. Committed as a whole or not at all."""

    entry: Entry | None
    verdict: Verdict
    status: int = 0
    error: str = ""
    message: str = ""
    items: list[ItemRecord] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    state: list[StateOp] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    cookies: dict[str, bytes] | None = None
    """What its answers set, as `Cookies.records` gives it."""
    returned: Returned | None = None
    seeds_done: bool = False
    size: int = 0
    """Roughly the bytes that this outcome adds to its group, for `commit_bytes`."""


@dataclass(slots=True)
class Group:
    """Outcomes that are committed together, in the order in which they were accepted.

    `log_end` is the item log's length in bytes after this group. `meta` are named values that are
    overwritten as they stand (output cursors, counters, the end of the run).
    `hosts` maps a scheduling host to (epoch second of this commit, seconds until it may be asked).
    `cookies` are the changed ones of all sessions (empty bytes: gone), `robots` the robots.txt that were
    answered: origin to (epoch second, status, zlib-compressed body).
    """

    number: int
    outcomes: list[Outcome]
    log_end: int
    meta: dict[str, bytes] = field(default_factory=dict)
    hosts: dict[str, tuple[float, float]] = field(default_factory=dict)
    cookies: dict[str, bytes] = field(default_factory=dict)
    robots: dict[str, tuple[float, int, bytes]] = field(default_factory=dict)


NOBODY = bytes(16)
"""The key of no page."""


class Died(NamedTuple):
    """The pages that the last process was executing when it died; `epoch` names that process."""

    epoch: bytes
    keys: list[bytes]


@dataclass(slots=True)
class Recovered:
    """What a store knew when it was opened. A new store gives the defaults.

    `backlog` are the pending ids by host and level, oldest first; `returned` the entries that are
    pending with a time, tries or an age of their own. Both together are all that is pending.
    """

    backlog: Backlog = field(default_factory=Backlog)
    returned: Sequence[Entry] = ()
    pending: int = 0
    known: int = 0
    log_end: int = 0
    commit: int = 0
    seeds_done: bool = False
    state: dict[str, bytes] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    meta: dict[str, bytes] = field(default_factory=dict)
    hosts: dict[str, tuple[float, float]] = field(default_factory=dict)
    cookies: dict[str, bytes] = field(default_factory=dict)


class Frontier(Protocol):
    """The durable store of requests.

    Contract, the same for every store (tests/frontier/ runs one suite against each):

    - A key is accepted once: of all `Found` with one key, over the life of the store, one becomes an
      entry. `known(key)` is true from then on.
    - `accept` and `commit` are called in one order: the outcomes of a group are exactly the accepted
      outcomes since the last group. What was accepted and not committed is forgotten by a crash; what
      was committed never is.
    - An outcome whose verdict is final takes its entry out of pending; "returned" changes its tries
      and due; "none" touches no entry.
    - Commit is idempotent by (key, visit): an outcome for an entry that is not pending changes nothing.
    """

    async def open(self) -> Recovered:
        """Reads what is known. Raises StateError for a file that is foreign, newer or corrupt."""
        ...

    def known(self, key: bytes) -> bool:
        """Whether a request with this key was ever accepted."""
        ...

    def mark(self, key: bytes) -> int:
        """The mark (`binding.mark_of`) of the request that was accepted with this key; 0: it is not kept; -1:
        none was."""
        ...

    def is_pending(self, entry: Entry) -> bool:
        """Whether an outcome of this entry would count: it is pending, in this visit."""
        ...

    def accept(self, outcome: Outcome) -> list[Entry]:
        """Dedupes and numbers what the page found; returns the entries that may be handed out now."""
        ...

    async def commit(self, group: Group) -> list[Entry]:
        """Makes a group durable, as one transaction; returns further entries that may be handed out.

        Raises DiskError; after that the store refuses everything but `close`.
        """
        ...

    def bodies(self, ids: Sequence[int]) -> list[Entry]:
        """The full entries of pending ids, in the order asked; ids that are not pending are left out."""
        ...

    async def close(self) -> None:
        """Gives back files and threads. What was not committed is forgotten."""
        ...


class Fetcher(Protocol):
    """Turns one request into one response: no retries, no redirects, no robots.

    Raises FetchError (its subclasses) and nothing else for whatever the network does.
    """

    async def __aenter__(self) -> Fetcher: ...

    async def __aexit__(self, *error: object) -> None: ...

    async def __call__(self, request: Request, *, max_body: int | None = None, cut: bool = False) -> Response:
        """Sends and reads the whole body. `max_body` in bytes (None: the setting); `cut` keeps what
        came up to it instead of raising TooLarge."""
        ...


class Sink(Protocol):
    """Writes a projection of the item log in some format. The engine opens, cuts back and renames."""

    async def open(self, target: str, position: bytes | None) -> None:
        """`target` is a path. `position` is what `flush` returned before (cut back to it); None: new."""
        ...

    async def write(self, items: Sequence[Any]) -> None:
        """Takes items, as dicts, in their order."""
        ...

    async def flush(self) -> bytes:
        """Makes what was written durable; returns the position to cut back to (at most 1 KiB)."""
        ...

    async def close(self, complete: bool) -> None:
        """Ends the file (`complete`: all items were written) and gives it back."""
        ...
