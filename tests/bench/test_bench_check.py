"""A crawl that did the work wrongly is never taken for a fast one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from kit.check import wrong_items, wrong_requests

URL = "http://127.0.0.1:8000/"
TRUTH = {"/": {"title": "Home"}, "/a.html": {"title": "A"}}
RIGHT = [{"url": URL, "title": "Home"}, {"url": URL + "a.html", "title": "A"}]


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        (RIGHT, ""),
        (RIGHT[:1], "1 missing (/a.html)"),
        ([*RIGHT, RIGHT[1]], "1 more than once (/a.html)"),
        ([*RIGHT, {"url": URL + "b.html", "title": "B"}], "1 not of the site (/b.html)"),
        ([RIGHT[0], {"url": URL + "a.html", "title": "B"}], "1 with other values (/a.html:"),
        ([RIGHT[0], {"url": URL + "a.html"}], "1 with other values (/a.html:"),
    ],
)
def test_items(tmp_path: Path, items: list[dict[str, str]], problem: str) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text("".join(json.dumps(item) + "\n" for item in items))
    found = wrong_items(file, URL, TRUTH)
    assert len(found) == bool(problem)
    assert "".join(found).startswith(problem)


def test_no_output_is_wrong(tmp_path: Path) -> None:
    assert wrong_items(tmp_path / "none.jsonl", URL, TRUTH) == ["no output"]


def test_of_pages_without_a_truth_only_the_url_counts(tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text("".join(json.dumps({"url": item["url"]}) + "\n" for item in RIGHT))
    assert wrong_items(file, URL, {path: {} for path in TRUTH}) == []


HOME, GONE = (200, "/"), (404, "/gone")


@pytest.mark.parametrize(
    ("asked", "problems"),
    [
        ({HOME: 1, GONE: 1, (200, "/robots.txt"): 3}, []),
        ({HOME: 2, GONE: 1}, ["asked: 1 more than once (/)"]),
        ({HOME: 1}, ["asked: 1 missing (/gone)"]),
        ({(500, "/"): 1, GONE: 1}, ["1 answers with status 500"]),
        ({(500, "/"): 1, HOME: 1, GONE: 1}, ["asked: 1 more than once (/)", "1 answers with status 500"]),
        ({HOME: 1, GONE: 1, (404, "/x"): 1}, ["asked: 1 not of the site (/x)", "1 answers with status 404"]),
    ],
)
def test_requests(asked: dict[tuple[int, str], int], problems: list[str]) -> None:
    assert wrong_requests(Counter(asked), {"/": 200, "/gone": 404}) == problems
