"""What an area of the practice site is, and what a page of it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["HTML", "Area", "Page", "redirect"]

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of the site, complete and ready to send.

    `type` is the Content-Type header ("" sends none), `headers` are further ones. `delay` are the
    seconds that the server takes its time for; a `flaky` page is answered with 503 when it is asked
    for the first time.
    """

    body: bytes
    status: int = 200
    type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    flaky: bool = False


class Area(Protocol):
    """A part of the site: the pages under one path.

    Pages are a pure function of what is asked, so the server may keep what it was given.
    """

    path: str
    """Where it begins, as "/books/"."""
    title: str
    about: str
    """One sentence for the front page, as HTML."""

    def page(self, path: str, query: Mapping[str, str], base: str) -> Page | None:
        """The page at a decoded path, None where there is none. `base` is "http://host:port"."""
        ...

    def paths(self) -> Iterable[str]:
        """The paths of its pages for the sitemap, in order."""
        ...


def redirect(location: str, status: int = 302) -> Page:
    """A redirect whose Location header is taken as it is, absolute or relative."""
    body = f'<!doctype html><title>Moved</title><p>Moved to <a href="{location}">{location}</a>.</p>'
    return Page(body.encode(), status, headers=(("Location", location),))
