"""What a later process makes of an earlier one's run: which run it is, what is taken up again, what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from small_site import Site, page

from crawler import Run, Spider, SpiderError, run
from crawler.errors import StateError, UsageError
from crawler.events import Event, Started
from crawler.frontier import read_meta
from crawler.loading import load

WriteSpider = Callable[[str], type[Spider]]


@pytest.fixture
def write(tmp_path: Path, site: Site) -> WriteSpider:
    """Writes the body of a spider's class to one and the same file and loads it."""

    def write(body: str) -> type[Spider]:
        path = tmp_path / "spider.py"
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        path.write_text(
            "import asyncio\nfrom functools import partial\nfrom crawler import Request, Retry, Spider\n"
            f"class Pages(Spider):\n    name = 'pages'\n    start_urls = ['{site.url}/']\n{lines}\n"
        )
        return load(str(path))

    return write


class Notes:
    """Listens to how a run begins."""

    def __init__(self) -> None:
        self.started: list[Started] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self.started.append(event)


def urls_of(run: Run) -> list[str]:
    return sorted(json.loads(line)["url"] for line in (run.path / "items.jsonl").read_text().splitlines())


def paths_of(run: Run) -> list[str]:
    return ["/" + url.split("/", 3)[3] for url in urls_of(run)]


GOOD = """
async def parse(self, response):
    yield {"url": response.url}
    yield response.follow_all("a")
"""


async def test_pages_that_the_code_failed_on_go_through_the_mended_code(
    site: Site, write: WriteSpider, fast: dict[str, Any]
) -> None:
    site.pages |= {"/": page("/a", "/b", "/c"), "/a": page(), "/b": page(), "/c": page()}
    broken = write(GOOD.replace('yield {"url"', 'assert not response.url.endswith(("/a", "/b"))\n    yield {"url"'))
    stopping = {**fast, "concurrency": 1, "max_pages": 4}
    first = await run(broken, settings=stopping)
    assert (first.exit_code, paths_of(first)) == (3, ["/", "/c"])
    assert first.stats.counters["callbacks_failed"] == 2

    notes = Notes()
    again = await run(write(GOOD), settings={**fast, "resume": "always"}, listeners=[notes])
    assert again.id == first.id and "2 failed pages are taken up again" in notes.started[0].note
    assert "file has changed" in notes.started[0].note
    assert (again.exit_code, paths_of(again)) == (0, ["/", "/a", "/b", "/c"])
    assert "callbacks_failed" not in again.stats.counters and "callback/AssertionError" not in again.stats.counters
    assert again.stats.counters["pages"] == 4 and again.stats.counters["status/200"] == 4
    assert (site.hits["/a"], site.hits["/c"]) == (2, 1)


