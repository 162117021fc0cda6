"""A crawl whose disk a test spoils: `crawler run` as a command, a spider that does harm, a disk of its own.

The spider's page PAGE executes harm.py if there is one, so that the harm is done in the crawling process, in the
middle of the crawl, and is gone with it; without the file the same spider, unchanged, goes on. The moment is always
the same: all other pages that can be reached are committed and in the outputs, so that nothing is being written, and
PAGE's own commit is the next; the pages below it follow.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import web
from small_site import Site, page

import crawler
from crawler.codec import decode_item
from crawler.frontier import read_meta
from crawler.loading import load
from crawler.outputs.log import read_frames

ROOT = Path(__file__).parent.parent
PAGES = 24
"""In a tree: n links to 2n and 2n + 1."""
PAGE = 3
OTHERS = [n for n in range(1, PAGES + 1) if all(n >> level != PAGE for level in range(5))]
"""Neither PAGE nor below it."""

SPIDER = """
import asyncio
from pathlib import Path
from crawler import Spider
class Pages(Spider):
    name = "pages"
    start_urls = ["SITE/1"]
    settings = {
        "robots": False, "commit_seconds": 0.01, "commit_pages": 4, "concurrency": 2, "retries": 0, "log_level": "error"
    }
    async def parse(self, response):
        yield {"url": response.url, "text": "x" * SIZE}
        yield response.follow_all("a")
        if response.url.endswith("/PAGE") and Path("harm.py").exists():
            run = next(Path().glob("RUNS/pages/*/"))
            for output in (run / "items.jsonl", Path("out.jsonl.partial")):  # an output is behind the commits
                while output.read_bytes().count(b"\\n") < OTHERS:
                    await asyncio.sleep(0.01)
            exec(Path("harm.py").read_text(), {"run": run, "url": response.url})
"""


@dataclass
class Ended:
    """How a command ended."""

    code: int
    errors: str


class Command:
    """`crawler run` of the spider over PAGES pages in a directory, and what came of it.

    With `links` PAGE has so many more, to pages with long addresses, and is answered when the OTHERS were asked for.
    """

    def __init__(self, site: Site, directory: Path, *, runs: str = "runs", size: int = 10, links: int = 0) -> None:
        self.site = site
        self.directory = directory
        self.runs = directory / runs
        self.args = ["-q", "--runs-dir", runs, "-o", "out.jsonl"]
        for n in range(1, PAGES + 1):
            site.pages[f"/{n}"] = page(*(f"/{child}" for child in (2 * n, 2 * n + 1) if child <= PAGES))
        if links:
            site.pages[f"/{PAGE}"] = partial(self._many, links)
        words = {"SITE": site.url, "RUNS": runs, "SIZE": str(size), "PAGE": str(PAGE), "OTHERS": str(len(OTHERS))}
        source = SPIDER
        for word, value in words.items():
            source = source.replace(word, value)
        (directory / "pages.py").write_text(source)

    def harm(self, code: str) -> None:
        """What page PAGE will do; `run` is the run's directory."""
        (self.directory / "harm.py").write_text(code)

    def mend(self) -> None:
        """The harm is over."""
        (self.directory / "harm.py").unlink(missing_ok=True)

    async def run(self, *args: str, before: list[str] | None = None) -> Ended:
        """The command, in a process of its own; `before` is what stands before it."""
        command = [*(before or []), sys.executable, "-m", "crawler", "run", "pages.py", *self.args, *args]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.directory, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        _, errors = await asyncio.wait_for(process.communicate(), 60)
        return Ended(process.returncode or 0, errors.decode())

    async def run_here(self) -> Ended:
        """The same in this process, whose working directory it must be; for harm that ends with the crawl."""
        settings = {"runs_dir": "runs", "log_level": "error"}
        ended = await crawler.run(load("pages.py"), settings=settings, output="out.jsonl")
        return Ended(ended.exit_code, ended.reason if ended.exit_code else "")

    @property
    def run_path(self) -> Path:
        """The directory of the one run."""
        (found,) = self.runs.glob("pages/*/run.json")
        return found.parent

    def committed(self) -> set[str]:
        """The URLs whose items are committed. Read from a copy: SQLite looks behind the links of /proc."""
        copy = self.directory / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.run_path, copy)
        frames = read_frames(copy / "items.log", 0, read_meta(copy / "frontier.sqlite").log_end)
        items = [decode_item(record.raw) for frame in frames for record in frame.records]
        return {item["url"] for item in items}

    def check_whole(self, output: Path | None = None) -> None:
        """The run's items and the output have each page exactly once."""
        whole = Counter(f"{self.site.url}/{n}" for n in range(1, PAGES + 1))
        for path in (self.run_path / "items.jsonl", output or self.directory / "out.jsonl"):
            assert Counter(json.loads(line)["url"] for line in path.read_text().splitlines()) == whole, path

    async def goes_on(self, *args: str, before: list[str] | None = None, output: Path | None = None) -> None:
        """After a stop: what was committed is not asked for again, and the result is whole."""
        await self._goes_on(lambda: self.run(*args, before=before), output)

    async def goes_on_here(self) -> None:
        """`goes_on` in this process."""
        await self._goes_on(self.run_here, None)

    async def _many(self, links: int, request: web.Request) -> web.Response:
        while not all(self.site.hits[f"/{n}"] for n in OTHERS):
            await asyncio.sleep(0.01)
        more = "".join(f'<a href="/many/{n}/{"l" * 200}">x</a>' for n in range(links))
        return web.Response(text=page(f"/{2 * PAGE}", f"/{2 * PAGE + 1}", more=more), content_type="text/html")

    async def _goes_on(self, run: Callable[[], Awaitable[Ended]], output: Path | None) -> None:
        self.mend()
        committed = self.committed()
        assert len(committed) >= 5, "the crawl had begun"
        hits = {url: self.site.hits[url.removeprefix(self.site.url)] for url in committed}
        ended = await run()
        assert (ended.code, ended.errors) == (0, "")
        assert {url: self.site.hits[url.removeprefix(self.site.url)] for url in committed} == hits
        self.check_whole(output)


