"""What a command imports, and that typer's own conversion is left out only where it would change nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from crawler.cli.light import lighten

HEAVY = {
    "aiohttp", "asyncio", "importlib.metadata", "lxml", "msgspec", "parsel", "pydantic", "rich", "selectolax",
    "sqlite3", "ssl", "uvloop",
}  # fmt: skip

LATER = {
    "crawler.demo", "crawler.runs.explain", "crawler.runs.prune", "importlib.metadata", "publicsuffixlist", "pydantic",
    "rich", "selectolax",
}  # fmt: skip
"""What a run without a terminal never needs, unless its spider does."""


def imported(cwd: Path, *args: str, **env: str) -> set[str]:
    """The modules that a process had at the end of a command."""
    code = (
        "import sys, atexit; atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr));"
        "from crawler.cli import main; sys.exit(main())"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRAWLER_")}
    done = subprocess.run([sys.executable, "-c", code, *args], cwd=cwd, env=clean | env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines())


@pytest.mark.parametrize("args", ["--help", "--version", "run --help", "runs prune --help", "new spider --help"])
def test_what_only_tells_of_commands_imports_nothing_heavy(tmp_path: Path, args: str) -> None:
    assert imported(tmp_path, *args.split()) & HEAVY == set()


def test_completion_imports_nothing_heavy(tmp_path: Path) -> None:
    asked = {"_CRAWLER_COMPLETE": "complete_bash", "COMP_WORDS": "crawler ru", "COMP_CWORD": "1"}
    assert imported(tmp_path, **asked) & HEAVY == set()


class Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    """By a name: nobody has to ask what is registrable of an address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()


def test_a_run_imports_what_it_needs(tmp_path: Path, url: str) -> None:
    spider = "from crawler import Spider\nclass One(Spider):\n    name = 'one'\n    start_urls = ['URL']\n"
    spider += "    async def parse(self, response):\n        yield {'status': response.status}\n"
    (tmp_path / "one.py").write_text(spider.replace("URL", url))
    modules = imported(tmp_path, "run", "one.py", "-q", "-s", "delay=0", "--max-pages", "1")
    assert modules & LATER == set()
    assert {"aiohttp", "crawler.engine"} <= modules


def test_a_file_that_a_spider_leaves_open_is_written_out(tmp_path: Path, url: str) -> None:
    """By the collector's last look when Python ends, which is spared for our own modules only."""
    spider = "from crawler import Spider\nclass One(Spider):\n    name = 'one'\n    start_urls = ['URL']\n"
    spider += "    seen = open('seen.txt', 'w')\n"
    spider += "    async def parse(self, response):\n        self.seen.write(response.url)\n"
    (tmp_path / "one.py").write_text(spider.replace("URL", url))
    modules = imported(tmp_path, "run", "one.py", "-q")
    assert "crawler.engine" in modules
    assert (tmp_path / "seen.txt").read_text() == url


# -- the values, beside typer's own


def _app(light: bool) -> Any:
    app = typer.Typer()

    @app.command()
    def command(
        place: Annotated[str, typer.Argument()],
        more: Annotated[list[str] | None, typer.Option("--more")] = None,
        name: Annotated[str | None, typer.Option()] = None,
        word: str = "",
        port: Annotated[int, typer.Option(min=1, max=99)] = 80,
        file: Annotated[Path | None, typer.Option()] = None,
        flag: bool = False,
    ) -> list[Any]:
        return [place, more, name, word, port, file, flag]

    made = typer.main.get_command(app)
    return lighten(made) if light else made


LINES = [
    "x", "x --more a --more b=c", "x --name n --word w", "x --port 7", "x --port 0", "x --port 100", "x --port seven",
    "x --file a/b", "x --flag", "x --no-flag", "", "x y", "x --nothing", "x --name", "-- -x", "x --word=",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_command_gets_the_values_and_errors_that_typer_gives(line: str) -> None:
    def said(light: bool) -> Any:
        try:
            return _app(light).main(args=line.split(), standalone_mode=False)
        except typer.TyperException as error:
            return type(error).__name__, error.format_message()

    own = said(light=True)
    assert own == said(light=False)
    assert [type(value) for value in own] == [type(value) for value in said(light=False)]
