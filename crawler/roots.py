"""Scope presets: how far a crawl goes from each of its seeds, and how a request knows its seed.

A page inside of its seed's host or domain says by its own URL what that is, so nothing is stored with
it; nor with a page of `scope = "page"`, where every link leads outside. What does not follow from the URL
is stored with the request, in `Options.scope`: "preset hops root" for a page below a prefix and for one
outside ("extra_hops"), and the preset alone where a request named its own (`Request(..., scope="host")`).

A root is a host, with a port that is not the default, and a directory: "books.example/fiction/". http and
https are one; www.books.example and books.example are two hosts of one domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from crawler.urls import registrable_domain, scheduling_host

if TYPE_CHECKING:
    from crawler.request import Options, Request

__all__ = ["PRESETS", "Place", "Reach", "root_of", "with_scope"]

PRESETS: Final = ("any", "domain", "host", "prefix", "page")


class Place(NamedTuple):
    """Where a request stands. `hops`: how many links outside of the root it is; 0: inside."""

    preset: str
    hops: int
    root: str


def root_of(url: str) -> str:
    """The root that a seed has: its host and the directory of its path."""
    path = url.partition("?")[0].partition("#")[0]
    slash = path.find("/", 8)
    return scheduling_host(url) + path[slash : path.rfind("/") + 1]


def _inside(preset: str, root: str, url: str) -> bool:
    if preset == "any":
        return True
    host = scheduling_host(url)
    if preset == "prefix":
        return (host + url[url.find("/", 8) :]).startswith(root)
    home = root.partition("/")[0]
    if preset == "domain":
        return host == home or registrable_domain(host) == registrable_domain(home)
    return preset == "host" and host == home


class Reach:
    """The rule of one crawl. `preset` and `extra_hops` are the settings."""

    def __init__(self, preset: str, extra_hops: int) -> None:
        self._preset = preset
        self._extra_hops = extra_hops

    def place(self, request: Request) -> Place:
        """Where a request that was let in stands."""
        own, hops, root = _parts(request._options)
        return Place(own or self._preset, hops, root or root_of(request._url))

    def free(self, parent: Request) -> bool:
        """Whether everything that a page leads to is inside, and has nothing to carry."""
        return self._preset == "any" and not parent._options.scope

    def link(self, parent: Request, request: Request) -> str | None:
        """What a request that `parent` led to carries on from there; None: it is left out.

        One that names its own preset is a seed of its own in this.
        """
        if request._options.scope:
            return request._options.scope
        return self._carried(parent, request._url)

    def hop(self, page: Request, target: str) -> str | None:
        """`link` for the target of a redirect. A seed's own redirects lead to its root."""
        if page._depth == 0:
            return _parts(page._options)[0]
        return self._carried(page, target)

    def refuses(self, request: Request) -> bool:
        """Whether a stored request lies outside by the settings in force now."""
        stored = request._options.scope
        if " " not in stored:
            return False
        preset, hops, root = self.place(request)
        return hops > self._extra_hops or (not hops and not _inside(preset, root, request._url))

    def why(self, parent: Request) -> str:
        """The detail of what is left out."""
        preset, _, root = self.place(parent)
        if preset in ("host", "domain"):
            root = root.partition("/")[0]
        where = registrable_domain(root) if preset == "domain" else root
        beyond = f", and beyond extra_hops = {self._extra_hops}" if self._extra_hops else ""
        return f"outside of {where}{beyond} (scope = {preset})"

    def _carried(self, parent: Request, url: str) -> str | None:
        own, hops, known_root = _parts(parent._options)
        preset, root = own or self._preset, known_root or root_of(parent._url)
        if _inside(preset, root, url):
            return f"{own} 0 {root}" if preset == "prefix" else own
        hops += 1
        return f"{own} {hops} {root}" if hops <= self._extra_hops else None


def _parts(options: Options) -> tuple[str, int, str]:
    """The preset that was named on the way here or "", the hops, the root that is carried or ""."""
    if not options.scope:
        return "", 0, ""
    preset, _, rest = options.scope.partition(" ")
    hops, _, root = rest.partition(" ")
    return preset, int(hops or 0), root


def with_scope(request: Request, text: str) -> Request:
    """The request, carrying what `Reach.link` gave."""
    if request._options.scope == text:
        return request
    copy = request._copy()
    copy._options = msgspec.structs.replace(request._options, scope=text)
    return copy