def says_once(ended: Ended, *parts: str) -> None:
    """Exit code 1 and one message, with these parts, and no traceback."""
    assert ended.code == 1, ended
    assert "Traceback" not in ended.errors and "bug in crawler" not in ended.errors, ended.errors
    lines = [line for line in ended.errors.splitlines() if parts[0] in line]
    assert len(lines) == 1, ended.errors
    for part in parts:
        assert part in lines[0], (part, lines[0])


class Disk:
    """A tmpfs at `path` that only processes behind `before` see; gone with the test, however that ends."""

    def __init__(self, path: Path, keeper: subprocess.Popen[bytes], flags: list[str]) -> None:
        self.before = ["nsenter", "-t", str(keeper.pid), *flags, "sh", "-c", 'cd "$0" && exec "$@"', str(path.parent)]
        self.path = path
        self.seen = Path(f"/proc/{keeper.pid}/root{path}")
        """The same directory, for the test."""

    def remount(self, options: str) -> None:
        """Another size, or ro."""
        command = [*self.before, "mount", "-o", f"remount,{options}", str(self.path)]
        subprocess.run(command, check=True, timeout=10)


@contextmanager
def disk(path: Path, size: str) -> Iterator[Disk | None]:
    """A small disk, in a mount namespace of its own; None where this machine does not allow one."""
    path.mkdir()
    own_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        yield None
        return
    script = f'mount -t tmpfs -o size={size} small "$0" && echo ready && read end'
    command = ["unshare", *own_user, "--mount", "sh", "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as keeper:
        assert keeper.stdin is not None and keeper.stdout is not None
        try:
            flags = ["-U", "--preserve-credentials", "-m"] if own_user else ["-m"]
            yield Disk(path, keeper, flags) if keeper.stdout.readline() == b"ready\n" else None
        finally:
            keeper.stdin.close()
            keeper.wait(10)
