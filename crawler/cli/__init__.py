"""The command line's door: `crawler run spiders/books.py -o books.csv`.

One file a command group; each imports what it needs when it runs, so that `crawler --help` costs
typer and nothing else. A CrawlerError is one line and its exit code; anything else is a bug of ours
and says so. Nothing is printed to standard output but what was asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from crawler import __version__
from crawler.cli import demo, explain, export, frontier, listing, new, run, runs, settings
from crawler.cli.light import lighten
from crawler.errors import CrawlerError

__all__ = ["main"]

app = typer.Typer(
    name="crawler",
    help="A web crawler framework on asyncio and aiohttp: crash-exact, polite, fast.",
    epilog="Example: crawler run spiders/bookstore.py -o books.csv",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: rich would double what `--help` costs
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command(name="run", epilog=run.EXAMPLE)(run.run)
app.add_typer(runs.app, name="runs")
app.command(name="explain", epilog=explain.EXAMPLE)(explain.explain)
app.command(name="export", epilog=export.EXAMPLE)(export.export)
app.add_typer(frontier.app, name="frontier")
app.command(name="list", epilog=listing.EXAMPLE)(listing.list_spiders)
app.add_typer(new.app, name="new")
app.command(name="settings", epilog=settings.EXAMPLE)(settings.settings)
app.command(name="demo", epilog=demo.EXAMPLE)(demo.demo)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crawler {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """A web crawler framework on asyncio and aiohttp: crash-exact, polite, fast."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; `argv` without the program's name, by default the process's."""
    try:
        code = _invoke(argv)
        sys.stdout.flush()  # here, where a closed pipe can still be told from an error of ours
    except CrawlerError as error:
        if _json_lines(sys.argv[1:] if argv is None else argv):
            return _say_json(str(error), error.exit_code)
        return _say(str(error), error.exit_code)
    except typer.TyperException as error:  # unknown command, missing argument, …
        return _say(*_usage(error))
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more to flush to
        return 0
    except Exception as error:
        return _bug(error)
    return code


def _invoke(argv: Sequence[str] | None) -> int:
    command = lighten(typer.main.get_command(app))
    result = command.main(args=None if argv is None else list(argv), prog_name="crawler", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _usage(error: typer.TyperException) -> tuple[str, int]:
    format_message = getattr(error, "format_message", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # `crawler` and `crawler new` alone show their help, as an error
        typer.echo(format_message() if format_message else str(error), err=True)
        return "", 2
    message = " ".join((format_message() if format_message else str(error)).split())
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "crawler"
    return f"{message.rstrip('.')}; see `{path} --help`", getattr(error, "exit_code", 2)


def _say(message: str, code: int) -> int:
    if message:
        typer.echo(f"error: {message}", err=True)
    return code


def _json_lines(argv: Sequence[str]) -> bool:
    """Whether lines are asked for as JSON, told without the settings, which may be what is wrong."""
    words = " ".join(argv).replace("=", " ")
    return "--log-format json" in words or "log_format json" in words or os.environ.get("CRAWLER_LOG_FORMAT") == "json"


def _say_json(message: str, code: int) -> int:
    import logging

    from crawler.terminal.line import Line, as_json

    typer.echo(as_json(Line(logging.ERROR, "refused", message), "", ""), err=True)
    return code


def _bug(error: Exception) -> int:
    import traceback

    frames = traceback.format_exception(type(error), error, error.__traceback__, limit=-6)
    typer.echo("".join(frames).rstrip(), err=True)
    return _say(f"this is a bug in crawler {__version__}, not in your spider: please report it with the lines above", 1)
