"""The practice site on a port: in this event loop, or in a thread beside it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, MutableMapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from crawler.demo.app import Front
from crawler.demo.content import Content
from crawler.demo.pages import Area
from crawler.demo.truth import Truth
from crawler.errors import CrawlerError

__all__ = ["DEFAULT_PORT", "DemoServer", "DemoSite", "SiteOptions"]

DEFAULT_PORT = 8799
"""The port that `DemoServer.kept` takes when it is free."""

_STATE_KEY = "practice_site_port"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOptions:
    """What a practice site is like.

    `products` is the number of books. `latency` are seconds before an answer, on average. `flaky` is
    the share of pages (0 to 1) that answer 503 when they are asked for the first time. `seed` chooses
    the books and which pages are flaky; `slow` are the seconds that the slow pages take.
    """

    products: int = 1000
    latency: float = 0.0
    flaky: float = 0.0
    seed: int = 7
    slow: float = 1.0

    def __post_init__(self) -> None:
        if self.products < 0 or self.latency < 0 or self.slow < 0 or not 0 <= self.flaky <= 1:
            raise ValueError(f"a practice site cannot be like this: {self}")


class _Served:
    """What the two ways of serving share: the site, its socket and its address."""

    def __init__(
        self,
        products: int = 1000,
        latency: float = 0.0,
        flaky: float = 0.0,
        seed: int = 7,
        slow: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.options = SiteOptions(products=products, latency=latency, flaky=flaky, seed=seed, slow=slow)
        self.host = host
        self.port = port
        self._content = Content(products, seed, slow)
        self._front = Front(self._content, latency=latency, flaky=flaky, seed=seed)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The address of the site without a slash at the end, "http://127.0.0.1:8799"."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def hits(self) -> Counter[str]:
        """How often each path (with its query) was asked for."""
        return self._front.hits

    @property
    def areas(self) -> Sequence[Area]:
        """The parts of the site, as its front page lists them."""
        return self._content.areas

    def truth(self) -> Truth:
        """What a perfect crawl of this site would find, with the URLs that it has now."""
        return self._content.truth(self.url)

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        bound = socket.create_server((self.host, self.port), family=family, backlog=512)
        self.port = bound.getsockname()[1]
        return bound

    async def _open(self, bound: socket.socket) -> None:
        self._runner = web.AppRunner(self._front.application(), access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.SockSite(self._runner, bound).start()

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


class DemoSite(_Served):
    """The site in the running event loop: `async with DemoSite(products=50) as site: site.url`.

    Arguments as in `SiteOptions`, and `host` and `port` (0: a free one). Raises OSError when the port
    cannot be had.
    """

    async def __aenter__(self) -> Self:
        await self._open(self._bind())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()


class DemoServer(_Served):
    """The site in a daemon thread with an event loop of its own: `with DemoServer() as server: server.url`.

    It does not share the loop of the crawl, and it cannot outlive the process. Arguments as `DemoSite`.
    """

    _thread: threading.Thread | None = None
    _end: Callable[[], None] = staticmethod(lambda: None)

    @classmethod
    async def kept(cls, state: MutableMapping[str, Any], **options: Any) -> Self:
        """A started server whose port is remembered in `state`, a spider's.

        A run that was interrupted has pages to fetch at the old port, so it gets that one or none:
        raises CrawlerError when another program has it by now. A run that begins takes
        `DEFAULT_PORT`, or a free one. `forget` ends the memory.
        """
        remembered = state.get(_STATE_KEY)
        server = cls(**options, port=remembered or DEFAULT_PORT)
        try:
            await asyncio.to_thread(server.start)
        except OSError as error:
            if remembered:
                raise CrawlerError(
                    f"this run has its practice site on port {remembered}, which cannot be had now ({error.strerror}): "
                    "end the program that uses it and start again, or leave this run and begin another one "
                    "with -s resume=never"
                ) from None
            server.port = 0
            await asyncio.to_thread(server.start)
        state[_STATE_KEY] = server.port
        return server

    @staticmethod
    def forget(state: MutableMapping[str, Any]) -> None:
        """The next `kept` with this state is free to take another port."""
        state.pop(_STATE_KEY, None)

    def start(self) -> None:
        """Begins to serve; returns when the site answers. Raises OSError when the port cannot be had."""
        bound = self._bind()
        ready: Future[Callable[[], None]] = Future()
        self._thread = threading.Thread(target=self._serve, args=(bound, ready), name="practice site", daemon=True)
        self._thread.start()
        self._end = ready.result()

    def stop(self) -> None:
        """Ends the server and waits until its port is free. A second time does nothing."""
        if self._thread is not None:
            self._end()
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _serve(self, bound: socket.socket, ready: Future[Callable[[], None]]) -> None:
        async def live() -> None:
            ended = asyncio.Event()
            await self._open(bound)
            loop = asyncio.get_running_loop()

            def end() -> None:
                loop.call_soon_threadsafe(ended.set)

            ready.set_result(end)
            try:
                await ended.wait()
            finally:
                await self._close()

        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            try:
                runner.run(live())
            except BaseException as error:
                if ready.done():
                    raise
                bound.close()
                ready.set_exception(error)


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop where it is installed, else None, the default."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None