async def test_failed_requests_are_tried_again_when_asked(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    site.pages |= {"/": page("/a", "/b", "/handled"), "/a": page()}
    spider = write(
        GOOD
        + """
def failed(self, request, error):
    if request.url.endswith("/handled"):
        yield {"url": request.url}
"""
    )
    output = Path(fast["runs_dir"]).parent / "out.jsonl"
    first = await run(spider, settings=fast, output=str(output))
    assert (first.exit_code, first.stats.counters["requests_failed"]) == (3, 2)
    assert len(output.read_text().splitlines()) == 3

    site.pages |= {"/b": page("/new"), "/new": page()}
    notes = Notes()
    again = await run(spider, settings=fast, retry_failed=True, listeners=[notes])
    assert again.id == first.id and "1 failed page is taken up again" in notes.started[0].note
    assert paths_of(again) == ["/", "/a", "/b", "/handled", "/new"]
    assert len(output.read_text().splitlines()) == 5, "the output of the run goes on without being named"
    assert again.stats.counters["requests_failed"] == 1, "the page that was handled still counts as failed"
    assert (site.hits["/a"], site.hits["/b"], site.hits["/handled"]) == (1, 2, 1)

    nothing = await run(spider, settings=fast, retry_failed=True, listeners=[notes])
    assert "it has no failed request to try again" in notes.started[1].note
    assert nothing.id == first.id and len(output.read_text().splitlines()) == 5


async def test_retry_failed_needs_a_run(write: WriteSpider, fast: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="no run of pages with these arguments"):
        await run(write(GOOD), settings=fast, retry_failed=True)


async def test_a_callback_that_is_gone(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    site.pages |= {"/": page("/a", "/b"), "/a": page(), "/b": page()}
    old = write(
        """
async def parse(self, response):
    yield {"url": response.url}
    yield response.follow_all("a", partial(self.parse_book, shelf=1), errback=self.lost)
    self.stop("for now", resumable=True)
async def parse_book(self, response, shelf): pass
async def lost(self, request, error): pass
"""
    )
    first = await run(old, settings=fast)
    assert first.exit_code == 4
    with pytest.raises(SpiderError, match=r"no lost and no parse_book any more.*2 for parse_book \(the first is http"):
        await run(write(GOOD), settings=fast)
    assert site.hits["/a"] == 0
    new = write(GOOD + "async def parse_book(self, response, shelf):\n    yield {'url': response.url}\nlost = None")
    with pytest.raises(SpiderError, match="no lost any more"):
        await run(new, settings=fast)
    lost = "def lost(self, request, error): pass"
    again = await run(
        write(f"{GOOD}async def parse_book(self, response, shelf):\n    yield {{'url': response.url}}\n{lost}"),
        settings=fast,
    )
    assert (again.id, again.exit_code, paths_of(again)) == (first.id, 0, ["/", "/a", "/b"])


@pytest.mark.parametrize(
    ("name", "old", "new", "reason", "left"),
    [
        ("robots", False, True, "robots", ["/", "/a"]),
        ("max_depth", None, 0, "depth", ["/"]),
        ("max_url", 8000, len("http://127.0.0.1:10000/a"), "url-length", ["/", "/a"]),
        ("allowed_domains", [], ["example.org"], "domain", ["/"]),
    ],
)
async def test_other_rules_hold_for_what_is_pending(
    site: Site, write: WriteSpider, fast: dict[str, Any], name: str, old: Any, new: Any, reason: str, left: list[str]
) -> None:
    site.pages |= {"/": page("/a", "/no/b"), "/a": page(), "/no/b": page()}
    site.pages["/robots.txt"] = "User-agent: *\nDisallow: /no"
    spider = write(f"{GOOD}    if response.request.depth == 0:\n        self.stop('for now', resumable=True)")
    first = await run(spider, settings={**fast, "robots": False, name: old})
    assert first.stats.pending == 2
    notes = Notes()
    again = await run(spider, settings={**fast, "robots": False, name: new}, listeners=[notes])
    assert f"{name} was {old}, is {new}" in notes.started[0].note
    assert (again.id, again.exit_code, paths_of(again)) == (first.id, 0, left)
    assert again.stats.counters[f"skipped/{reason}"] == 3 - len(left)
    assert site.hits["/no/b"] == 0
    skipped = [json.loads(line) for line in (again.path / "skipped.jsonl").read_text().splitlines()]
    assert {(line["url"], line["reason"]) for line in skipped} >= {(f"{site.url}/no/b", reason)}


async def test_a_named_run_goes_on_with_its_own_arguments(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    site.pages |= {"/": page("/a"), "/a": page()}
    stops = "word: str = ''\n" + GOOD + "    self.stop('for now', resumable=True)"
    first = await run(write(stops), args={"word": "x"}, settings=fast)
    other = await run(write(stops), args={"word": "y"}, settings=fast)
    goes = write("word: str = ''\n" + GOOD.replace("{", "{'word': self.word, "))
    notes = Notes()
    again = await run(goes, settings=fast, run=first.id, listeners=[notes])
    assert again.id == first.id != other.id and again.exit_code == 0
    assert notes.started[0].note.startswith("as asked; it had stopped (stopped: for now); 1 page done, 1 request")
    assert [item.get("word") for item in again.items()] == [None, "x"]
    ended = await run(goes, settings=fast, run=f"pages/{first.id}")
    assert (ended.id, ended.exit_code, len(list(ended.items()))) == (first.id, 0, 2), "nothing is left to do"

    with pytest.raises(UsageError, match=rf"run pages/{first.id} has other arguments or seeds \(word=x\)"):
        await run(goes, args={"word": "y"}, settings=fast, run=first.id)
    with pytest.raises(UsageError, match="other settings of what is one page"):
        await run(goes, settings={**fast, "canonical_sort_query": False}, run=first.id)
    with pytest.raises(UsageError, match="no run 'nowhere'"):
        await run(goes, settings=fast, run="nowhere")
    Other = type("Other", (Spider,), {"name": "other", "start_urls": [site.url], "parse": lambda self, response: None})
    with pytest.raises(UsageError, match="is of the spider pages, not of other"):
        await run(Other, settings=fast, run=first.id)


async def test_state_is_carried_to_the_next_run(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    site.pages["/"] = page()
    spider = write(
        """
async def opened(self):
    self.state.add("opened")
async def parse(self, response):
    self.state.put("days", self.state["opened"])
    yield {"url": response.url, "opened": self.state["opened"], "days": sorted(self.state["days"])}
    if response.url.endswith("fail"):
        raise ValueError
"""
    )
    first, second = [await run(spider, settings=fast) for _ in range(2)]
    assert first.id != second.id
    assert [item["opened"] for item in [*first.items(), *second.items()]] == [1, 2]
    assert next(iter(second.items()))["days"] == [1, 2]
    site.pages["/"] = web.Response(status=404)
    failed = await run(spider, settings=fast)
    assert failed.exit_code == 3
    site.pages["/"] = page()
    third = await run(spider, settings=fast)
    assert [item["opened"] for item in third.items()] == [3], "a run that did not end with 0 leaves no state"


async def test_a_session_goes_on(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    """A form login in the first process, its page in the second."""

    async def login(request: web.Request) -> web.Response:
        assert (await request.post())["name"] == "me"
        answer = web.Response(status=303, headers={"Location": "/home"})
        answer.set_cookie("sid", "secret", httponly=True)
        return answer

    site.pages |= {
        "/": page(), "/login": login,
        "/home": lambda request: page("/in") if request.cookies.get("sid") == "secret" else web.Response(status=401),
        "/in": lambda request: page() if request.cookies.get("sid") == "secret" else web.Response(status=401),
    }  # fmt: skip
    body = """
async def parse(self, response):
    yield response.follow("/login", self.home, method="POST", form={"name": "me"}, session="s")
async def home(self, response):
    yield response.follow_all("a", self.inside)
    self.stop("for now", resumable=True)
async def inside(self, response):
    yield {"url": response.url}
"""
    first = await run(write(body), settings=fast)
    assert first.exit_code == 4 and site.hits["/home"] == 1 and not site.hits["/in"]
    again = await run(write(body), settings=fast)
    assert (again.exit_code, paths_of(again)) == (0, ["/in"])
    assert site.hits["/login"] == 1
    assert (first.path / "frontier.sqlite").stat().st_mode & 0o077 == 0
    assert b"secret" in (first.path / "frontier.sqlite").read_bytes() + b"".join(
        path.read_bytes() for path in first.path.glob("frontier.sqlite-wal")
    )


async def test_a_known_page_with_other_words(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    site.pages |= {"/": page("/a", "/b"), "/a": page("/b"), "/b": page(), "/c": page()}
    spider = write(
        """
async def parse(self, response):
    yield response.follow_all("a", partial(self.book, shelf="one"))
    yield response.follow("/c", partial(self.book, shelf="one"))
    yield response.follow("/c#again", partial(self.book, shelf="three"))
async def book(self, response, shelf):
    yield {"url": response.url}
    yield response.follow_all("a", partial(self.book, shelf="two"))
"""
    )
    done = await run(spider, settings=fast)
    assert paths_of(done) == ["/a", "/b", "/c"]
    assert done.stats.counters["duplicates"] == 2, "/c twice on one page, and /b on another"
    assert done.stats.counters["duplicates_with_arguments"] == 2
    listed = [json.loads(line) for line in (done.path / "skipped.jsonl").read_text().splitlines()]
    assert {(line["reason"], line["url"], line["parent"]) for line in listed} == {
        ("duplicate with arguments", f"{site.url}/c#again", f"{site.url}/"),
        ("duplicate with arguments", f"{site.url}/b", f"{site.url}/a"),
    }
    assert {line["detail"].split(";")[0] for line in listed} == {"for book(shelf='two')", "for book(shelf='three')"}


async def test_of_two_cookies_the_later_answer_counts(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    """A page that was answered before the login and is committed after it does not log anybody out."""

    def answer(value: str) -> Callable[[web.Request], web.Response]:
        def handler(request: web.Request) -> web.Response:
            response = web.Response(text=page(), content_type="text/html")
            response.set_cookie("sid", value)
            return response

        return handler

    site.pages |= {
        "/": page(), "/slow": answer("nobody"), "/login": answer("me"),
        "/who": lambda request: web.Response(text=request.cookies.get("sid", "-")),
    }  # fmt: skip
    spider = write(
        """
logged_in = asyncio.Event()
async def parse(self, response):
    yield response.follow("/slow", self.slow, priority=1)
    yield response.follow("/who", self.who, priority=-1)
async def slow(self, response):
    yield {"url": str((await self.fetch(response.request.url.replace("slow", "login"))).status)}
    self.stop("for now", resumable=True)
async def who(self, response):
    yield {"url": response.text}
"""
    )
    await run(spider, settings={**fast, "concurrency": 1})
    again = await run(spider, settings=fast)
    assert [item["url"] for item in again.items()] == ["200", "me"]


async def test_the_cookies_of_a_middlewares_own_request(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    def login(request: web.Request) -> web.Response:
        response = web.Response(text="in")
        response.set_cookie("sid", "me")
        return response

    site.pages |= {
        "/": page("/a"), "/a": lambda request: web.Response(text=request.cookies.get("sid", "-")),
        "/login": login,
    }  # fmt: skip
    body = """
async def log_in(request, fetch):
    if request.url.endswith("/") and request.depth == 0:
        await fetch(Request(request.url + "login"))
    return await fetch(request)
middlewares = [log_in]
async def parse(self, response):
    yield response.follow("/a", self.a)
    self.stop("for now", resumable=True)
async def a(self, response):
    yield {"url": response.text}
"""
    await run(write(body), settings=fast)
    again = await run(write(body), settings=fast)
    assert [item["url"] for item in again.items()] == ["me"]


async def test_a_start_that_was_refused_leaves_the_state_of_the_last_run(
    site: Site, write: WriteSpider, fast: dict[str, Any], tmp_path: Path
) -> None:
    site.pages["/"] = page()
    spider = write("def parse(self, response):\n    self.state.add('nights')\n    yield {'n': self.state['nights']}")
    await run(spider, settings=fast)
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(UsageError, match="is a directory"):
        await run(spider, settings=fast, output=str(tmp_path / "d.jsonl"))
    notes = Notes()
    assert [item["n"] for item in (await run(spider, settings=fast, listeners=[notes])).items()] == [2]
    assert "it had not begun" in notes.started[0].note


async def test_a_spider_without_parse_goes_on(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    site.pages |= {"/": page("/a"), "/a": page()}
    first = """
start_urls = []
def start(self): yield Request("SITE/", self.INDEX)
def INDEX(self, response):
    yield response.follow_all("a", self.leaf)
    self.stop("for now", resumable=True)
def leaf(self, response): yield {"url": response.url}
""".replace("SITE", site.url)
    await run(write(first.replace("INDEX", "index")), settings=fast)
    again = await run(write(first.replace("INDEX", "renamed")), settings=fast)
    assert (again.exit_code, paths_of(again)) == (0, ["/a"])


async def test_a_refused_start_takes_nothing_up(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    site.pages |= {"/": page("/a"), "/a": page()}
    old = "def parse(self, response):\n    yield response.follow_all('a', self.leaf)\ndef leaf(self, response): 1 / 0"
    failed = await run(write(old), settings=fast)
    assert failed.exit_code == 3
    with pytest.raises(SpiderError, match="no leaf any more"):
        await run(write("def parse(self, response): pass"), settings=fast, retry_failed=True)
    assert read_meta(failed.path / "frontier.sqlite").pending == 0, "it is as it was"
    again = await run(write("def parse(self, response): pass"), settings=fast)
    assert again.id != failed.id and again.exit_code == 0


async def test_lists_that_are_no_file_are_read_again(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    site.pages |= {"/a": page(), "/b": page(), "/c": page()}
    spider = write(GOOD + "    if response.url.endswith('/a'):\n        self.stop('for now', resumable=True)")
    first = await run(spider, settings={**fast, "concurrency": 1}, urls=[f"{site.url}/a", f"{site.url}/b"])
    again = await run(spider, settings=fast, urls=[f"{site.url}/b", f"{site.url}/c"])
    assert (first.id, paths_of(again)) == (again.id, ["/a", "/b", "/c"])


async def test_a_page_that_a_middleware_dies_on(site: Site, write: WriteSpider, fast: dict[str, Any]) -> None:
    """It is in the slot of its page while the middleware's own code has the CPU."""
    site.pages["/"] = page()
    spider = write(
        f"""
async def deadly(request, fetch):
    from crawler.slots import read_slots
    from pathlib import Path
    (run,) = Path({fast["runs_dir"]!r}, "pages").glob("*/slots")
    assert len(read_slots(run).keys) == 1
    response = await fetch(request)
    assert len(read_slots(run).keys) == 1
    return response
middlewares = [deadly]
def parse(self, response): yield {{"url": response.url}}
"""
    )
    assert (await run(spider, settings=fast)).exit_code == 0


async def test_a_frontier_of_another_run_and_a_damaged_one(
    site: Site, write: WriteSpider, fast: dict[str, Any]
) -> None:
    site.pages |= {"/": page("/a"), "/a": page()}
    stopping = write(GOOD + "    self.stop('for now', resumable=True)")
    first = await run(stopping, settings=fast)
    other = await run(stopping, settings={**fast, "resume": "never"})
    frontier, log = first.path / "frontier.sqlite", (first.path / "items.log").read_bytes()
    own = frontier.read_bytes()
    frontier.write_bytes((other.path / "frontier.sqlite").read_bytes())
    with pytest.raises(StateError, match=f"is the one of run {other.id}, not of {first.id}"):
        await run(stopping, settings=fast, run=first.id)
    assert (first.path / "items.log").read_bytes() == log
    frontier.write_bytes(own)
    (other.path / "frontier.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(StateError, match="begin a new run with --fresh"):
        await run(stopping, settings=fast)
    notes = Notes()
    fresh = await run(stopping, settings={**fast, "resume": "never"}, listeners=[notes])
    assert fresh.id not in (first.id, other.id)
    assert notes.started[0].note == f"run {other.id} cannot be read and is left as it is"
