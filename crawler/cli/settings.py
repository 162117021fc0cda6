"""`crawler settings`: every setting, its value and the layer that set it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crawler.settings_layers import Effective

__all__ = ["EXAMPLE", "settings"]

EXAMPLE = "Example: CRAWLER_DELAY=1.5 crawler settings spiders/books.py"


def settings(
    target: Annotated[str, typer.Argument(metavar="[FILE|MODULE:CLASS]", help="A spider, for its own layers.")] = "",
    given: Annotated[
        list[str] | None, typer.Option("-s", "--set", metavar="NAME=VALUE", help="As for `crawler run`.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Instead of config.toml of the directory.")
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not the default.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show every setting in force, its value and where it was set. Passwords are masked.

    Later layers win: defaults, config.toml [crawler], the spider's settings, config.toml
    [spiders.NAME], CRAWLER_* of the environment, command line.
    """
    import os

    from crawler.cli.pairs import pairs
    from crawler.loading import load
    from crawler.settings_layers import DEFAULT, Layer, resolve

    effective = resolve(
        load(target) if target else None,
        config=config,
        env=os.environ,
        use_files=True,
        command_line=[Layer("-s", pairs("-s", given or ()), text=True)],
    )
    for warning in effective.warnings:
        typer.echo(f"warning: {warning}", err=True)
    names = [name for name, origin in effective.origin.items() if not changed or origin != DEFAULT]
    (_print_json if as_json else _print_table)(effective, names)


def _print_json(effective: Effective, names: list[str]) -> None:
    import json

    rows = {name: {"value": _value(effective, name), "origin": effective.origin[name]} for name in names}
    typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))


def _print_table(effective: Effective, names: list[str]) -> None:
    from crawler.cli.example import toml_value

    rows = [(name, toml_value(_value(effective, name)), effective.origin[name]) for name in names]
    first, second = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    for name, value, origin in rows:
        typer.echo(f"{name:<{first}}  {value:<{min(second, 40)}}  {origin}")


def _value(effective: Effective, name: str) -> Any:
    from crawler.settings_layers import masked

    return masked(name, getattr(effective.settings, name))
