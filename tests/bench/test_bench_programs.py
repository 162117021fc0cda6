"""The programs that are measured do the work: our spiders and the bare loops, checked as a benchmark checks them."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from kit.candidates import BARE, CANDIDATES, OURS, Job
from kit.check import wrong_items, wrong_requests
from kit.site import prepared, read_truth

PAGES = 12
Truth = dict[str, dict[str, Any]]


class Nursery:
    """The made site, served by this process; counts what it is asked for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asked: Counter[tuple[int, str]] = Counter()
        self.url = ""
        plants = read_truth(directory)
        self.truth: Truth = {
            path: {"title": it.title, "price": it.price, "tags": it.tags} for path, it in plants.items()
        }

    async def answer(self, request: web.Request) -> web.Response:
        file = self.directory / "www" / (request.path.lstrip("/") or "index.html")
        found = file.is_file()
        self.asked[200 if found else 404, request.path] += 1
        body = file.read_bytes() if found else b""
        return web.Response(body=body, status=200 if found else 404, content_type="text/html", charset="utf-8")


@pytest.fixture
async def nursery(tmp_path: Path) -> AsyncIterator[Nursery]:
    made = Nursery(prepared(tmp_path, PAGES))
    app = web.Application()
    app.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


@pytest.mark.parametrize("name", [it.name for it in (*OURS[:2], *BARE)])
async def test_a_program_does_the_work(nursery: Nursery, tmp_path: Path, name: str) -> None:
    candidate = CANDIDATES[name]
    job = Job(nursery.url, tmp_path / "items.jsonl", nursery.directory / "paths.txt", tmp_path)
    process = await asyncio.create_subprocess_exec(
        *candidate.command(job), cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, said.decode()
    truth = nursery.truth if candidate.items else {path: {} for path in nursery.truth}
    assert wrong_items(job.out, nursery.url, truth) == []
    assert wrong_requests(nursery.asked, dict.fromkeys(nursery.truth, 200)) == []


def test_ours_are_run_at_default_settings(tmp_path: Path) -> None:
    job = Job("http://127.0.0.1:1/", tmp_path / "items.jsonl", tmp_path / "paths", tmp_path)
    for candidate in OURS:
        command, *words = candidate.command(job)
        assert command == str(Path(sys.executable).with_name("crawler"))
        assert words[0] == "run"
        assert words[2:6] == ["-a", f"url={job.url}", "-o", str(job.out)]
        assert words[6:] == ([] if candidate.name.endswith("_8") else ["-s", "concurrency_per_host=32"])
        assert "settings" not in Path(words[1]).read_text()
