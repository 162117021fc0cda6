"""One trial: a run that is killed again and again until it is through, and what came of it."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from urllib.parse import urlsplit

from torture_lives import PATIENCE, Life, Parent, live, said, signal_to
from torture_results import Left, difference

from crawler.demo import DemoServer

SPIDER = Path(__file__).with_name("torture_shop.py")
FILES = ["x.jsonl", "x.json", "x.csv", "x.jsonl.gz", "x.json.gz", "x.csv.gz", "x.sqlite"]
OWN = "titles.txt"
SETTINGS = {
    "concurrency": 6, "concurrency_per_host": 6, "retry_wait": 0.02, "commit_seconds": 0.02, "commit_pages": 8,
    "grace": 5, "log_level": "error",
}  # fmt: skip

Signals = tuple[signal.Signals, ...]
WAYS: list[Signals] = [
    *[(signal.SIGKILL,)] * 8,
    (signal.SIGTERM,), (signal.SIGTERM, signal.SIGTERM),
    (signal.SIGINT,), (signal.SIGINT, signal.SIGINT),
]  # fmt: skip
"""The signals that a life is sent; two of them a moment apart."""


@dataclass
class Report:
    """All trials of a test, for people: at the end of the test run, and on failure."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    commits: list[int] = field(default_factory=list)
    """Of each life that was killed by SIGKILL, how many it made."""
    trials: int = 0
    lost: int = 0
    repeated: int = 0
    seconds: float = 0.0
    _deck: list[Signals] = field(default_factory=list)

    def next_way(self, dice: Random) -> Signals:
        """How to kill: dealt as from a deck of cards, so that each way has its turn."""
        if not self._deck:
            self._deck = dice.sample(WAYS, len(WAYS))
        return self._deck.pop()

    def add(self, way: Signals, moment: str, commits: int) -> None:
        """A life that was killed."""
        self.kills["+".join(number.name for number in way)] += 1
        self.moments[moment] += 1
        if signal.SIGKILL in way:
            self.commits.append(commits)

    @property
    def counting(self) -> int:
        """Kills by SIGKILL of processes that had committed something: others test less."""
        return sum(1 for commits in self.commits if commits)

    def __str__(self) -> str:
        ways = ", ".join(f"{n} {way}" for way, n in self.kills.most_common())
        moments = ", ".join(f"{n} {moment}" for moment, n in sorted(self.moments.items()))
        commits = sorted(commits for commits in self.commits if commits) or [0]
        return (
            f"{self.counting} kills that count of {sum(self.kills.values())} ({ways}; {moments}) in {self.trials} "
            f"trials, {self.seconds:.0f} s; commits per kill {commits[0]} to {commits[-1]}, median "
            f"{median(commits):g}; lost {self.lost}, repeated {self.repeated}; TORTURE_SEED={self.seed}"
        )


