"""How a page's links are handed over: through a real crawl."""

from __future__ import annotations

from typing import Any

from small_site import Site, page

from crawler import Response, Spider, blocking, run


async def test_members_of_a_list_have_the_ordinals_that_they_have_one_by_one(site: Site, fast: dict[str, Any]) -> None:
    """They name items and the pages of `unique=False`; a list of nothing but requests is taken at once."""
    site.pages["/"] = site.pages["/again"] = page(title="here")
    keys: list[str] = []

    class Noting:
        async def process(self, item: Any, context: Any) -> Any:
            keys.append(context.key)
            return item

    class Members(Spider):
        name = "members"
        start_urls = [f"{site.url}/"]
        pipelines = [Noting()]
        together = False

        async def parse(self, response: Response) -> Any:
            again = [response.follow("/again", self.again, unique=False) for _ in range(3)]
            values: list[Any] = [{"n": 0}, again[:2], {"n": 1}, (again[2],), [], [{"n": 2}, again[0]], {"n": 3}]
            for value in values:
                for one in [value] if self.together or isinstance(value, dict) else value:
                    yield one

        async def again(self, response: Response) -> Any:
            yield {"n": response.url}

    class Together(Members):
        together = True

    taken = []
    for spider in (Members, Together):
        keys.clear()
        await run(spider, settings=fast)
        taken.append(sorted(keys))
    assert taken[0] == taken[1]
    assert len(set(taken[0])) == 8


async def test_a_blocking_callback_gives_members_too(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page("/a", title="here")
    site.pages["/a"] = page(title="there")

    class Blocking(Spider):
        name = "blocking"
        start_urls = [f"{site.url}/"]

        @blocking
        def parse(self, response: Response) -> Any:
            yield [{"n": 1}, {"n": 2}]
            yield response.links()
            yield (one for one in ({"n": 3},))

    result = await run(Blocking, settings=fast)
    assert result.stats.counters["items"] == 6
