"""`crawler frontier`: what is known and pending in a run; export, add and drop, also while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crawler.cli.word_or_command import WordOrCommand

if TYPE_CHECKING:
    from crawler.frontier.inspect import Contents
    from crawler.orders.amend import Given
    from crawler.runs import RunDirectory
    from crawler.runs.inbox import Command

__all__ = ["EXAMPLE", "app"]

EXAMPLE = "Example: crawler frontier last"
EXPORT_EXAMPLE = "Example: crawler frontier export last --host '*.books.example' -o urls.txt"
ADD_EXAMPLE = "Example: crawler frontier add https://books.example/new --callback parse_book"
DROP_EXAMPLE = "Example: crawler frontier drop '*/calendar/*'"

app = typer.Typer(
    cls=WordOrCommand,
    epilog=EXAMPLE,
    invoke_without_command=True,
    subcommand_metavar="| export | add | drop ...",
    rich_markup_mode=None,
)

RUN = Annotated[str, typer.Argument(metavar="RUN", help="A run: its id, spider/id, its path, or last.")]
RUNS_DIR = Annotated[str | None, typer.Option(metavar="DIR", help="Where runs are kept.")]
AS_JSON = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.callback()
def frontier(
    context: typer.Context,
    run: RUN = "last",
    hosts: Annotated[int, typer.Option(min=0, metavar="N", help="So many hosts, those with most pending first.")] = 20,
    as_json: AS_JSON = False,
    runs_dir: RUNS_DIR = None,
) -> None:
    """Show how many requests are pending, done, failed and skipped, in all and by host.

    As of the last commit, also while the run goes on.
    """
    if context.invoked_subcommand is not None:
        return
    from crawler.frontier.inspect import contents
    from crawler.runs.inbox import Inbox

    directory = _find(run, runs_dir)
    found = contents(_store(directory), hosts)
    waiting = len(Inbox(directory).waiting())
    if as_json:
        _print_json(_row(directory, found, waiting))
    else:
        _print_table(directory, found, waiting)


@app.command(epilog=EXPORT_EXAMPLE)
def export(
    run: RUN = "last",
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="-: standard output.")] = "-",
    state: Annotated[
        str, typer.Option(metavar="STATE", help="pending, waiting, done, redirected, failed, handled or skipped.")
    ] = "pending",
    host: Annotated[str, typer.Option(metavar="PATTERN", help="Only of these hosts: '*.books.example'.")] = "*",
    runs_dir: RUNS_DIR = None,
) -> None:
    """Write URLs, one a line, in the order in which they were found.

    As they are stored: with user name and password, where they have any.
    """
    from crawler.errors import DiskError, UsageError
    from crawler.frontier.inspect import STATES, urls

    if state not in STATES:
        raise UsageError(f"--state {state}: it is one of {', '.join(STATES)}")
    found = urls(_store(_find(run, runs_dir)), state, host)
    if output == "-":
        import sys

        sys.stdout.writelines(f"{url}\n" for url in found)
        return
    path = Path(output)
    part = path.with_name(f"{path.name}.partial")  # FILE appears whole
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(f"{url}\n" for url in found)
        part.replace(path)
    except OSError as error:
        raise DiskError(f"-o {output}: cannot be written: {error.strerror}") from None


@app.command(epilog=ADD_EXAMPLE)
def add(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="RUN URL", help="A run (else the last one), then URLs.")
    ] = None,
    source: Annotated[str | None, typer.Option("--from", metavar="FILE", help="URLs, one a line; -: stdin.")] = None,
    callback: Annotated[
        str, typer.Option(metavar="NAME", help="The spider's method that gets the pages; else parse.")
    ] = "",
    priority: Annotated[int, typer.Option(min=-(2**31), max=2**31 - 1, metavar="N", help="Higher goes first.")] = 0,
    as_json: AS_JSON = False,
    runs_dir: RUNS_DIR = None,
) -> None:
    """Add requests to a run, as seeds.

    What is known already is not asked again. A run that is at work takes them through its inbox.
    """
    from crawler.errors import UsageError
    from crawler.runs.inbox import parts

    given = list(words or ())
    run = given.pop(0) if given and "://" not in given[0] else "last"
    if not given and source is None:
        raise UsageError("say what to add: URLs (https://…), or --from FILE with one a line")
    refused = _Refused()
    for url in given:
        if not refused.takes(url):
            raise UsageError(refused.first)
    with ExitStack() as stack:
        lines = _lines(source, stack, refused) if source is not None else iter(())
        result = _give(_find(run, runs_dir), parts(_chained(given, lines), callback, priority))
    if refused.count:
        result.answer.refused["bad-url"] = result.answer.refused.get("bad-url", 0) + refused.count
        result.answer.details.setdefault("bad-url", refused.first)
    _say(result, as_json, "added")


@app.command(epilog=DROP_EXAMPLE)
def drop(
    words: Annotated[
        list[str], typer.Argument(metavar="[RUN] PATTERN", help="A run (else the last one); what URLs look like.")
    ],
    regex: Annotated[
        bool, typer.Option("--regex", help="PATTERN is a regular expression, searched in the URL; else a glob for all.")
    ] = False,
    as_json: AS_JSON = False,
    runs_dir: RUNS_DIR = None,
) -> None:
    """Leave out the pending requests whose URL matches: they are skipped, listed in skipped.jsonl.

    What is being fetched at the moment finishes.
    """
    from crawler.errors import UsageError
    from crawler.frontier.inspect import pattern
    from crawler.runs.inbox import Drop

    if len(words) > 2:
        raise UsageError(f"one PATTERN, in quotes so that the shell leaves it alone; there are {len(words)} words")
    try:
        pattern(words[-1], regex=regex)
    except ValueError as error:
        raise UsageError(str(error)) from None
    directory = _find(words[0] if len(words) == 2 else "last", runs_dir)
    _say(_give(directory, [Drop(words[-1], regex)]), as_json, "dropped")


# -- finding, reading, giving


def _find(run: str, runs_dir: str | None) -> RunDirectory:
    import os

    from crawler.runs import find
    from crawler.settings_layers import Layer, resolve

    layers = [Layer("--runs-dir", {"runs_dir": runs_dir})] if runs_dir else []
    return find(Path(resolve(env=os.environ, use_files=True, command_line=layers).settings.runs_dir), run)


def _store(run: RunDirectory) -> Path:
    from crawler.errors import StateError

    if not run.frontier.exists():
        raise StateError(f"{run.path} has no frontier on the disk (frontier = memory, or it never began)")
    return run.frontier


class _Refused:
    """URLs of a list that are none, told by their line."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def takes(self, url: str, where: str = "") -> bool:
        """Whether it is a URL; else it is counted."""
        from crawler.urls import absolute

        try:
            absolute(url)
        except ValueError as error:
            self.count += 1
            self.first = self.first or f"{where}{error}"
            return False
        return True