class Trial:
    """The shop at `server`, crawled into `directory`."""

    def __init__(self, directory: Path, server: DemoServer) -> None:
        directory.mkdir()
        self.directory = directory
        self.server = server
        self._books = {urlsplit(book.url).path: book.title for book in server.truth().books}
        self.words = ["run", str(SPIDER), "-a", f"url={server.url}", "-a", f"out={directory / 'out'}", "--quiet"]
        self.words += [word for name in FILES for word in ("-o", f"out/{name}")]
        self.words += [word for name, value in SETTINGS.items() for word in ("-s", f"{name}={value}")]

    def left(self) -> Left:
        """What is there now."""
        return Left(self.directory / "runs")

    def undisturbed(self, parent: Parent) -> Left:
        """The run that nobody kills."""
        code = live(parent, self.words, self.directory)
        assert code == 0, f"an undisturbed run ended with {code}: {said(self.directory)}"
        return self.left()

    def torture(self, parent: Parent, dice: Random, report: Report, enough: int) -> None:
        """Kills it until `enough` kills count, and some more times while it ends; then it comes to its end."""
        report.trials += 1
        ending = 3
        while not (before := self.left()).over:
            hits = self.server.hits.copy()
            life = parent.begin(self.words, self.directory)
            moment = self._moment(life, parent, dice, midway=report.counting < enough, ending=ending > 0)
            ending -= moment == "at its end"
            way = report.next_way(dice) if moment else ()
            for number in way:
                signal_to(life, number)
                life.ended(dice.uniform(0, 0.05))
            code = life.ended(PATIENCE)
            after = self.left()
            self._check_code(code, way)
            self._check_requests(before, hits, after)
            if moment and code != 0:
                report.add(way, moment, after.meta.commit - before.meta.commit)

    def _moment(self, life: Life, parent: Parent, dice: Random, *, midway: bool, ending: bool) -> str:
        """Waits until it is time to kill: which moment it is, "" if the life came to its end before.

        The site tells how far the life is, so that a busy machine changes little.
        """
        if midway and dice.random() < 0.15:
            return "" if life.ended(dice.uniform(0, parent.start)) is not None else "at its start"
        wanted = self.server.hits.total() + dice.randint(4, 14)
        while not midway or self.server.hits.total() < wanted:
            if life.ended(0.002) is not None:
                return ""
            if ending and self._all_asked():
                return "" if life.ended(dice.uniform(0, 0.2)) is not None else "at its end"
        return "" if life.ended(dice.uniform(0, 0.1)) is not None else "while it committed"

    def _all_asked(self) -> bool:
        return all(self.server.hits[path] for path in self._books)

    def _check_code(self, code: int | None, way: Signals) -> None:
        allowed = {0} | {-number for number in way}
        allowed |= {128 + number for number in way if number != signal.SIGKILL}
        assert code in allowed, f"it ended with {code} after {way}: {said(self.directory)}"

    def _check_requests(self, before: Left, hits: Counter[str], after: Left) -> None:
        """What was committed is not asked for again; what was not, at most as often as without kills."""
        asked = self.server.hits - hits
        over = {path_of(done.url) for done in before.done}
        again = {path: n for path, n in asked.items() if path in over}
        assert not again, f"asked for again after their commit: {again}"
        numbers = {path.removesuffix(".html").rpartition("-")[2] for path in over if path.endswith(".html")}
        inner = {path: n for path, n in asked.items() if path.partition("?of=")[2] in numbers}
        assert not inner, f"fetched again for a page that was committed: {inner}"
        often = {path: n for path, n in asked.items() if n > 2 and path != "/robots.txt"}  # one stumble and one answer
        assert not often, f"asked for more than twice by one process: {often}"
        assert after.meta.commit >= before.meta.commit and after.meta.known >= before.meta.known

    def compare(self, left: Left, right: Left, report: Report) -> None:
        """Every output with the truth; the numbers, the state and the verdicts with the undisturbed run, `right`."""
        out, wanted = self.directory / "out", self._books
        found = left.items(**{name: out / name for name in [*FILES, OWN]})
        for name, items in found.items():
            one = difference(list(wanted), [item["path"] for item in items])
            report.lost += one.lost.total()
            report.repeated += one.repeated.total()
            assert not one, f"{name}: {one}"
            assert {item["path"]: item["title"] for item in items} == wanted, f"{name} has other items than the site"
        assert numbers(left) == numbers(right)
        assert left.state == right.state
        assert sorted(verdicts(left)) == sorted(verdicts(right))
        others = {path.name for path in out.iterdir()} - {*FILES, OWN}
        assert not others, f"left over: {others}"


def numbers(left: Left) -> dict[str, int]:
    """The counters that a kill must not change. A retry of what was then lost with its process is not counted."""
    return {name: n for name, n in left.counters.items() if name not in ("retries",)}


def verdicts(left: Left) -> list[tuple[str, str, int]]:
    """What became of each page; a site's port is no difference."""
    return [(path_of(done.url), done.verdict, done.status) for done in left.done]


def path_of(url: str) -> str:
    """As the site's `hits` name it."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
