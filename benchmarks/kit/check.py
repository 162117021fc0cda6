"""Whether a crawl did the work: what it wrote and what it asked for, against the truth about the site."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["wrong_items", "wrong_requests"]

_NOT_PAGES = frozenset({"/robots.txt", "/favicon.ico"})


def wrong_items(file: Path, url: str, truth: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is wrong with the items (a JSON object with its "url" a line): missing, twice, not there, other values.

    `truth` has for each path what the item must say; of nothing, only that there is one item a page.
    """
    if not file.exists():
        return ["no output"]
    seen: Counter[str] = Counter()
    differing = 0
    example = ""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            item = json.loads(line)
            path = "/" + item.pop("url").removeprefix(url)
            seen[path] += 1
            expected = truth.get(path)
            if expected and item != expected:
                differing += 1
                example = example or f"{path}: {item} instead of {expected}"
    wrong = _differences(seen, truth)
    if differing:
        wrong.append(f"{differing} with other values ({example:.300})")
    return wrong


def wrong_requests(asked: Counter[tuple[int, str]], expected: Mapping[str, int]) -> list[str]:
    """What is wrong with the requests that a server saw. `expected` has the status of each path to be asked for.

    robots.txt and the like are nobody's page: they are not looked at.
    """
    paths: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    for (status, path), times in asked.items():
        if path not in _NOT_PAGES:
            paths[path] += times
            if status != expected.get(path, 200):
                statuses[status] += times
    wrong = [f"asked: {problem}" for problem in _differences(paths, expected)]
    return wrong + [f"{times} answers with status {status}" for status, times in sorted(statuses.items())]


def _differences(seen: Counter[str], truth: Mapping[str, object]) -> list[str]:
    missing, foreign = truth.keys() - seen.keys(), seen.keys() - truth.keys()
    twice = [path for path, times in seen.items() if times > 1]
    found = ((missing, "missing"), (twice, "more than once"), (foreign, "not of the site"))
    return [f"{len(paths)} {what} ({min(paths)})" for paths, what in found if paths]