def _chained(urls: Iterable[str], more: Iterator[str]) -> Iterator[str]:
    yield from urls
    yield from more


def _lines(name: str, stack: ExitStack, refused: _Refused) -> Iterator[str]:
    """The URLs of a file, read as they are needed; the file is opened now, so that a wrong name stops at once."""
    import sys

    from crawler.errors import UsageError

    if name == "-":
        return _urls(sys.stdin, refused)
    try:
        return _urls(stack.enter_context(Path(name).open(encoding="utf-8", errors="replace")), refused)
    except OSError as error:
        raise UsageError(f"--from {name}: cannot be read: {error.strerror}") from None


def _urls(lines: Iterable[str], refused: _Refused) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        url = line.removeprefix("\ufeff").strip()
        if url and not url.startswith("#") and refused.takes(url, f"line {number}: "):
            yield url


def _give(run: RunDirectory, commands: Iterable[Command]) -> Given:
    import asyncio

    from crawler.errors import UsageError
    from crawler.orders.amend import amend

    given = asyncio.run(amend(run, commands, lambda text: typer.echo(f"warning: {text}", err=True)))
    if given.answer.error:
        raise UsageError(given.answer.error)
    return given


# -- saying


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _say(given: Given, as_json: bool, what: str) -> None:
    """What was done, on one line; how many commands lie in the inbox, on standard error."""
    from crawler.terminal.numbers import plural
    from crawler.terminal.text import clean

    answer = given.answer
    if as_json:
        row: dict[str, Any] = {"added": answer.added, "known": answer.known, "refused": answer.refused}
        if what == "dropped":
            row = {"dropped": answer.dropped, "in_flight": answer.in_flight}
        _print_json({**row, "left": given.left})
    elif what == "dropped":
        more = f", {plural(answer.in_flight, 'matching one')} in flight finish" if answer.in_flight else ""
        typer.echo(f"dropped {plural(answer.dropped, 'request')}{more}")
    else:
        parts = [f"added {plural(answer.added, 'request')}"]
        parts += [f"{answer.known:,} known before"] if answer.known else []
        parts += [
            f"{n:,} refused by {rule} ({clean(answer.details.get(rule, ''))})" for rule, n in answer.refused.items()
        ]
        typer.echo(", ".join(parts))
    if given.left:
        text = f"{plural(given.left, 'command')} not answered yet: in the run's inbox, carried out when it gets to it"
        typer.echo(text, err=True)


def _row(run: RunDirectory, found: Contents, waiting: int) -> dict[str, Any]:
    return {
        "run": f"{run.identity.spider}/{run.identity.id}",
        "known": found.known,
        "states": found.states,
        "commands": waiting,
        "host_count": found.host_count,
        "hosts": [
            {"host": h.host, "pending": h.pending, "done": h.done, "failed": h.failed, "waits": round(h.waits, 3)}
            for h in found.hosts
        ],
    }


def _print_table(run: RunDirectory, found: Contents, waiting: int) -> None:
    from crawler.terminal.numbers import duration, plural
    from crawler.terminal.text import clean

    typer.echo(f"{run.identity.spider}/{run.identity.id}: {plural(found.known, 'request')} known")
    width = max(len(f"{n:,}") for n in found.states.values())
    for state, n in found.states.items():
        shown = "  waiting for a time" if state == "waiting" else state
        typer.echo(f"  {shown:<20}  {n:>{width},}")
    if waiting:
        typer.echo(f"{plural(waiting, 'command')} in the inbox, not carried out yet")
    if not found.hosts:
        return
    lines = [("host", "pending", "done", "failed", "waits")]
    lines += [
        (clean(h.host, 60), f"{h.pending:,}", f"{h.done:,}", f"{h.failed:,}", duration(h.waits) if h.waits else "")
        for h in found.hosts
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    typer.echo("")
    for name, *numbers in lines:
        columns = [number.rjust(wide) for number, wide in zip(numbers, widths[1:], strict=True)]
        typer.echo("  ".join([name.ljust(widths[0]), *columns]).rstrip())
    if found.host_count > len(found.hosts):
        typer.echo(f"{len(found.hosts)} of {found.host_count:,} hosts; more: --hosts N", err=True)
