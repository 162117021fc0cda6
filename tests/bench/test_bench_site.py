"""The made site: the same bytes every time, 30 links a page, every page reachable, and a truth that is true."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest
from kit.site import CHILDREN, LINKS, generate, path_of, prepared, read_truth
from lxml import html

PAGES = 60
HOST = "http://nursery.example"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    generate(directory, PAGES)
    return directory


def read(directory: Path, path: str) -> bytes:
    return (directory / "www" / (path.lstrip("/") or "index.html")).read_bytes()


def hrefs(directory: Path, path: str) -> list[str]:
    return [str(link.get("href")) for link in html.fromstring(read(directory, path)).iter("a")]


def test_every_page_says_what_the_truth_says(made: Path) -> None:
    truth = read_truth(made)
    assert len(truth) == PAGES
    for path, plant in truth.items():
        page = html.fromstring(read(made, path))
        assert page.xpath("string(//h1)") == plant.title
        assert float(page.xpath("string(//*[@class='price'])")) == plant.price
        assert page.xpath("//*[@class='tag']/text()") == plant.tags


def test_pages_are_of_8_kb_with_30_links_of_which_three_are_there_twice(made: Path) -> None:
    for path in read_truth(made):
        links = hrefs(made, path)
        assert len(links) == LINKS
        assert links[-3:] == links[-6:-3]
        assert 7_000 < len(read(made, path)) < 9_500


def test_links_lead_to_pages_only_and_every_page_is_a_child_of_one(made: Path) -> None:
    truth = read_truth(made)
    leads = {
        path: {urldefrag(urljoin(HOST + path, href)).url.removeprefix(HOST) for href in hrefs(made, path)}
        for path in truth
    }
    assert set().union(*leads.values()) <= truth.keys()
    for n in range(1, PAGES):
        assert path_of(n) in leads[path_of((n - 1) // CHILDREN)]


def test_it_is_the_same_every_time_and_made_once(made: Path, tmp_path: Path) -> None:
    directory = prepared(tmp_path, PAGES)
    assert all(read(directory, path) == read(made, path) for path in read_truth(made))
    kept = directory / "www" / "index.html"
    kept.write_text("mine")
    assert prepared(tmp_path, PAGES) == directory
    assert kept.read_text() == "mine"
    (directory / "made-by").write_text("an earlier version")
    prepared(tmp_path, PAGES)
    assert kept.read_bytes() == read(made, "/")
