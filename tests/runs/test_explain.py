"""`explain`: what is told of a URL must be what the crawl did, for each thing that can become of one."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import textwrap
import time
from functools import partial
from pathlib import Path
from typing import Any

import commands
import msgspec
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from small_site import Site, page

from crawler import Crawl, Request, Response, Run, Spider, run
from crawler.contracts import Died
from crawler.errors import UsageError
from crawler.frontier.deaths import charge_deaths
from crawler.frontier.schema import connect_writer
from crawler.robots_rules import parse
from crawler.runs.directory import RunDirectory
from crawler.runs.explain import explain, pick
from crawler.runs.explain_report import Explanation, LeftOut, Redirect, RequestReport
from crawler.runs.explain_rules import RulesInForce, rules_of_run, rules_of_spider
from crawler.settings import Settings
from crawler.settings_layers import Effective, resolve

ROBOTS = "User-agent: *\nDisallow: /secret\nAllow: /secret/open\nCrawl-delay: 0\n"


def moved(where: str, status: int = 302) -> web.Response:
    return web.Response(status=status, headers={"Location": where})


def told(run: Run | Path, url: str, rules: RulesInForce | None = None) -> Explanation:
    path = run if isinstance(run, Path) else run.path
    return explain(url, RunDirectory.read(path), rules or RulesInForce(Settings(), ["127.0.0.1"]))


def only(explanation: Explanation) -> RequestReport:
    (report,) = explanation.requests
    return report


def urls(report: RequestReport) -> list[str]:
    return [step.url for step in report.path]


class Walk(Spider):
    """What one crawl of a small site does to URLs."""

    name = "walk"
    base: str
    allowed_domains = ("127.0.0.1",)

    def start(self) -> Any:
        yield Request(f"{self.base}/")

    async def parse(self, response: Response) -> Any:
        yield response.follow_all("a")
        if response.yarl.path != "/":
            yield response.follow("/book?a=1&b=2", partial(self.book, shelf="right"))
            return
        yield response.follow("/book?b=2&a=1", partial(self.book, shelf="left"))
        yield response.follow("/form", self.book, form={"q": "x"})
        yield response.follow("/form", self.book)
        for _ in range(2):
            yield response.follow("/poll", self.book, unique=False)
        yield response.follow("/broken", self.broken)

    async def book(self, response: Response, shelf: str = "") -> Any:
        for n in range(5):
            yield {"n": n, "shelf": shelf, "method": response.request.method}

    async def broken(self, response: Response) -> Any:
        yield {"lost": True}
        raise KeyError("price")


def fill(site: Site) -> None:
    times = {"/flaky": 0}

    def flaky(request: web.Request) -> Any:
        times["/flaky"] += 1
        return web.Response(status=503) if times["/flaky"] < 3 else page(title="at last")

    links = ("/far", "/flaky", "/old", "/older", "/gone", "/secret/x", "/secret/open", "http://elsewhere.example/x")
    site.pages["/robots.txt"] = lambda _: web.Response(text=ROBOTS)
    site.pages["/"] = page(*links)
    site.pages["/far"] = page("/farther")
    site.pages["/farther"] = page("/farthest")
    for path in ("/farthest", "/book", "/form", "/poll", "/broken", "/new", "/secret/open"):
        site.pages[path] = page(title=path)
    site.pages["/flaky"] = flaky
    site.pages["/old"] = lambda _: moved("/middle", 301)
    site.pages["/middle"] = lambda _: moved("/new")
    site.pages["/older"] = lambda _: moved("/far", 308)


async def test_what_a_crawl_did_is_what_is_told(site: Site, fast: dict[str, Any]) -> None:
    fill(site)
    own = {**fast, "max_failed_share": 1.0, "max_failed_callbacks": 9, "concurrency": 1}
    walked = await run(Walk, args={"base": site.url}, settings=own)
    base = site.url

    seed = only(told(walked, f"{base}/"))
    assert (seed.became, seed.status, seed.depth, seed.path_left_out) == ("done", 200, 0, 0)
    assert [(step.url, step.by) for step in seed.path] == [(f"{base}/", "seed")]
    assert time.time() - 60 < (seed.time or 0) <= time.time()

    # the chain back to the seed
    farthest = only(told(walked, f"{base}/farthest"))
    assert urls(farthest) == [f"{base}{path}" for path in ("/", "/far", "/farther", "/farthest")]
    assert [step.depth for step in farthest.path] == [0, 1, 2, 3]
    assert {step.by for step in farthest.path[1:]} == {"link"}

    # retries with their reasons
    flaky = only(told(walked, f"{base}/flaky"))
    assert (flaky.became, flaky.status, flaky.fetched, flaky.visits) == ("done", 200, site.hits["/flaky"], 1)
    assert [(attempt.visit, attempt.number) for attempt in flaky.attempts] == [(1, 1), (1, 2)]
    assert all("503" in attempt.reason for attempt in flaky.attempts)

    # failures: of a request, of a callback
    gone = only(told(walked, f"{base}/gone"))
    assert (gone.became, gone.status, gone.error, gone.where) == ("failed", 404, "BadStatus", None)
    broken = only(told(walked, f"{base}/broken"))
    assert (broken.became, broken.status, broken.error) == ("failed", 200, "callback/KeyError")
    assert broken.where is not None
    file, _, line = broken.where.rpartition(":")
    assert 'KeyError("price")' in Path(file).read_text().splitlines()[int(line) - 1]
    assert broken.items.count == 0  # it had yielded one: dropped with the rest

    # items; another spelling; another callback's arguments
    other = told(walked, f"{base}/book?a=1&b=2")
    book = only(other)
    assert (book.url, book.same_spelling) == (f"{base}/book?b=2&a=1", False)
    assert (book.callback, book.arguments) == ("book", {"shelf": "left"})
    assert book.items.count == 5
    assert [item["n"] for item in book.items.first] == [0, 1, 2]
    (link,) = other.other_arguments
    assert "right" in link.detail
    assert link.parent.startswith(base)
    assert other.left_out == []
    assert only(told(walked, f"{base}/book?b=2&a=1#top")).same_spelling

    # requests that the URL alone does not name
    forms = told(walked, f"{base}/form").requests
    assert [(report.method, report.body_bytes) for report in forms] == [("GET", 0), ("POST", 3)]
    assert [report.items.first[0]["method"] for report in forms] == ["GET", "POST"]
    polls = told(walked, f"{base}/poll").requests
    assert [report.unique for report in polls] == [False, False]
    assert len({report.id for report in polls}) == 2

    # redirects: from, to, and one into a page that was known
    old = only(told(walked, f"{base}/old"))
    assert (old.became, old.status, old.redirected_to) == ("redirected", 301, [f"{base}/middle", f"{base}/new"])
    new = only(told(walked, f"{base}/new"))
    assert new.redirected_from == [Redirect(f"{base}/old", 301), Redirect(f"{base}/middle", 302)]
    assert [step.by for step in new.path] == ["seed", "link", "redirect", "redirect"]
    assert told(walked, f"{base}/new").redirected_here == []  # those two are its own way
    assert only(told(walked, f"{base}/older")).redirected_to == [f"{base}/far"]
    assert told(walked, f"{base}/far").redirected_here == [Redirect(f"{base}/older", 308)]

    # rules: of robots.txt at hand-out, of domains before anything was stored
    secret = told(walked, f"{base}/secret/x")
    assert (only(secret).became, only(secret).error, only(secret).fetched) == ("skipped", "robots", 0)
    assert (secret.robots.allowed, secret.robots.rule) == (False, "Disallow: /secret")
    opened = told(walked, f"{base}/secret/open")
    assert (only(opened).became, opened.robots.allowed, opened.robots.rule) == ("done", True, "Allow: /secret/open")
    away = told(walked, "http://elsewhere.example/x")
    assert (away.known, away.requests) == (False, [])
    assert away.left_out == [
        LeftOut("http://elsewhere.example/x", "domain", "elsewhere.example is not in allowed_domains", f"{base}/")
    ]

    # nothing of it was asked for again
    before = site.hits.total()
    assert told(walked, f"{base}/never").known is False
    assert site.hits.total() == before


async def test_what_would_happen_to_a_url_that_was_never_seen(site: Site, fast: dict[str, Any]) -> None:
    fill(site)
    walked = await run(Walk, args={"base": site.url}, settings={**fast, "max_pages": 1, "max_depth": 7})
    directory = RunDirectory.read(walked.path)

    def resolved(spider: type[Spider] | None) -> Effective:
        return resolve(spider, overrides={"max_depth": 7})

    rules = rules_of_spider(Walk, directory.identity.args, resolved)
    assert rules.missing == []
    foretold = {
        url: told(walked, url, rules).forecast
        for url in (
            f"{site.url}/fresh", f"{site.url}/secret/fresh", "http://elsewhere.example/", "ftp://127.0.0.1/x",
            f"{site.url}/{'x' * 9_000}", "http://sub.127.0.0.1.example/", f"http://127.0.0.1:{1}/",
        )
    }  # fmt: skip
    said = [(coming.verdict, coming.reason) for coming in foretold.values()]
    assert said == [
        ("fetched", ""), ("left out", "robots"), ("left out", "domain"), ("left out", "scheme"),
        ("left out", "url-length"), ("left out", "domain"), ("unknown", ""),
    ]  # fmt: skip
    assert foretold[f"{site.url}/fresh"].max_depth == 7
    assert told(walked, f"http://127.0.0.1:{1}/", rules).robots.time is None

    # a spider that is not there any more: what the last process recorded of its rules, and that this is so
    directory.identity = msgspec.structs.replace(directory.identity, target="nowhere/walk.py:Walk")
    lost = rules_of_run(directory, lambda spider: resolve(spider, overrides={"max_depth": 1}))
    assert (lost.domains, lost.settings.max_depth) == (["127.0.0.1"], 7)
    assert len(lost.missing) == 1
    assert "nowhere/walk.py" in lost.missing[0]
    assert told(walked, "http://elsewhere.example/", lost).missing == lost.missing


@pytest.mark.parametrize(
    ("status", "allowed", "verdict"), [(404, True, "fetched"), (503, False, "waits"), (429, False, "waits")]
)
async def test_a_robots_txt_without_rules(
    site: Site, fast: dict[str, Any], status: int, allowed: bool, verdict: str
) -> None:
    site.pages["/robots.txt"] = lambda _: web.Response(status=status)
    site.pages["/"] = page()
    walked = await run(Walk, args={"base": site.url}, settings={**fast, "retries": 0})
    answer = told(walked, f"{site.url}/x")
    assert (answer.robots.status, answer.robots.allowed, answer.robots.rule) == (status, allowed, None)
    assert answer.forecast.verdict == verdict
    if status == 503:
        pending = only(told(walked, f"{site.url}/"))
        assert {"run", "robots"} < {wait.why for wait in pending.waits}


async def test_why_a_page_is_pending(site: Site, fast: dict[str, Any]) -> None:
    site.pages["/"] = page(*(f"/{n}" for n in range(6)))
    site.pages["/0"] = lambda _: web.Response(status=503, headers={"Retry-After": "40"})

    class Waiting(Spider):
        name = "waiting"
        start_urls = (f"{site.url}/",)

        async def parse(self, response: Response) -> Any:
            yield response.follow_all("a")

    crawl = Crawl(Waiting, settings={**fast, "concurrency": 1})
    async with crawl:
        while site.hits["/0"] == 0 or not (path := Path(fast["runs_dir"])).exists():
            await _moment()
        directory = pick(path)
        while not [report for report in told(directory.path, f"{site.url}/0").requests if report.attempts]:
            await _moment()
        # during the run
        answer = told(directory.path, f"{site.url}/0")
        report = only(answer)
        assert answer.run_state == "running"
        assert (report.became, report.fetched, report.ahead) == ("pending", 1, 0)
        waits = {wait.why: wait for wait in report.waits}
        assert set(waits) == {"due", "host", "line"}
        assert 20 < (waits["due"].until or 0) - time.time() <= 41
        last = only(told(directory.path, f"{site.url}/5"))
        assert (last.became, last.fetched, last.ahead) == ("pending", 0, 5)
        crawl.stop()
    # and after
    answer = told(directory.path, f"{site.url}/5")
    assert answer.run_state == "stopped" or answer.run_state == "ended"
    assert only(answer).waits[0].why == "run"
    ruled_out = told(directory.path, f"{site.url}/5", RulesInForce(Settings(), ["elsewhere.example"]))
    assert (ruled_out.forecast.verdict, ruled_out.forecast.reason) == ("left out", "domain")


async def _moment() -> None:
    import asyncio

    await asyncio.sleep(0.02)


async def test_visits_deaths_and_older_files(site: Site, fast: dict[str, Any]) -> None:
    fill(site)
    own = {**fast, "max_failed_share": 1.0, "max_failed_callbacks": 9, "retries": 0}
    walked = await run(Walk, args={"base": site.url}, settings=own)
    again = Crawl(Walk, args={"base": site.url}, settings=own, retry_failed=True)
    async with again:
        await again.wait()
    gone = only(told(walked, f"{site.url}/gone"))
    assert (gone.visits, gone.fetched, gone.became) == (2, 2, "failed")
    assert site.hits["/gone"] == 2
    (attempt,) = gone.attempts
    assert attempt.visit == 1
    assert attempt.reason.startswith("failed: status 404")

    frontier = walked.path / "frontier.sqlite"
    writer = connect_writer(frontier, durable=False)
    (key,) = writer.execute("SELECT key FROM request WHERE id = ?", [gone.id]).fetchone()
    for epoch in (b"1", b"2"):
        charge_deaths(writer, Died(epoch, [key]))
    writer.close()
    assert only(told(walked, f"{site.url}/gone")).deaths == 2
    assert only(told(walked, f"{site.url}/")).deaths == 0

    older = sqlite3.connect(frontier)  # as schema 1 left it: these tables came later
    older.executescript("DROP TABLE attempt; DROP TABLE cookie; DROP TABLE robots; PRAGMA user_version = 1;")
    older.close()
    answer = told(walked, f"{site.url}/gone")
    assert (only(answer).became, only(answer).attempts) == ("failed", [])
    assert answer.robots.allowed is None


async def test_a_run_whose_files_are_not_all_there(site: Site, fast: dict[str, Any], tmp_path: Path) -> None:
    fill(site)
    walked = await run(
        Walk, args={"base": site.url}, settings={**fast, "max_failed_share": 1.0, "max_failed_callbacks": 9}
    )
    alone = tmp_path / "copy" / walked.id
    shutil.copytree(walked.path, alone)  # without the spider's hash key
    answer = told(alone, f"{site.url}/book?b=2&a=1")
    assert only(answer).items.count == 5
    assert "hash.key" in " ".join(answer.missing)
    assert not (alone.parent / "hash.key").exists()  # looking makes nothing
    log = (alone / "items.log").read_bytes()
    (alone / "items.log").write_bytes(log[: len(log) // 2])
    answer = told(alone, f"{site.url}/book?b=2&a=1")
    assert only(answer).became == "done"
    assert "items.log was changed" in " ".join(answer.missing)

    in_memory = await run(Walk, args={"base": site.url}, settings={**fast, "frontier": "memory", "max_pages": 1})
    answer = told(in_memory, f"{site.url}/far")
    assert (answer.known, answer.requests) == (False, [])
    assert "memory" in " ".join(answer.missing)


def test_a_long_way_is_told_by_its_beginning_and_its_end(tmp_path: Path) -> None:
    from crawler.canonical import CanonicalRules
    from crawler.frontier.bodies import encode_body
    from crawler.frontier.fingerprint import VERSION, Fingerprinter
    from crawler.request import PLAIN, make
    from crawler.runs.identity import Identity, hash_key

    rules, spider_dir = CanonicalRules(), tmp_path / "long"
    spider_dir.mkdir()
    directory = RunDirectory.create(spider_dir, Identity("1", "long", {}, 1.0, VERSION, rules.as_dict()))
    of = Fingerprinter(hash_key(spider_dir), rules).of
    writer = connect_writer(directory.frontier, durable=False)
    writer.execute("INSERT INTO host (id, name) VALUES (1, 'long.example')")
    for id in range(1, 1_201):
        request = make(f"https://long.example/{id}", "", {}, PLAIN, id - 1)
        request._kwargs = b""
        row = (id, of(request), 1, 0, id - 1, None, id - 1 or None, encode_body(request))
        writer.execute("INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    writer.close()
    report = only(told(directory.path, "https://long.example/1200"))
    assert report.path_left_out == 1_100
    assert [step.depth for step in report.path] == [*range(5), *range(1_105, 1_200)]
    assert report.path[0].by == "seed"
    assert report.ahead == 1_199
    assert only(told(directory.path, "https://long.example/3")).ahead == 2


def test_which_run_is_meant(tmp_path: Path) -> None:
    from crawler.runs.identity import Identity

    for created, spider in enumerate(["a", "b", "a"], 1):
        RunDirectory.create(tmp_path / spider, Identity(f"run{created}", spider, {}, float(created), 1, {}))
    assert pick(tmp_path).identity.id == "run3"
    assert pick(tmp_path, spider="b").identity.id == "run2"
    assert pick(tmp_path, run="a/run1").identity.id == "run1"
    with pytest.raises(UsageError, match="of the spider b, not of a"):
        pick(tmp_path, run="run2", spider="a")
    with pytest.raises(UsageError, match="there are a, b"):
        pick(tmp_path, spider="c")


PATTERNS = st.lists(
    st.tuples(st.sampled_from(["Allow", "Disallow"]), st.text("/ab*$%4", min_size=1, max_size=6)), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(rules=PATTERNS, path=st.text("/ab4%", max_size=8))
def test_the_deciding_rule_decides(rules: list[tuple[str, str]], path: str) -> None:
    found = parse("User-agent: *\n" + "\n".join(f"{kind}: /{pattern}" for kind, pattern in rules), "crawler")
    deciding = found.deciding(f"/{path}")
    assert found.allows(f"/{path}") == (deciding is None or deciding[1])


# -- the command

SPIDER = """
    from crawler import Request, Spider

    class Books(Spider):
        name = "books"
        base: str
        settings = {"max_depth": 3}

        def __init__(self, **args):
            super().__init__(**args)
            self.allowed_domains = ["127.0.0.1"]

        def start(self):
            yield Request(self.base)

        async def parse(self, response):
            yield {"title": response.css("h1::text").get()}
            yield response.follow_all("a")
