"""Killed at each step that a crawl takes on the disk: every window is hit for certain."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from small_site import Site, page
from torture_case import KILLED, Case
from torture_lives import Forks
from torture_points import COMMIT, END, FILES

PAGES = [*(f"/p{n}" for n in range(4)), "/wait"]
Begin = Callable[[], Case]


@pytest.fixture
def begin(forks: Forks, site: Site, tmp_path: Path) -> Begin:
    """Begins a crawl of a few pages in a new directory."""
    site.pages["/"] = page(*PAGES, "/moved", "/gone")
    site.pages["/moved"] = page(more='<meta http-equiv="refresh" content="0; url=/p3">')
    site.pages.update({path: page(title=path) for path in PAGES})
    numbers = count(1)
    return lambda: Case(
        forks, tmp_path / str(next(numbers)), site, "Everything", concurrency=2, commit_pages=2, commit_seconds=0.005
    )


def check(case: Case) -> None:
    wanted = [(path, part) for path in ["/", *PAGES] for part in ("first", "second")]
    assert sorted((item["path"], item["part"]) for item in case.items) == sorted(wanted), case.said
    assert sorted(case.verdicts) == sorted(
        [*(f"{path} done" for path in ["/", *PAGES]), "/moved redirected", "/gone failed BadStatus"]
    )
    assert case.verdicts.total() == 8
    numbers = case.numbers
    assert (numbers["pages"], numbers["items"], numbers["requests_failed"]) == (8, 12, 1)
    assert numbers["state"] == {"pages": 6, "paths": {"/", *PAGES}}
    assert not list(case.directory.glob("*.partial"))


async def sweep(begin: Begin, names: list[str]) -> int:
    """A new run for each n, killed at its n-th step, until one goes through; how many were killed."""
    for at in count(1):
        case = begin()
        code = await case.live(at=at, names=names)
        assert code in (0, KILLED), case.said
        if not case.left().over:  # it may have been killed when all was done
            assert await case.live() == 0, case.said
        check(case)
        if code == 0:
            return at - 1
    raise AssertionError


async def test_each_step_of_beginning_and_end(begin: Begin) -> None:
    assert await sweep(begin, [*FILES, *END]) > 25


async def test_each_step_of_the_commit(begin: Begin) -> None:
    """Each life goes on where the last one was killed; a run that comes through is followed by a new one."""
    case = begin()
    for at in (1, 2, 3):
        for name in COMMIT:
            code = 0
            while code == 0:
                if case.left().over:
                    check(case)
                    case = begin()
                code = await case.live(at=at, names=[name])
            assert code == KILLED, case.said
    if not case.left().over:
        assert await case.live() == 0, case.said
    check(case)


async def test_a_run_that_has_ended_is_published_and_nothing_more(begin: Begin, site: Site) -> None:
    case = begin()
    assert await case.live(at=1, names=["before the outputs are published"]) == KILLED
    hits = site.hits.copy()
    assert await case.live() == 0, case.said
    check(case)
    assert site.hits == hits and (case.directory / "opened.txt").read_text() == "opened\n"


@pytest.mark.soak
async def test_each_step_of_a_whole_run(begin: Begin) -> None:
    assert await sweep(begin, [*FILES, *COMMIT, *END]) > 60
