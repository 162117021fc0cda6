"""`crawler new spider NAME` and `crawler new project NAME`: files that run as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crawler.cli import templates

__all__ = ["app"]

_URL = "https://example.com/"

app = typer.Typer(
    help="Make a spider or a project that runs as it is.",
    epilog="Example: crawler new spider books --url https://books.example/",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NAME = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, _ and -.")]
URL = Annotated[str, typer.Option(metavar="URL", help="Where the spider begins.")]


@app.command(epilog="Example: crawler new spider books --url https://books.example/")
def spider(
    name: NAME,
    url: URL = _URL,
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where the file goes; made if needed.")
    ] = Path("spiders"),
) -> None:
    """Make DIR/NAME.py: a spider that follows a site's links and takes each page's title."""
    path = _write_spider(directory, name, url)
    typer.echo(f"made {path}; run it: crawler run {path} -o {name}.jsonl")


@app.command(epilog="Example: crawler new project shop --url https://shop.example/")
def project(name: NAME, url: URL = _URL) -> None:
    """Make a directory NAME with a spider, a config.toml and a .gitignore."""
    from crawler.errors import UsageError

    root = Path(name)
    _check(name)
    if root.exists():
        raise UsageError(f"{root} exists already: nothing was written")
    path = _write_spider(root / "spiders", name, url)
    _write(root / "config.toml", templates.CONFIG.substitute(name=name))
    _write(root / ".gitignore", templates.GITIGNORE)
    typer.echo(f"made {root}/; run its spider: cd {root} && crawler run {path.relative_to(root)} -o {name}.jsonl")


def _write_spider(directory: Path, name: str, url: str) -> Path:
    from crawler.errors import UsageError
    from crawler.request import Request
    from crawler.urls import hostname

    _check(name)
    try:
        url = Request(url).url
    except ValueError as error:
        raise UsageError(f"--url: {error}") from None
    words = name.replace("-", "_").strip("_").split("_")
    class_name = "".join(word[:1].upper() + word[1:] for word in words)
    if class_name in ("Spider", "Page", "Response", "Yields"):
        class_name += "Crawl"  # the template imports or defines these
    path = directory / f"{name.replace('-', '_')}.py"
    _write(path, templates.SPIDER.substitute(name=name, class_name=class_name, url=url, host=hostname(url)))
    return path


def _check(name: str) -> None:
    import re

    from crawler.errors import UsageError

    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name):
        raise UsageError(f"{name!r} cannot be a spider's name: a letter, then letters, digits, _ and -")


def _write(path: Path, text: str) -> None:
    """Writes a new file; one that exists is never touched."""
    from crawler.errors import UsageError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists already: nothing was written") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
