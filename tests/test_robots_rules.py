"""What a robots.txt allows: RFC 9309 as tables, an obvious matcher as oracle, Google's own cases."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.robots_rules import Rules, parse, product_token

# RFC 9309 §2.2.2 and §2.2.3 (table of special characters), §5.1, §5.2; then what a rule may look like.
MATCHES = [
    ("/", "/anything", True),
    ("/fish", "/fish", True),
    ("/fish", "/fish.html", True),
    ("/fish", "/fishheads/yummy.html", True),
    ("/fish", "/Fish.asp", False),
    ("/fish", "/catfish", False),
    ("/fish/", "/fish", False),
    ("/fish/", "/fish/?id=1", True),
    ("/fish*", "/fishheads", True),
    ("/*.php", "/index.php", True),
    ("/*.php", "/folder/any.php.file.html?x", True),
    ("/*.php", "/windows.PHP", False),
    ("/*.php$", "/filename.php", True),
    ("/*.php$", "/filename.php?parameters", False),
    ("/*.php$", "/filename.php/", False),
    ("/fish*.php", "/fishheads/catfish.php?parameters", True),
    ("/fish*.php", "/Fish.PHP", False),
    ("/a$", "/a", True),
    ("/a$", "/ab", False),
    ("/a*$", "/abc", True),
    ("/a*b*c$", "/abcbc", True),
    ("/a*bc*bc$", "/abc", False),
    ("*", "/x", True),
    ("*x", "/ax", True),
    ("x", "/x", False),
    ("/a?b=*", "/a?b=1", True),
    ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", True),
    ("/path/foo-%24", "/path/foo-$", True),
    ("/a$b", "/a$b", True),
    ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
    ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
    ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84", True),
    ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
    ("/a%2Fb", "/a/b", False),
    ("/a%2fb", "/a%2Fb", True),
    ("/100%", "/100%", True),
    ("/a b", "/a%20b", True),
]


@pytest.mark.parametrize(("pattern", "path", "matches"), MATCHES)
def test_patterns(pattern: str, path: str, matches: bool) -> None:
    assert parse(f"user-agent: *\ndisallow: {pattern}", "bot").allows(path) is not matches


GROUPS = [
    ("no rules", "", "/x", True),
    ("empty disallow", "User-agent: *\nDisallow:\n", "/x", True),
    ("own group before the one for all", "User-agent: *\nDisallow: /\nUser-agent: bot\nDisallow: /a\n", "/x", True),
    ("own group, empty", "User-agent: bot\nDisallow:\n\nUser-agent: *\nDisallow: /\n", "/x", True),
    ("case of the name", "user-agent: BOT\nDISALLOW: /\n", "/x", False),
    ("name with version", "User-agent: bot/2.1\nDisallow: /\n", "/x", False),
    ("another name that begins alike", "User-agent: botanist\nDisallow: /\n", "/x", True),
    ("a name that ours begins with", "User-agent: bo\nDisallow: /\n", "/x", True),
    ("groups of one name are joined", "User-agent: bot\nDisallow: /a\nUser-agent: z\nUser-agent: bot\nDisallow: /x\n",
     "/x", False),
    ("several names, one group", "User-agent: z\nUser-agent: bot\nDisallow: /\n", "/x", False),
    ("sitemap within", "User-agent: bot\nSitemap: http://a.b/s.xml\nDisallow: /\n", "/x", False),
    ("unknown line between names", "User-agent: bot\nNoise: 1\nUser-agent: z\nDisallow: /\n", "/x", False),
    ("rule before any group", "Disallow: /\nUser-agent: bot\nDisallow: /a\n", "/x", True),
    ("comment after a value", "User-agent: bot # ours\nDisallow: / # all\n", "/x", False),
    ("old Mac line ends", "User-agent: bot\rDisallow: /\r", "/x", False),
    ("blanks", "  User-agent :  bot \n\t Disallow : / \n", "/x", False),
    ("no colon", "User-agent bot\nDisallow /\n", "/x", False),
    ("misspelt", "User-agent: bot\nDissalow: /\n", "/x", False),
    ("longest wins", "User-agent: *\nDisallow: /x\nAllow: /x/y\n", "/x/y/z", True),
    ("longest wins, either way", "User-agent: *\nAllow: /x\nDisallow: /x/y\n", "/x/y/z", False),
    ("of two equal ones, allow", "User-agent: *\nDisallow: /x\nAllow: /x\n", "/x", True),
    ("wildcard longer than prefix", "User-agent: *\nAllow: /x/\nDisallow: /x/*.gif\n", "/x/a.gif", False),
    ("prefix longer than wildcard", "User-agent: *\nAllow: /x/yy\nDisallow: /*y\n", "/x/yy", True),
    ("equally long, wildcard forbids", "User-agent: *\nAllow: /x/\nDisallow: /*/\n", "/x/", True),
    ("robots.txt itself", "User-agent: *\nDisallow: /\n", "/robots.txt", True),
    ("NUL and nonsense", "\0\0User-agent: bot\0\n:::\nDisallow: /\n", "/x", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "allowed"), [row[1:] for row in GROUPS], ids=[row[0] for row in GROUPS])
def test_groups_and_precedence(text: str, path: str, allowed: bool) -> None:
    assert parse(text, "bot").allows(path) is allowed


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("User-agent: *\nCrawl-delay: 10\n", 10.0),
        ("User-agent: bot\nCrawl-delay: 0.5\nUser-agent: *\nCrawl-delay: 10\n", 0.5),
        ("User-agent: z\nCrawl-delay: 7\n", None),
        ("User-agent: *\nCrawl-delay: 10\nUser-agent: bot\nDisallow: /a\n", None),
        ("User-agent: *\nCrawl-delay: soon\n", None),
        ("User-agent: *\nCrawl-delay: -1\n", None),
        ("User-agent: *\nCrawl-delay: inf\n", None),
        ("User-agent: *\nRequest-rate: 1/5\n", 5.0),
        ("User-agent: *\nRequest-rate: 30/1m\n", 2.0),
        ("User-agent: *\nRequest-rate: 2 / 1H 0600-0845\n", 1800.0),
        ("User-agent: *\nRequest-rate: 1/5\nCrawl-delay: 7\n", 7.0),
        ("User-agent: *\nRequest-rate: 0/5\n", None),
        ("User-agent: *\nRequest-rate: often\n", None),
        ("User-agent: *\nCrawl-delay: 1\nCrawl-delay: 3\n", 3.0),
        ("User-agent: bot\nDisallow: /a\nCrawl-delay: 4\nUser-agent: z\nCrawl-delay: 9\n", 4.0),
        ("User-agent: z\nUser-agent: bot\nDisallow: /a\nCrawl-delay: 4\n", 4.0),
    ],
)
def test_crawl_delay(text: str, delay: float | None) -> None:
    assert parse(text, "bot").delay == delay


def test_a_name_follows_another_after_a_crawl_delay() -> None:
    """A Crawl-delay does not end the list of names (RFC 9309 §2.2.1), but it is for those before it."""
    text = "User-agent: other\nCrawl-delay: 10\nUser-agent: bot\nDisallow: /\n"
    assert parse(text, "bot").delay is None
    assert not parse(text, "bot").allows("/x")
    assert not parse(text, "other").allows("/x")


@pytest.mark.parametrize(
    ("agent", "token"),
    [("crawler/0.1.0", "crawler"), ("MJ12bot (http://x)", "mj12bot"), (" A_b-c ", "a_b-c"), ("(x)", ""), ("", "")],
)
def test_product_token(agent: str, token: str) -> None:
    assert product_token(agent) == token


# -- the obvious matcher


def obvious(rules: dict[str, bool], path: str) -> bool:
    """The most specific of all that match; each pattern as a regular expression."""
    best = (0, True)
    for pattern, allow in rules.items():
        anchored = pattern.endswith("$")
        body = pattern.removesuffix("$")
        regex = ".*".join(re.escape(part) for part in body.split("*")) + ("$" if anchored else "")
        if re.match(regex, path, re.DOTALL):
            best = max(best, (len(pattern), allow))
    return best[1]


Pattern = st.from_regex(r"/[ab/*]{0,7}\$?", fullmatch=True).map(lambda text: re.sub(r"\*+", "*", text))


@given(
    rules=st.dictionaries(Pattern, st.booleans(), min_size=1, max_size=30),
    path=st.from_regex(r"/[ab/]{0,9}", fullmatch=True),
)
def test_as_the_obvious_matcher(rules: dict[str, bool], path: str) -> None:
    assert Rules(rules).allows(path) is obvious(rules, path)


@given(text=st.text(), path=st.text())
def test_whatever_comes_there_is_a_verdict(text: str, path: str) -> None:
    path = "/" + path.encode("utf-8", "replace").decode()
    parse(f"User-agent: *\nDisallow: /{text}\n{text}", "bot").allows(path)


def test_hostile_rules_do_not_hold_the_loop() -> None:
    """500 KiB of wildcards, and a path made for them: counted in rules looked at, then in (generous) time."""
    lines = [f"Disallow: /*{n:05d}*x*y*z$" for n in range(18_000)]
    rules = parse("User-agent: *\n" + "\n".join(lines), "bot")
    assert rules.count == 18_000
    assert len(rules._candidates("/shop/category/item-4711.html?page=12")) < 1_000
    nested = parse("User-agent: *\nDisallow: /" + "*a" * 2_000 + "$", "bot")
    begin = time.perf_counter()
    assert nested.allows("/" + "a" * 1_990 + "b")
    assert not rules.allows("/00017xyz")
    assert time.perf_counter() - begin < 5


# -- Google's cases

SUITES = Path(os.environ.get("SUITES", Path(__file__).parents[2] / "shared" / "suites"))


def test_googles_cases() -> None:
    file = SUITES / "robots_google.json"
    if not file.exists():
        pytest.skip(f"no {file.name} in {SUITES}: set SUITES to the folder that has it")
    suite = json.loads(file.read_text())
    wrong = []
    for number, agent, path, allowed, source in suite["cases"]:
        body = suite["files"][number].encode("latin-1")
        text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        if parse(text, product_token(agent)).allows(path) is not allowed:
            wrong.append((source, agent, path))
    assert len(suite["cases"]) == 363
    assert wrong == []
