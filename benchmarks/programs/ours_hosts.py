"""Ours over many hosts: crawler run ours_hosts.py -a url=URL -o FILE"""

from collections.abc import AsyncIterator

from crawler import Response, Spider


class Hosts(Spider):
    name = "hosts"
    url: str

    def __init__(self, **args: object) -> None:
        super().__init__(**args)
        self.start_urls = [self.url]

    async def parse(self, response: Response) -> AsyncIterator[object]:
        yield {"url": response.url}
        yield response.links()
