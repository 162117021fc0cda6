"""`crawler run TARGET`: flags become the topmost layer of the settings, and the spider runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crawler.runner import Crawl
    from crawler.settings import Settings
    from crawler.settings_layers import Layer
    from crawler.spider import Spider
    from crawler.terminal import Face

__all__ = ["EXAMPLE", "run"]

EXAMPLE = "Example: crawler run spiders/site.py -a url=https://example.com/ --max-pages 100 -o pages.jsonl"


def run(
    target: Annotated[str, typer.Argument(metavar="FILE|MODULE:CLASS", help="The spider.")],
    args: Annotated[
        list[str] | None, typer.Option("-a", "--arg", metavar="NAME=VALUE", help="An argument of the spider.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("-s", "--set", metavar="NAME=VALUE", help="Any setting (`crawler settings`).")
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option("-o", "--output", metavar="FILE", help="Items: .jsonl .json .csv (.gz), .sqlite; -: stdout."),
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to the output files.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Instead of config.toml of the directory.")
    ] = None,
    max_pages: Annotated[str | None, typer.Option(metavar="N", help="End after so many pages.")] = None,
    max_items: Annotated[str | None, typer.Option(metavar="N", help="End after so many items.")] = None,
    max_seconds: Annotated[str | None, typer.Option(metavar="SECONDS", help="End after so long: 90, 5m, 2h.")] = None,
    concurrency: Annotated[str | None, typer.Option(metavar="N", help="Pages in flight at once.")] = None,
    delay: Annotated[str | None, typer.Option(metavar="SECONDS", help="Gap between requests to one host.")] = None,
    urls: Annotated[
        str | None, typer.Option(metavar="FILE", help="Seeds instead of the spider's, one a line; -: stdin.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="A new run, even where one could go on.")] = False,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with this run: id, spider/id, path, last.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try the failed requests of the last run (or --resume RUN) again.")
    ] = False,
    frontier: Annotated[str | None, typer.Option(metavar="STORE", help="sqlite or memory.")] = None,
    durability: Annotated[str | None, typer.Option(metavar="HOW", help="strict or relaxed.")] = None,
    runs_dir: Annotated[str | None, typer.Option(metavar="DIR", help="Where runs are kept.")] = None,
    log_level: Annotated[str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(metavar="FORM", help="auto, text or json.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="At the end: the CPU time of a page, by stage.")] = False,
) -> int:
    """Run a spider, or go on with its run that was interrupted.

    Exit codes: 0 complete, 1 failed, 2 usage, 3 too many failures, 4 stopped and resumable,
    75 already running, 130 and 143 interrupted and resumable.
    """
    import os

    from crawler.cli.pairs import pairs
    from crawler.errors import UsageError
    from crawler.no_gc import no_gc
    from crawler.settings_layers import Layer, resolve

    if resume == "":
        raise UsageError("--resume needs a run: its id, spider/id, its path, or last (see `crawler runs`)")
    if fresh and (resume is not None or retry_failed):
        raise UsageError(f"--fresh begins a new run, {'--resume' if resume is not None else '--retry-failed'} does not")
    given = {
        "--max-pages": max_pages, "--max-items": max_items, "--max-seconds": max_seconds, "--concurrency": concurrency,
        "--delay": delay, "--frontier": frontier, "--durability": durability, "--runs-dir": runs_dir,
        "--log-level": log_level, "--log-format": log_format,
    }  # fmt: skip
    with ExitStack() as stack:
        with no_gc():  # what a start makes, the modules above all, stays: to look for waste in it took 30 ms
            spider = _spider(target)
            from crawler.runner import run_blocking

            layers = [Layer("-s", pairs("-s", settings or ()), text=True)]
            layers += [_flag(name, value) for name, value in given.items() if value is not None]
            layers += [Layer("-o", {"output": output})] if output else []
            layers += [Layer("--append", {"append": True})] if append else []
            layers += [Layer("--fresh", {"resume": "never"})] if fresh else []
            layers += [Layer("--quiet", {"quiet": True})] if quiet else []
            effective = resolve(spider, config=config, env=os.environ, use_files=True, command_line=layers)
            for warning in effective.warnings:
                typer.echo(f"warning: {warning}", err=True)
            seeds = _seeds(urls, stack) if urls is not None else None
            given_args = {**effective.args, **pairs("-a", args or ())}
            which = {"run": resume or "", "retry_failed": retry_failed}
            crawl, face = _crawl(spider, given_args, effective.settings, seeds, which)
        ended = run_blocking(crawl, beside=face.run)
    if profile:
        from crawler.terminal.profile import print_profile

        print_profile(ended.stats, effective.settings)
    return ended.exit_code


def _spider(target: str) -> type[Spider]:
    """The user's class; what a spider's file begins by importing is there before it, and for good."""
    import crawler.response
    import crawler.spider  # noqa: F401
    from crawler.loading import load
    from crawler.no_gc import set_aside

    set_aside()
    return load(target)


def _flag(flag: str, value: str) -> Layer:
    from crawler.settings_layers import Layer

    return Layer(flag, {flag.removeprefix("--").replace("-", "_"): value}, text=True, place=flag.format)


def _seeds(name: str, stack: ExitStack) -> Iterator[str]:
    """The lines of a file, read as they are needed; the file is opened now, so that a wrong name stops at once."""
    import sys

    from crawler.errors import UsageError

    if name == "-":
        return iter(sys.stdin)
    try:
        return iter(stack.enter_context(Path(name).open(encoding="utf-8-sig", errors="replace")))
    except OSError as error:
        raise UsageError(f"--urls {name}: cannot be read: {error.strerror}") from None


def _crawl(
    spider: type[Spider], args: dict[str, Any], settings: Settings, urls: Iterable[str] | None, which: dict[str, Any]
) -> tuple[Crawl[Any], Face]:
    from crawler.runner import Crawl
    from crawler.terminal import faces

    face = faces(settings, spider.name, stdout_is_data="-" in settings.output)
    return Crawl(spider, args=args, settings=settings, urls=urls, listeners=[face], signals=True, **which), face