"""


async def test_the_command(site: Site, fast: dict[str, Any], tmp_path: Path) -> None:
    from crawler.loading import load

    site.pages["/"] = page("/a", "http://user:hidden@elsewhere.example/", title="books")
    site.pages["/a"] = page(title="a")
    (tmp_path / "books.py").write_text(textwrap.dedent(SPIDER))
    walked = await run(load(str(tmp_path / "books.py")), args={"base": f"{site.url}/"}, settings=fast)

    def crawler(*words: str) -> subprocess.CompletedProcess[str]:
        return commands.run(tmp_path, "explain", *words)

    done = crawler(f"{site.url}/a")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    labels = {words[0]: words[-1] for words in reversed(lines)}
    assert labels["run"] == f"books/{walked.id} (ended)"
    assert labels["became"].startswith("done: status 200, 2")
    assert labels["found"] == f"{site.url}/ (seed)"
    assert labels["for"] == "parse()"
    assert '{"title":"a"}' in done.stdout
    assert labels["robots.txt"].startswith("allowed: status 404 sets no rules")

    # the spider is found where the run says, and its __init__ has the run's arguments
    answer = crawler("http://elsewhere.example/y", "--json", "--spider", "books")
    found = json.loads(answer.stdout)
    assert (found["known"], found["requests"], found["missing"]) == (False, [], [])
    assert found["forecast"] == {
        "verdict": "left out", "reason": "domain", "max_depth": 3,
        "text": "left out by the rule domain: elsewhere.example is not in allowed_domains",
    }  # fmt: skip
    for words in ((), ("--json",)):
        secret = crawler("http://user:hidden@elsewhere.example/", *words)
        assert secret.returncode == 0
        assert "hidden" not in secret.stdout
        assert "domain" in secret.stdout

    wrong = crawler("elsewhere.example/y")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "has no scheme: write https://elsewhere.example/y" in wrong.stderr

    # a spider that never ran: its rules alone
    (tmp_path / "other.py").write_text(textwrap.dedent(SPIDER).replace('"books"', '"other"'))
    fresh = json.loads(crawler(f"{site.url}/a", "--json", "--spider", "other.py").stdout)
    assert (fresh["run"], fresh["forecast"]["max_depth"]) == (None, 3)
    assert "its arguments" in fresh["missing"][0]
