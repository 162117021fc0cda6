"""What is measured: each candidate's name, what it is, and the command that crawls a site into a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kit.environments import python_of

__all__ = ["BARE", "CANDIDATES", "DOCS", "OURS", "PEERS", "Candidate", "Job", "of_checkout"]

_PROGRAMS: Final = Path(__file__).parent.parent / "programs"


@dataclass(frozen=True, slots=True)
class Job:
    """One run: the site's root, the file for the items, the list of its paths, and where environments are kept."""

    url: str
    out: Path
    paths: Path
    work: Path
    flags: tuple[str, ...] = ()
    """More words for `crawler run`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that crawls. `terminal`: it is run under a pseudo-terminal, so that it shows what it shows people."""

    name: str
    what: str
    command: Callable[[Job], list[str]]
    terminal: bool = False
    items: bool = True
    """It reads the items; else it only writes the URLs of what it fetched."""
    environ: dict[str, str] = field(default_factory=dict)


def crawler_command() -> str:
    """The installed command, of the environment that runs the benchmark."""
    command = Path(sys.executable).with_name("crawler")
    if not command.exists():
        sys.exit(f"{command} is missing: make test makes the environment; run this with its python")
    return str(command)


def _ours(spider: str, *words: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        # Nothing is switched off or on: these are the default settings, but for what `words` say.
        file = str(_PROGRAMS / spider)
        return [crawler_command(), "run", file, "-a", f"url={job.url}", "-o", str(job.out), *words, *job.flags]

    return command


def _bare(*options: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        return [sys.executable, str(_PROGRAMS / "bare.py"), *options, job.url, str(job.out), str(job.paths)]

    return command


def _peer(environment: str, program: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        return [python_of(environment, job.work), str(_PROGRAMS / program), job.url, str(job.out)]

    return command


# The work is "32 at once" for everybody; our default is the politer 8 requests at once to a host.
_AT_ONCE: Final = ("-s", "concurrency_per_host=32")
OURS: Final = (
    Candidate("ours_parsel", "crawler; parsel's selectors", _ours("ours_parsel.py", *_AT_ONCE), terminal=True),
    Candidate("ours_fast", "crawler; response.fast", _ours("ours_fast.py", *_AT_ONCE), terminal=True),
    Candidate("ours_parsel_8", "the same as ours_parsel, 8 at once", _ours("ours_parsel.py"), terminal=True),
    Candidate("ours_fast_8", "the same as ours_fast, 8 at once", _ours("ours_fast.py"), terminal=True),
    Candidate("ours_fast_piped", "ours_fast without live view", _ours("ours_fast.py", *_AT_ONCE)),
)
BARE: Final = (
    Candidate("bare_fetch", "bare loop: fetch only", _bare("--parser", "none"), items=False),
    Candidate("bare_parsel", "bare loop: parsel, our links", _bare("--parser", "parsel")),
    Candidate("bare_parsel_requests", "the same, 30 Requests a page", _bare("--parser", "parsel", "--requests")),
    Candidate("bare_lexbor", "bare loop: lexbor, our links", _bare("--parser", "lexbor")),
    Candidate("bare_lexbor_requests", "the same, 30 Requests a page", _bare("--parser", "lexbor", "--requests")),
    Candidate("bare_lexbor_trim", "bare_lexbor without mallopt", _bare("--parser", "lexbor", "--trim")),
)
PEERS: Final = (
    Candidate("scrapy_tuned", "Scrapy, tuned", _peer("scrapy", "scrapy_tuned.py")),
    Candidate("crawlee", "Crawlee, ParselCrawler", _peer("crawlee", "crawlee_parsel.py")),
    Candidate("scrapling", "Scrapling, its Spider", _peer("scrapling", "scrapling_spider.py")),
)
DOCS: Final = (
    Candidate("scrapy_docs", "Scrapy, tuned", _peer("scrapy", "scrapy_docs.py")),
    Candidate(
        "docs_parsel", "crawler; parsel's selectors", _ours("ours_docs.py", "-a", "parser=parsel"), terminal=True
    ),
    Candidate("docs_fast", "crawler; response.fast", _ours("ours_docs.py", "-a", "parser=fast"), terminal=True),
)
CANDIDATES: Final = {candidate.name: candidate for candidate in (*OURS, *BARE, *PEERS)}


def of_checkout(candidate: Candidate, directory: Path) -> Candidate:
    """The same of another checkout of the project, as `old_NAME`: to compare two versions in the same rounds."""
    if not (directory / "crawler" / "__init__.py").exists():
        sys.exit(f"{directory} is no checkout of crawler")
    environ = {"PYTHONPATH": str(directory.resolve())}
    what = f"{candidate.what}; of {directory}"
    return Candidate(f"old_{candidate.name}", what, candidate.command, candidate.terminal, candidate.items, environ)
