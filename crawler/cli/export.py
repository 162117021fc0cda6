"""`crawler export`: a run's items once more, in another form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crawler.runs import RunDirectory

__all__ = ["EXAMPLE", "export"]

EXAMPLE = "Example: crawler export last -o books.csv"


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run: its id, spider/id, its path, or last.")],
    output: Annotated[
        list[str],
        typer.Option("-o", "--output", metavar="FILE", help="Items: .jsonl .json .csv (.gz), .sqlite; -: stdout."),
    ],
    append: Annotated[bool, typer.Option("--append", help="Add to the output files.")] = False,
    given: Annotated[
        list[str] | None, typer.Option("-s", "--set", metavar="NAME=VALUE", help="A setting: csv_fields=title,url.")
    ] = None,
    runs_dir: Annotated[str | None, typer.Option(metavar="DIR", help="Where runs are kept.")] = None,
) -> None:
    """Write a run's items to other files.

    At any time, also while it runs: all that is committed.
    """
    import asyncio
    import os

    from crawler.cli.pairs import pairs
    from crawler.outputs.export import export as write
    from crawler.runs import find
    from crawler.settings_layers import Layer, resolve

    layers = [Layer("-s", pairs("-s", given or ()), text=True)]
    layers += [Layer("--runs-dir", {"runs_dir": runs_dir})] if runs_dir else []
    layers += [Layer("--append", {"append": True})] if append else []
    settings = resolve(env=os.environ, use_files=True, command_line=layers).settings
    directory = find(Path(settings.runs_dir), run)
    written = asyncio.run(write(directory.log, _committed(directory), output, settings))
    for name, state in written.items():
        if name != "-":
            typer.echo(f"{name}: {state}", err=True)


def _committed(directory: RunDirectory) -> int:
    """How far the run's log counts: what its store says, or all of it where the run kept its store in memory."""
    from crawler.frontier.recovery import read_meta

    if directory.frontier.exists():
        return read_meta(directory.frontier).log_end
    return directory.log.stat().st_size if directory.log.exists() else 0
