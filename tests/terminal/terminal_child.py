"""A face in a process of its own, on whatever standard error is: argv is settings as JSON, and the run's path."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

from terminal_fakes import FakeCrawl, ended, ended_stats, failed, started

from crawler.settings import Settings
from crawler.terminal import faces


async def main() -> None:
    face = faces(Settings(**json.loads(sys.argv[1])), "books", stdout_is_data=len(sys.argv) > 3)
    crawl = FakeCrawl()
    beside = asyncio.create_task(face.run(crawl))
    face(started(sys.argv[2]))
    for number in range(8):
        if face._screen.every:
            asked = crawl.asked
            async with asyncio.timeout(30):
                while crawl.asked == asked:  # a picture between the lines
                    await asyncio.sleep(0.02)
        face(failed(f"http://h/{number}/\x1b[2J[bold]{'x' * 80}"))
        logging.getLogger("crawler.spider.books").info("said %d", number)
        if number == 3:
            print("printed by the spider")
    face(ended(ended_stats(path="/r")))
    await beside


asyncio.run(main())
