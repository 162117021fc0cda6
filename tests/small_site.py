"""A real server on 127.0.0.1 whose pages a test writes, and what it was asked."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Page = str | bytes | web.Response | Callable[[web.Request], Any]


class Site:
    """Pages by path: text, a response, or a handler; counts what was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.hits: Counter[str] = Counter()
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.at_once = 0
        self.peak = 0
        self.times: list[float] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path_qs
        self.hits[path] += 1
        self.requests.append((request.method, path, dict(request.headers), await request.read()))
        if request.path != "/robots.txt":
            self.times.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.peak = max(self.peak, self.at_once)
        try:
            page = self.pages.get(path, self.pages.get(request.path))
            if page is None:
                return web.Response(status=404, text="not here")
            if callable(page) and not isinstance(page, web.Response):
                result: Any = page(request)
                page = await result if inspect.isawaitable(result) else result
            if isinstance(page, web.StreamResponse):
                return page
            body = page.encode() if isinstance(page, str) else page
            assert isinstance(body, bytes)
            return web.Response(body=body, content_type="text/html", charset="utf-8")
        finally:
            self.at_once -= 1


def page(*links: str, title: str = "", more: str = "") -> str:
    """A page with links."""
    anchors = "".join(f'<a href="{link}">{link}</a> ' for link in links)
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1>{anchors}{more}</body></html>"


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
