"""`crawler list`: the spiders in a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["EXAMPLE", "list_spiders"]

EXAMPLE = "Example: crawler list spiders"


def list_spiders(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the spiders' files are.")] = Path("spiders"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False,
) -> int:
    """List the spiders of a directory.

    A line has name, file:class, arguments and description.

    A file that cannot be loaded is named on standard error; then the exit code is 2.
    """
    from crawler.errors import SpiderError, UsageError
    from crawler.loading import spiders_in

    if not directory.is_dir():
        raise UsageError(
            f"{directory} is no directory: name the one with your spiders, or make one: crawler new spider NAME"
        )
    rows: list[dict[str, Any]] = []
    broken = 0
    for path in sorted(directory.glob("*.py")):
        try:
            rows += [_row(spider, path) for spider in spiders_in(path)]
        except SpiderError as error:
            broken += 1
            typer.echo(f"error: {error}", err=True)
    _print(rows, as_json)
    if not rows and not broken:
        typer.echo(f"no spiders in {directory}", err=True)
    return 2 if broken else 0


def _row(spider: Any, path: Path) -> dict[str, Any]:
    from crawler.arguments import arguments

    described = (spider.__dict__.get("__doc__") or "").strip().splitlines()
    return {
        "name": spider.name,
        "class": spider.__name__,
        "file": str(path),
        "arguments": [f"{name}=…" if argument.required else name for name, argument in arguments(spider).items()],
        "description": described[0] if described else "",
    }


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = [
        (row["name"], f"{row['file']}:{row['class']}", " ".join(row["arguments"]), row["description"]) for row in rows
    ]
    widths = [max((len(line[column]) for line in table), default=0) for column in range(3)]
    for line in table:
        typer.echo(
            "  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[3]]).rstrip()
        )
