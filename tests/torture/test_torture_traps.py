"""The traps of a crash-exact crawl: each one undisturbed, and killed all along. Both must give the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from small_site import Site, page
from torture_case import KILLED, Case
from torture_lives import Forks

Begin = Callable[..., Case]


@pytest.fixture
def begin(forks: Forks, site: Site, tmp_path: Path) -> Begin:
    """Begins a spider of torture_small in a directory of its own."""
    made: list[Case] = []

    def case(spider: str, *words: str, **settings: Any) -> Case:
        made.append(Case(forks, tmp_path / str(len(made)), site, spider, *words, **settings))
        return made[-1]

    return case


async def pair(begin: Begin, seed: int, spider: str, **settings: Any) -> tuple[Case, Case]:
    """A run that nobody kills, and one that is killed again and again; both give the same items."""
    print(f"TORTURE_SEED={seed}")
    right, killed = begin(spider, **settings), begin(spider, **settings)
    code = await right.through()
    assert await killed.through(dice=Random(seed)) == code, killed.said
    assert killed.kills, "it was not killed"
    assert in_order(killed.items) == in_order(right.items)
    return right, killed


async def both(begin: Begin, seed: int, spider: str, **settings: Any) -> Case:
    """The same, and nothing else differs either: what became of each page, all numbers, the state."""
    right, killed = await pair(begin, seed, spider, **settings)
    assert killed.verdicts == right.verdicts
    assert killed.numbers == right.numbers
    return killed


def in_order(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: sorted((key, str(value)) for key, value in item.items()))


def paths(case: Case) -> list[str]:
    return sorted(item["path"] for item in case.items)


# -- what is one page


async def test_a_child_refused_from_one_parent_and_allowed_from_another(begin: Begin, site: Site, seed: int) -> None:
    site.pages["/"] = page("/long", "/short")
    site.pages["/long"] = page("/longer")
    site.pages["/longer"] = page("/deep")  # refused: one link too deep
    site.pages["/short"] = page("/deep")
    site.pages["/deep"] = page("/deeper")
    killed = await both(begin, seed, "Depth")
    assert paths(killed) == ["/", "/deep", "/long", "/longer", "/short"]
    assert {item["path"]: item["depth"] for item in killed.items}["/deep"] == 2
    assert killed.numbers["skipped/depth"] == 2


async def test_one_url_with_two_callbacks(begin: Begin, site: Site, seed: int) -> None:
    site.pages.update({"/": page(), "/one": page(), "/two": page()})
    killed = await both(begin, seed, "TwoCallbacks", commit_pages=2)
    assert in_order(killed.items) == [{"path": "/one", "by": "first"}, {"path": "/two", "by": "third 1"}]


async def test_redirects_into_pages_seen_and_not_seen(begin: Begin, site: Site, seed: int) -> None:
    site.pages["/"] = page("/seen", "/to-seen", "/to-new", "/to-later", "/twice", "/later")
    for source, target in {
        "/to-seen": "/seen", "/to-new": "/new", "/to-later": "/later", "/twice": "/to-last", "/to-last": "/last",
    }.items():  # fmt: skip
        site.pages[source] = to(target)
    site.pages.update({"/seen": page(), "/new": page("/to-new", "/seen"), "/later": page(), "/last": page("/new")})
    killed = await both(begin, seed, "Small")
    assert paths(killed) == ["/", "/last", "/later", "/new", "/seen"]
    assert killed.numbers["redirects"] == 5
    assert all(killed.verdicts[f"{path} done"] == 1 for path in paths(killed))


async def test_a_page_that_redirects_to_itself_with_a_cookie(begin: Begin, site: Site, seed: int) -> None:
    def door(request: web.Request) -> web.Response:
        steps = int(request.cookies.get("steps", "0"))
        if steps == 3:
            return web.Response(text=page("/inside"), content_type="text/html")
        answer = web.Response(status=302, headers={"Location": "/door"})
        answer.set_cookie("steps", str(steps + 1))
        return answer

    site.pages.update({"/": page("/door"), "/door": door, "/inside": lambda r: inside(r, "steps", "3")})
    right, killed = await pair(begin, seed, "Small")
    assert paths(killed) == ["/", "/door", "/inside"]
    assert right.verdicts["/door redirected"] == killed.verdicts["/door redirected"] == 3


async def test_pages_asked_for_again_on_purpose(begin: Begin, site: Site, seed: int) -> None:
    site.pages.update({"/": page("/other", "/same"), "/other": page(), "/same": page()})
    killed = await both(begin, seed, "Repeated", once=False)
    again = Counter(item["of"] for item in killed.items if "of" in item)
    assert again == {"/": 3, "/other": 3, "/same": 3}  # /same is a page of its own as well, met by a link
    assert killed.verdicts["/same done"] == 10


# -- what is remembered


async def test_state_counted_from_many_pages(begin: Begin, site: Site, seed: int) -> None:
    names = [f"/p{n}" for n in range(14)]
    site.pages["/"] = page(*names)
    site.pages.update({name: page(more="x" * (n * 7 % 5)) for n, name in enumerate(names)})
    killed = await both(begin, seed, "Counting")
    assert sorted(item["number"] for item in killed.items) == list(range(1, 16))  # no page saw another's twice
    state = killed.numbers["state"]
    assert (state["pages"], state["paths"], state["last"]) == (15, {"/", *names}, "/p13")


async def test_tries_are_remembered(begin: Begin, site: Site, seed: int) -> None:
    site.pages.update({"/": page("/down", "/again", "/fine"), "/again": page(), "/fine": page()})
    site.pages["/down"] = lambda request: web.Response(status=503)
    killed = await both(begin, seed, "Stubborn")
    assert {"/down failed BadStatus", "/again failed GaveUp"} <= set(killed.verdicts)
    check_tries(killed, "/down", "/again")

    once = begin("Stubborn")
    at = 1
    while not once.lives or not once.lives[-1].after["/down"]:
        assert await once.live(at=at, names=["after the transaction"]) == KILLED
        at += not once.left().meta.seeds_done  # a life begins with the seeds' commits until they are done
    assert await once.through() == 0, once.said
    assert once.lives[-1].before["/down"] in (1, 2), "the last life had some tries to remember"
    check_tries(once, "/down", "/again")


def check_tries(case: Case, *paths: str) -> None:
    """Of pages that are to fail after three tries: each process goes on from the tries that are committed.

    How many of them one kill costs is not fixed: a page is tried again when its time has come, its commit is then
    perhaps still under way, and a kill loses every try that no commit has. But a process begins with what the store
    has and has only the rest of the three; and a try that was committed was asked for by the process that did so.
    Where a process leaves the page behind as failed, both bounds are one number.
    """
    for life in case.lives:
        asked = case.asked(life.agent)
        for path in paths:
            assert life.after[path] - life.before[path] <= asked[path] <= 3 - life.before[path], (path, life, asked)
    assert all(case.lives[-1].after[path] == 3 for path in paths)


async def test_a_login_by_form(begin: Begin, site: Site, seed: int) -> None:
    def login(request: web.Request) -> web.Response:
        assert request.method == "POST"
        answer = web.Response(status=303, headers={"Location": "/home"})
        answer.set_cookie("session", "ada-1843", httponly=True)
        return answer

    rooms = [f"/room{n}" for n in range(6)]
    site.pages.update({"/": page(), "/login": login})
    for path in ["/home", *rooms]:
        site.pages[path] = lambda request: inside(request, "session", "ada-1843", *rooms)
    killed = await both(begin, seed, "Form")
    assert paths(killed) == ["/home", *rooms]
    assert {item["greeting"] for item in killed.items} == {"Welcome"}
    assert site.hits["/login"] <= 2 + killed.kills

    once = begin("Form")
    names = ["after the transaction"]
    assert await once.live(at=4, names=names) == KILLED  # seeds, the first page, the login, one more
    posts = site.hits["/login"]
    assert await once.through() == 0, once.said
    assert site.hits["/login"] == posts and paths(once) == ["/home", *rooms]


# -- what begins and ends a run


async def test_start_that_changes_between_the_processes(begin: Begin, site: Site, tmp_path: Path) -> None:
    site.pages.update({f"/{n}": page() for n in range(8)})
    seeds = tmp_path / "seeds.txt"
    case = begin("Seeds", "-a", f"seeds={seeds}")
    seeds.write_text("/0 /1 /2 wait /3")
    life = asyncio.create_task(case.live(at=4, names=["after the transaction"]))
    assert await life == KILLED
    before = {path.split()[0] for path in case.verdicts}
    assert before and before <= {"/0", "/1", "/2"}
    seeds.write_text("/1 /4 /2 /5")
    assert await case.live(at=3, names=["before the transaction"]) == KILLED
    seeds.write_text("/6 /5")
    assert await case.through() == 0, case.said
    assert set(paths(case)) >= before | {"/5", "/6"} and len(paths(case)) == len(set(paths(case)))
    assert "/3" not in paths(case)

    done = begin("Seeds", "-a", f"seeds={seeds}")
    seeds.write_text("/0 /1 /2")
    code = KILLED
    at = 1
    while not done.left().meta.seeds_done:  # its seeds are on disk: later ones are another run's
        assert await done.live(at=at, names=["after the transaction"]) == KILLED
        at += 1
    seeds.write_text("/6 /7")
    code = await done.through()
    assert code == 0 and paths(done) == ["/0", "/1", "/2"]


async def test_a_page_that_kills_the_process(begin: Begin, site: Site) -> None:
    names = [f"/p{n}" for n in range(6)]
    site.pages.update({"/": page("/p0", "/p1", "/deadly", *names[2:]), "/deadly": page()})
    site.pages.update({name: page() for name in names})
    case = begin("Deadly", max_deaths=3)
    assert await case.through() == 0, case.said
    assert case.kills == site.hits["/deadly"] == 3
    assert paths(case) == ["/", *names]
    assert case.numbers["state"]["failed"] == {"/deadly the process died while on this page (3 times)"}
    assert case.verdicts["/deadly failed ProcessDied"] == 1 and case.numbers["requests_failed"] == 1


async def test_a_page_that_kills_the_process_costs_its_neighbours_nothing(begin: Begin, site: Site) -> None:
    """Many pages wait for their answers while one kills: only that one is charged."""
    names = [f"/p{n}" for n in range(12)]
    site.pages.update({"/": page(*names[:6], "/deadly", *names[6:]), "/deadly": page()})
    site.pages.update(dict.fromkeys(names, slow))
    case = begin("Deadly", concurrency=8, max_deaths=3)
    assert await case.through() == 0, case.said
    assert case.kills == 3
    assert paths(case) == ["/", *sorted(names)]
    assert case.verdicts["/deadly failed ProcessDied"] == 1


@pytest.mark.parametrize("limit", ["max_pages", "max_items"])
async def test_limits_across_kills(begin: Begin, site: Site, seed: int, limit: str) -> None:
    site.pages["/"] = page(*(f"/p{n}" for n in range(20)))
    site.pages.update({f"/p{n}": page() for n in range(20)})
    killed = await both(begin, seed, "Small", **{limit: 9})
    assert len(killed.items) == killed.numbers["pages"] == 9
    killed.settings[limit] = 12
    assert await killed.through(dice=Random(seed)) == 0, killed.said
    assert len(killed.items) == killed.numbers["pages"] == 12


async def test_another_output_added_on_resume(begin: Begin, site: Site) -> None:
    site.pages["/"] = page(*(f"/p{n}" for n in range(9)))
    site.pages.update({f"/p{n}": page() for n in range(9)})
    case = begin("Small")
    assert await case.live(at=5, names=["after the transaction"]) == KILLED
    assert await case.live("-o", "second.csv", at=4, names=["after the transaction"]) == KILLED
    assert await case.through("-o", "third.json") == 0, case.said  # and second.csv goes on without being named
    items = case.items
    files = {name: case.directory / name for name in ("second.csv", "third.json")}
    assert len(items) == 10 and all(others == items for others in case.left().items(**files).values())


def to(target: str) -> Callable[[web.Request], web.Response]:
    """A redirect. An answer is sent once, so each request gets its own."""
    return lambda request: web.Response(status=301, headers={"Location": target})


def inside(request: web.Request, cookie: str, value: str, *links: str) -> web.Response:
    """A page for those who have the cookie."""
    if request.cookies.get(cookie) != value:
        return web.Response(status=403, text="You are not signed in.")
    return web.Response(text=page(*links, title="Welcome"), content_type="text/html")


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(0.05)
    return web.Response(text=page(), content_type="text/html")
