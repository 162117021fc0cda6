"""The aiohttp.web application: pages from memory, with gzip, latency and stumbling on demand."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from collections import Counter
from functools import lru_cache

from aiohttp import web
from multidict import CIMultiDict

from crawler.demo.content import Content
from crawler.demo.pages import Page

__all__ = ["Front"]

_KEPT = 20_000  # rendered pages; about 100 MB at most, and a crawl of the default site needs 1,300
_WORTH_ZIPPING = 500  # bytes; below, the header costs what gzip saves
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")
_GZIP = re.compile(r"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q\s*=\s*(0?\.\d*[1-9]\d*|1(?:\.0*)?)\s*)?(?:,|$)", re.IGNORECASE)


class _Kept:
    """A page as it goes out: headers ready, compressed when somebody first takes it so."""

    __slots__ = ("_zipped", "headers", "page", "share", "zipped_headers")

    def __init__(self, page: Page, share: float) -> None:
        self.page = page
        self.share = share
        self.headers = CIMultiDict(page.headers)
        if page.type:
            self.headers["Content-Type"] = page.type
        self._zipped: bytes | None = None
        self.zipped_headers: CIMultiDict[str] | None = None
        if len(page.body) > _WORTH_ZIPPING and page.type.startswith(("text/", "application/json", "application/xml")):
            self.headers["Vary"] = "Accept-Encoding"
            self.zipped_headers = CIMultiDict(self.headers)
            self.zipped_headers["Content-Encoding"] = "gzip"

    @property
    def zipped(self) -> bytes:
        if self._zipped is None:
            self._zipped = gzip.compress(self.page.body, 6, mtime=0)
        return self._zipped


class Front:
    """Answers for one site.

    `latency` are seconds before an answer, for each page its own, from half to one and a half times
    as much. `flaky` is the share of pages (0 to 1) whose first request gets 503; robots.txt never is
    one. Which pages these are follows from `seed`; who was refused already is known to this instance
    only, so each server begins anew.
    """

    def __init__(self, content: Content, *, latency: float, flaky: float, seed: int) -> None:
        self.hits: Counter[str] = Counter()
        self._content = content
        self._latency = latency
        self._flaky = flaky
        self._seed = seed
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._stumbled: set[str] = set()

    def application(self) -> web.Application:
        """A new application that serves the site."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        target = request.raw_path
        self.hits[target] += 1
        kept = self._kept.get((request.host, target)) or self._render(request, target)
        page = kept.page
        if self._latency or page.delay:
            await asyncio.sleep(self._latency * (0.5 + kept.share) + page.delay)
        if (page.flaky or kept.share < self._flaky) and target not in self._stumbled and target != "/robots.txt":
            self._stumbled.add(target)
            return web.Response(status=503, text="Stumbled. Once more, please.\n")
        if kept.zipped_headers is not None and takes_gzip(request.headers.get("Accept-Encoding", "")):
            return web.Response(status=page.status, body=kept.zipped, headers=kept.zipped_headers)
        return web.Response(status=page.status, body=page.body, headers=kept.headers)

    def _render(self, request: web.Request, target: str) -> _Kept:
        host = request.host  # what the client calls us, so that absolute links lead back here
        if _HOST.fullmatch(host) is None:
            raise web.HTTPBadRequest(text="The Host header is no host.\n")
        page = self._content.page(request.path, request.query, f"{request.scheme}://{host}")
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        kept = self._kept[host, target] = _Kept(page, zlib.crc32(f"{self._seed} {target}".encode()) / 2**32)
        return kept


@lru_cache(maxsize=256)
def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header lets gzip pass (RFC 9110 §12.5.3; `*` is not asked for here)."""
    return _GZIP.search(accepted) is not None
