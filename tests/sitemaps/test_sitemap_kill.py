"""kill -9 in the middle of a sitemap: the next process goes on, and no page is lost or repeated."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import commands
from small_site import Site

PAGES = 240
"""URLs in the sitemap, each behind a kilobyte of comment: four pieces of it."""

SPIDER = """
import os, signal
from crawler import Request, SitemapSpider
def die_at(place, url):
    if url.endswith(os.environ.get(place, "never")):
        os.kill(os.getpid(), signal.SIGKILL)
class Killed(SitemapSpider):
    name = "killed"
    sitemap_urls = ["SITE/robots.txt"]
    settings = {"commit_bytes": 1, "commit_seconds": 0.01}  # what was handed over is waited for
    def entry(self, entry):
        die_at("ENTRY", entry.loc)
        self.count("entries")
        return Request(entry.loc)
    async def parse(self, response):
        die_at("PAGE", response.url)
        yield {"url": response.url}
"""


def known(directory: Path) -> int:
    """The pages of the sitemap that a start would know of now."""
    (store,) = directory.glob("runs/killed/*/frontier.sqlite")
    with closing(sqlite3.connect(store)) as connection:
        parents = [row[0] for row in connection.execute("SELECT parent FROM request ORDER BY id")]
    assert parents[:3] == [None, 1, 2], "robots.txt, the index and the sitemap"
    assert set(parents[3:]) <= {3}, "`crawler explain` can say where a page comes from"
    return len(parents) - 3


async def test_kills_in_the_middle_of_a_sitemap(tmp_path: Path, site: Site) -> None:
    comment = f"<!--{'x' * 1024}-->"
    entries = "".join(f"{comment}<url><loc>/p/{n:03}</loc></url>" for n in range(PAGES))
    site.pages |= {"/robots.txt": "Sitemap: /index.xml", "/s.xml": f"<urlset>{entries}</urlset>"}
    site.pages |= {"/index.xml": "<sitemapindex><sitemap><loc>/s.xml</loc></sitemap></sitemapindex>"}
    site.pages |= {f"/p/{n:03}": "x" for n in range(PAGES)}
    (tmp_path / "killed.py").write_text(SPIDER.replace("SITE", site.url))

    async def live(**dies: str) -> int:
        env = commands.environment(**dies)
        done = await asyncio.to_thread(commands.run, tmp_path, "run", "killed.py", "-q", env=env)
        return done.returncode

    assert await live(ENTRY="/p/150") == -signal.SIGKILL
    first = known(tmp_path)
    assert 0 < first < 150, "what was handed over before is known, what was in hand is not"
    assert await live(ENTRY="/p/220") == -signal.SIGKILL
    assert first < known(tmp_path) < 220
    assert await live(PAGE="/p/235") == -signal.SIGKILL
    assert await live() == 0

    (run,) = (tmp_path / "runs/killed").glob("*/run.json")
    items = Counter(json.loads(line)["url"] for line in (run.parent / "items.jsonl").read_text().splitlines())
    assert items == {f"{site.url}/p/{n:03}": 1 for n in range(PAGES)}
    assert site.hits["/s.xml"] >= 3 and site.hits["/index.xml"] == 1
    counters = json.loads((run.parent / "stats.json").read_text())["counters"]
    assert (counters["sitemaps"], counters["sitemap_entries"]) == (2, PAGES + 1), "counted when they were done"
    assert (counters["user/entries"], counters["pages"]) == (PAGES, PAGES + 3)
