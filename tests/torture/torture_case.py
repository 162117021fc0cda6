"""A small spider on a small site, run as often as it takes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from small_site import Site
from torture_lives import Forks, live, said
from torture_points import COMMIT
from torture_results import Left, read

SPIDERS = Path(__file__).with_name("torture_small.py")
SETTINGS = {
    "concurrency": 1, "commit_pages": 1, "commit_seconds": 0.001, "retry_wait": 0.01, "robots": False,
    "max_failed_share": 1, "max_deaths": 1000, "log_level": "error",
}  # fmt: skip
"""`max_deaths`: kills at the same step again and again find the same page at work, which is not to blame."""
KILLED = -9


class Lived(NamedTuple):
    """A life that is over: the User-Agent it had, and how often each page, by path, was tried as far as that was
    committed, before it and after."""

    agent: str
    before: Counter[str]
    after: Counter[str]


class Case:
    """One spider, one directory. One page at a time and a commit for each, so that every window is one.

    `once`: no page with status 200 is asked for again after its commit, which each life is held to.
    """

    def __init__(
        self, forks: Forks, directory: Path, site: Site, spider: str, *words: str, once: bool = True, **settings: Any
    ) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.site = site
        self.kills = 0
        self.lives: list[Lived] = []
        self._forks = forks
        self._once = once
        self._words = ["run", f"{SPIDERS}:{spider}", "-a", f"url={site.url}", "-o", "out.jsonl", "--quiet", *words]
        self.settings: dict[str, Any] = {**SETTINGS, **settings}

    async def live(self, *words: str, at: int = -1, names: Sequence[str] = COMMIT) -> int:
        """A process to its end, or to its `at`-th step of these names; the site answers meanwhile."""
        left = self.left()
        over = {self._path(done.url) for done in left.done if done.verdict == "done"} if self._once else set()
        agent = f"{self.directory.name}.{len(self.lives)}"
        points = {"at": at, "names": names} if at >= 0 else {}
        all_settings = {**self.settings, "user_agent": agent}
        settings = [word for name, value in all_settings.items() for word in ("-s", f"{name}={value}")]
        code = await asyncio.to_thread(live, self._forks, [*self._words, *settings, *words], self.directory, **points)
        again = {path: n for path, n in self.asked(agent).items() if path in over}
        assert not again, f"asked for again after their commit: {again}"
        self.lives.append(Lived(agent, self._tries(left), self._tries(self.left())))
        self.kills += code == KILLED
        return code

    def asked(self, agent: str) -> Counter[str]:
        """What a life asked for, by path. Not what came meanwhile: a request may outlive its process in a socket."""
        requests = self.site.requests
        return Counter(path for _, path, headers, _ in requests if headers.get("User-Agent") == agent)

    async def through(self, *words: str, dice: Random | None = None) -> int:
        """To the end; with `dice` killed at steps of the commit, again and again. How it ended: the exit code."""
        code, before = KILLED, self.left().meta.commit
        while code == KILLED:
            assert self.kills < 100, f"it is killed without end: {self.said}"
            code = await self.live(*words, at=dice.randint(4, 24) if dice is not None else -1)
            left = self.left()
            if code == KILLED and left.over and left.meta.commit > before:
                return left.code  # it was through already: a further start would be a new run
        return code

    def left(self) -> Left:
        return Left(self.directory / "runs")

    @property
    def said(self) -> str:
        """What its processes said, for messages."""
        return said(self.directory)

    @property
    def items(self) -> list[dict[str, Any]]:
        """Of the output, which are the run's own."""
        items = read(self.directory / "out.jsonl")
        for name, others in self.left().items().items():
            assert others == items, f"{name} is not out.jsonl"
        return items

    @property
    def verdicts(self) -> Counter[str]:
        """All that is done, as "/path verdict error"."""
        return Counter(f"{self._path(one.url)} {one.verdict} {one.error}".rstrip() for one in self.left().done)

    @property
    def numbers(self) -> dict[str, Any]:
        """Counters, state and what is listed as left out, as far as a kill must not change them."""
        left = self.left()
        skipped = Counter((line["reason"], self._path(line["url"])) for line in left.skipped)
        return {**left.counters, "retries": 0, "state": left.state, "skipped.jsonl": skipped}

    def _tries(self, left: Left) -> Counter[str]:
        return Counter({self._path(url): n for url, n in left.tries.items()})

    def _path(self, url: str) -> str:
        return url.removeprefix(self.site.url)
