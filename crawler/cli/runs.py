"""`crawler runs`: earlier runs as a table; `crawler runs prune`: the old ones go."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crawler.cli.word_or_command import WordOrCommand

if TYPE_CHECKING:
    from crawler.runs.history import RunInfo
    from crawler.runs.prune import Done, Plan

__all__ = ["EXAMPLE", "app"]

EXAMPLE = "Example: crawler runs books"
PRUNE_EXAMPLE = "Example: crawler runs prune --keep 10 --older-than 30d --dry-run"


app = typer.Typer(
    cls=WordOrCommand,
    epilog=EXAMPLE,
    invoke_without_command=True,
    subcommand_metavar="| prune ...",
    rich_markup_mode=None,
)

SPIDER = Annotated[str, typer.Argument(metavar="SPIDER", help="Only the runs of this spider, by its name.")]
RUNS_DIR = Annotated[str | None, typer.Option(metavar="DIR", help="Where runs are kept.")]


@app.callback()
def runs(
    context: typer.Context,
    spider: SPIDER = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="At most so many, the newest; 0: all.")] = 20,
    runs_dir: RUNS_DIR = None,
) -> None:
    """List runs, newest first, with state, numbers, duration and size.

    Numbers are those of the last commit; failed counts requests and callbacks, size is what it takes on the disk.
    """
    if context.invoked_subcommand is not None:
        return
    from crawler.runs.history import history, spider_directories

    place = _place(runs_dir)
    found, count = history(spider_directories(place, spider), limit or None)
    if as_json:
        _print_json([_row(run) for run in found])
        return
    _print_table(found)
    if not count:
        typer.echo(f"no runs in {place}", err=True)
    elif count > len(found) == limit:
        typer.echo(f"{len(found)} of {count:,} runs; all: --limit 0", err=True)


@app.command(epilog=PRUNE_EXAMPLE)
def prune(
    spider: SPIDER = "",
    keep: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Keep the newest N runs of each spider and arguments."),
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="TIME", help="Remove what ended longer ago: 30d, 12h.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Remove the oldest until all take no more: 10GB, 500MiB.")
    ] = None,
    include_unfinished: Annotated[
        bool, typer.Option("--include-unfinished", help="Also runs that could go on; their pending requests are lost.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    runs_dir: RUNS_DIR = None,
) -> int:
    """Remove runs by number, age and size, the oldest first.

    Each of the three rules says on its own what goes. Never removed: a run at work, the newest that ended with 0
    of each spider and arguments, one whose outputs are not in place yet, one that cannot be read, and output files.
    """
    from crawler.errors import UsageError
    from crawler.runs import prune as pruning
    from crawler.runs.history import history, spider_directories

    if keep is None and older_than is None and max_size is None:
        raise UsageError("say which runs go: --keep N, --older-than 30d or --max-size 10GB; --dry-run shows them first")
    age = _measure("--older-than", older_than, float, "seconds")
    bytes = _measure("--max-size", max_size, int, "bytes")
    rules = pruning.Rules(keep, age, bytes, include_unfinished)
    flags = {
        "keep": f"--keep {keep}",
        "older_than": f"--older-than {older_than}",
        "max_bytes": f"--max-size {max_size}",
    }
    directories = spider_directories(_place(runs_dir), spider)
    plan = pruning.plan(history(directories)[0], rules)
    if not as_json:
        _print_plan(plan, flags)
    done = None
    if not dry_run and (not plan.removals or _agreed(plan, yes)):
        problems = pruning.sweep(directories)
        done = pruning.carry_out(plan.removals, rules)
        done.problems[:0] = problems
    if as_json:
        _print_json(_pruned(plan, done, dry_run))
    if bytes is not None and plan.left > bytes:
        typer.echo(f"what may not go takes more than --max-size {max_size}", err=True)
    return _report(plan, done, dry_run)


def _place(runs_dir: str | None) -> Path:
    import os

    from crawler.settings_layers import Layer, resolve

    layers = [Layer("--runs-dir", {"runs_dir": runs_dir})] if runs_dir else []
    return Path(resolve(env=os.environ, use_files=True, command_line=layers).settings.runs_dir)


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


# -- the list


def _row(run: RunInfo) -> dict[str, Any]:
    from crawler.runs.history import disk_bytes

    holder, identity = run.holder, run.identity
    return {
        "run": run.name,
        "spider": run.spider,
        "id": run.path.name,
        "path": str(run.path),
        "group": identity.digest if identity is not None else None,
        "state": run.state,
        "reason": run.reason,
        "resumable": run.resumable,
        "exit_code": run.exit_code,
        "pid": holder.pid if holder is not None else None,
        "host": holder.host if holder is not None else None,
        "pages": run.pages,
        "items": run.items,
        "failed": run.failed,
        "pending": run.pending,
        "started": run.started,
        "last": run.last,
        "seconds": run.seconds and round(run.seconds, 3),
        "bytes": disk_bytes(run.path),
    }


def _print_table(found: Sequence[RunInfo]) -> None:
    """Two lines a run, so that it fits 80 columns whatever the spider is called: what became of it, its numbers."""
    import shutil
    import sys

    from crawler.runs.history import disk_bytes
    from crawler.terminal.numbers import duration, size

    if not found:
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    head = ("started", "duration", "exit", "pages", "items", "failed", "pending", "size")
    lines = [
        (
            _when(run.started),
            "" if run.seconds is None else duration(run.seconds),
            "" if run.exit_code is None else str(run.exit_code),
            *("" if n is None else _count(n) for n in (run.pages, run.items, run.failed, run.pending)),
            size(disk_bytes(run.path)),
        )
        for run in found
    ]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    names = max(len(run.name) for run in found)

    def numbers(line: Sequence[str]) -> str:
        started, *rest = (text.rjust(wide) for text, wide in zip(line, widths, strict=True))
        return "  ".join(["", started.strip().ljust(widths[0]), *rest])

    typer.echo(f"{'run':<{min(names, width // 2)}}  state\n{numbers(head)}")
    for run, line in zip(found, lines, strict=True):
        room = width - len(run.name) - 2
        if room >= 30:
            typer.echo(f"{run.name:<{min(names, width // 2)}}  {_state(run, min(room, width - names - 2))}")
        else:
            typer.echo(f"{run.name}\n  {_state(run, width - 2)}")
        typer.echo(numbers(line))


def _state(run: RunInfo, room: int) -> str:
    """What became of it, in at most `room` characters; the whole reason is in the JSON."""
    from crawler.terminal.text import clean, masked

    if run.holder is not None:
        by = f"running: process {run.holder.pid} on {run.holder.host}" if run.holder.pid else "running"
        return clean(by, room)
    mark = " (resumable)" if run.resumable else ""
    if run.state in ("limit", "interrupted") or run.reason.startswith(("stopped", "failed")):
        said = run.reason  # says it itself: "limit reached: …", "interrupted by …"
    elif run.state == "unpublished":
        said = "ended, outputs not in place yet (the next start does that)"
    else:
        said = f"{run.state}: {run.reason}" if run.reason and run.reason != "complete" else run.state
    return clean(masked(said), max(room - len(mark), 12)) + mark


def _when(epoch: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(epoch)) if epoch is not None else ""


def _count(n: int) -> str:
    """At most seven characters: 999,999, then 1.2M, 12M."""
    from crawler.terminal.numbers import count

    if n < 1_000_000:
        return count(n)
    return f"{n / 1e6:.1f}M" if n < 99_950_000 else f"{n / 1e6:,.0f}M"


# -- pruning


def _measure(flag: str, text: str | None, kind: type[int] | type[float], unit: str) -> Any:
    """A time in seconds or a size in bytes, as settings write them. Raises UsageError."""
    from crawler.errors import UsageError
    from crawler.from_text import with_unit

    if text is None:
        return None
    try:
        value = with_unit(text, kind, unit)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from None
    except OverflowError:
        raise UsageError(f"{flag} {text}: it is too large") from None
    if value < 0:
        raise UsageError(f"{flag} {text}: it must be at least 0")
    return value


def _agreed(plan: Plan, yes: bool) -> bool:
    import sys

    from crawler.errors import UsageError
    from crawler.terminal.numbers import plural, size

    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nothing was removed: there is no terminal to ask on; give --yes, or --dry-run to only look")
    return typer.confirm(f"remove {plural(len(plan.removals), 'run')}, {size(plan.bytes)}?", err=True)


def _print_plan(plan: Plan, flags: dict[str, str]) -> None:
    from crawler.terminal.numbers import size
    from crawler.terminal.text import clean

    lines = [(r.run.name, size(r.bytes), r.run.state, flags[r.rule]) for r in plan.removals]
    lines += [(k.run.name, "stays", k.run.state, clean(k.why)) for k in plan.kept]
    widths = [max((len(line[column]) for line in lines), default=0) for column in range(3)]
    for name, bytes, state, why in lines:
        typer.echo(f"{name:<{widths[0]}}  {bytes:>{widths[1]}}  {state:<{widths[2]}}  {why}".rstrip())


def _report(plan: Plan, done: Done | None, dry_run: bool) -> int:
    """What was done, on standard error; the exit code is 1 where something could not be removed."""
    from crawler.terminal.numbers import plural, size

    say: Callable[[str], None] = lambda text: typer.echo(text, err=True)  # noqa: E731
    if not plan.removals:
        say("nothing to remove")
    elif done is None:
        number = plural(len(plan.removals), "run")
        say(f"{number}, {size(plan.bytes)}, would be removed" if dry_run else "nothing was removed")
    if done is None:
        return 0
    for kept in done.kept:
        say(f"{kept.run.name} stays after all: {kept.why}")
    for path in done.partial:
        say(f"{path} of a removed run is still there: remove it if nobody needs it")
    for problem in done.problems:
        say(f"error: {problem}")
    if plan.removals:
        say(f"removed {plural(len(done.removed), 'run')}, {size(done.bytes)}")
    return 1 if done.problems else 0


def _pruned(plan: Plan, done: Done | None, dry_run: bool) -> dict[str, Any]:
    removals = plan.removals if done is None else done.removed
    kept = plan.kept if done is None else [*plan.kept, *done.kept]
    return {
        "dry_run": dry_run,
        "removed": [{"run": r.run.name, "bytes": r.bytes, "rule": r.rule} for r in removals],
        "kept": [{"run": k.run.name, "why": k.why} for k in kept],
        "partial": [str(path) for path in done.partial] if done is not None else [],
        "problems": done.problems if done is not None else [],
        "bytes": sum(r.bytes for r in removals),
        "left": plan.left,
    }
