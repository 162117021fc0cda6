"""Runs candidates over a site in interleaved rounds, and checks each run: a wrong one has no figure.

In a round every candidate runs once, one after the other, forwards in odd rounds and backwards in even ones:
so what two candidates are compared by was measured side by side, at the same state of the machine, and
neither always comes first. The crawler has one core and nginx another.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kit.candidates import Candidate, Job
from kit.check import wrong_items, wrong_requests
from kit.nginx import Server, serving

__all__ = ["Cores", "Measured", "Series", "Site", "Wrong"]

_STOPWATCH: Final = Path(__file__).with_name("stopwatch.py")


class Wrong(Exception):
    """A crawl that did not do the work, or did it wrongly."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the crawler and the server run; None where the machine has only one, or is not to be told."""

    crawler: int | None
    server: int | None

    @classmethod
    def of_machine(cls) -> Cores:
        """The last of those that this process may use, and the one before it."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[-1], usable[-2]) if len(usable) > 1 else cls(None, None)


@dataclass(frozen=True, slots=True)
class Site:
    """What is served (`root`), a file with its paths, and what a crawl must do.

    `truth`: path → item without its URL; `asked`: path → status, of all that links lead to.
    """

    root: Path
    paths: Path
    truth: Mapping[str, Mapping[str, Any]]
    asked: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. Seconds and bytes; `cpu` is user and system time of the process and of its children."""

    name: str
    round: int
    pages: int
    cpu: float
    wall: float
    rss: int
    faults: int
    load: float
    """Load average over a minute when it began."""


@dataclass
class Series:
    """Rounds over one site. `run` returns the figures of all runs; raises Wrong at the first that is not right."""

    site: Site
    work: Path
    cores: Cores
    flags: tuple[str, ...] = ()
    timeout: float = 900.0
    quiet: bool = False
    results: list[Measured] = field(default_factory=list)

    def run(self, candidates: Sequence[Candidate], rounds: int) -> list[Measured]:
        """So many rounds of these candidates."""
        with serving(self.site.root, self.cores.server) as server:
            for number in range(1, rounds + 1):
                for candidate in candidates if number % 2 else reversed(candidates):
                    measured = self._measure(candidate, server, number)
                    self.results.append(measured)
                    self._say(measured, rounds)
        return self.results

    def _say(self, it: Measured, rounds: int) -> None:
        if not self.quiet:
            each = it.cpu / it.pages * 1e6
            figures = f"{each:7,.0f} µs a page, {it.pages / it.wall:6,.0f} pages/s, load {it.load:.1f}"
            print(f"round {it.round} of {rounds}  {it.name:<22} {figures}", file=sys.stderr, flush=True)

    def _measure(self, candidate: Candidate, server: Server, number: int) -> Measured:
        load = os.getloadavg()[0]
        self.work.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=f"run-{candidate.name}-", dir=self.work))
        job = Job(server.url, directory / "items.jsonl", self.site.paths, self.work, self.flags)
        command = candidate.command(job)
        server.asked()  # what came before is not of this run
        used = self._timed(candidate, command, directory)
        self._check(candidate, command, server, directory, used["code"])
        shutil.rmtree(directory)
        cpu = used["user"] + used["system"]
        pages = len(self.site.asked)
        return Measured(candidate.name, number, pages, cpu, used["wall"], used["rss"], used["faults"], load)

    def _timed(self, candidate: Candidate, command: list[str], directory: Path) -> dict[str, Any]:
        # The command begins on the stopwatch's core and moves to its own before it starts.
        core = "-" if self.cores.crawler is None else str(self.cores.crawler)
        words = [core, str(self.timeout), "1" if candidate.terminal else "0", str(directory / "said"), "--", *command]
        stopwatch = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_STOPWATCH), *words],
            cwd=directory,
            env={**os.environ, **candidate.environ},
            stdout=subprocess.PIPE,
        )
        if self.cores.server is not None:
            os.sched_setaffinity(stopwatch.pid, {self.cores.server})
        try:
            said, _ = stopwatch.communicate()
        finally:
            stopwatch.terminate()
        result: dict[str, Any] = json.loads(said)
        return result

    def _check(self, candidate: Candidate, command: list[str], server: Server, directory: Path, code: int) -> None:
        asked = server.asked()
        truth = self.site.truth
        problems = [f"it ended with {code}"] if code else []
        expected: Mapping[str, Mapping[str, Any]] = truth if candidate.items else {path: {} for path in truth}
        problems += wrong_items(directory / "items.jsonl", server.url, expected)
        problems += wrong_requests(asked, self.site.asked)
        if problems:
            said = (directory / "said").read_text(errors="replace")[-2000:]
            raise Wrong(
                f"{candidate.name}: {'; '.join(problems)}\n{' '.join(command)}\nin {directory}, it said:\n{said}"
            )
