"""Traps that a URL shows by itself: it repeats, nests or grows as no page's address does.

These rules know nothing but the URL, so they say the same whenever they are asked. What takes counting
(calendars, growing paths, combinations of parameters) is in `wandering.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from crawler.urls import hostname

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crawler.settings import Settings

__all__ = ["UrlTraps", "place_of"]

_ESCAPED: Final = "%252525"  # a "%" escaped three times over; twice is seen where a URL has a URL in it
_NESTED_SIGNS: Final = ("%3D", "%3d", "%253D", "%253d", "%25253")
_PARAMETER: Final = re.compile(
    r"(?P<mark>[?&]|%(?:25)*(?:3F|26))(?P<name>[\w.\-]{1,60})(?P<equals>=|%(?:25)*3D)", re.IGNORECASE
)


class UrlTraps:
    """The rules, with the limits of one crawl. Each detail begins with the name of its setting."""

    def __init__(self, settings: Settings) -> None:
        self._repeats = settings.max_repeats
        self._segments = settings.max_segments
        self._parameters = settings.max_parameters
        self._slashes = min(settings.max_repeats + 3, settings.max_segments + 2)  # "https://" has two

    def find(self, url: str) -> str | None:
        """The detail of the rule that takes a URL for a trap, or None. Nine in ten cost 0.5 µs."""
        start = url.find("//") + 2
        slash = url.find("/", start)
        if url.startswith("www.", start):
            start += 4
        if url.find(url[start:slash], slash) >= 0 and self._has_host(url):
            return f"traps: {hostname(url)} stands in its own path, as behind a link without https://"
        if url.count("/") >= self._slashes:
            parts = url.split("/")
            if len(parts) > self._segments or len(set(parts)) + self._repeats <= len(parts):
                found = self._in_path(url)
                if found is not None:
                    return found
        if "%" in url and _ESCAPED in url:
            return "traps: a percent sign is escaped again and again (%2525...)"
        if "?" in url:
            return self._in_query(url)
        return None

    def _has_host(self, url: str) -> bool:
        bare = hostname(url).removeprefix("www.")
        return "." in bare and any(part.partition(":")[0].removeprefix("www.") == bare for part in _segments(url))

    def _in_path(self, url: str) -> str | None:
        segments = _segments(url)
        if len(segments) > self._segments:
            return f"max_segments = {self._segments}: the path has {len(segments)}"
        cycle = _repeated(segments, self._repeats + 1)
        if cycle:
            return f"max_repeats = {self._repeats}: /{'/'.join(cycle)[:80]}/ follows itself more often"
        return None

    def _in_query(self, url: str) -> str | None:
        marks = url.count("&")
        if marks >= self._parameters:
            return f"max_parameters = {self._parameters}: it has {marks + 1}"
        if marks > self._repeats:
            pairs = url.partition("?")[2].split("&")
            if len(set(pairs)) + self._repeats <= len(pairs):
                pair = max(pairs, key=pairs.count)
                if pair and pairs.count(pair) > self._repeats:
                    return f"max_repeats = {self._repeats}: {pair[:80]} is in it more often"
        if url.count("?") > 1 or ("%" in url and any(sign in url for sign in _NESTED_SIGNS)):
            return _echo(url)
        return None


def _segments(url: str) -> list[str]:
    path = url.partition("?")[0].partition("#")[0]
    return [segment for segment in path.split("/")[3:] if segment]


def _repeated(segments: Sequence[str], times: int) -> Sequence[str]:
    """The segments that follow themselves so many times in a row; numbers may: /2011/11/11/11 is a date."""
    count = len(segments)
    if count < times or len(set(segments)) > count - times + 1:
        return ()
    for size in range(1, count // times + 1):
        run = 0
        for at in range(count - size):
            run = run + 1 if segments[at] == segments[at + size] else 0
            if run == size * (times - 1):
                cycle = segments[at - run + 1 : at - run + 1 + size]
                if not all(segment.isdigit() for segment in cycle):
                    return cycle
                run = 0
    return ()


def _echo(url: str) -> str | None:
    """A page that puts its own URL into its links: /in?next=/in%3Fnext=/in%253Fnext=..."""
    own: set[str] = set()
    nested: dict[str, int] = {}
    marks = 0
    for found in _PARAMETER.finditer(url):
        name = found["name"].lower()
        marks += found["mark"] == "?"
        if marks == 1 and len(found["mark"]) == 1 == len(found["equals"]):
            own.add(name)
        else:
            nested[name] = nested.get(name, 0) + 1
    for name, times in nested.items():
        if times > 1 and name in own:
            return f"traps: its parameter {name} has its own URL in it, over and over"
    return None


def place_of(url: str) -> str:
    """Where a trap is, for people: the host and the path down to where it begins to vary, two levels at most."""
    host, _, path = url.partition("?")[0].partition("#")[0].partition("//")[2].rpartition("@")[2].partition("/")
    levels = []
    for level in path.split("/")[:2]:
        if not level or any(character.isdigit() for character in level):
            break
        levels.append(level[:40])
    return "/".join([host, *levels])
