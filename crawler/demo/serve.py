"""`crawler demo`: the practice site for a person with a browser, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from crawler.demo.server import DemoSite, fast_loop
from crawler.errors import UsageError

__all__ = ["serve"]


def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    products: int = 1000,
    latency: float = 0.0,
    flaky: float = 0.0,
    seed: int = 7,
    slow: float = 1.0,
) -> None:
    """Serves the practice site until SIGINT or SIGTERM; prints where it is and what there is to see.

    Arguments as in `SiteOptions`; port 0 is a free one. Raises UsageError when the address cannot be
    had or an argument is impossible.
    """
    try:
        site = DemoSite(products, latency, flaky, seed, slow, host, port)
    except ValueError as error:
        raise UsageError(str(error)) from None
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        try:
            runner.run(_until_signal(site))
        except (OSError, OverflowError) as error:  # OverflowError: no port has such a number
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"cannot listen on {host}:{port}: {reason}; --port takes another, 0 a free one") from None


async def _until_signal(site: DemoSite) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
            loop.add_signal_handler(number, ended.set)
    async with site:
        print(_tour(site), flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await ended.wait()
    print("\nclosed", flush=True)


def _tour(site: DemoSite) -> str:
    areas = "\n".join(f"  {site.url}{area.path:<12} {area.title}" for area in site.areas)
    return (
        f"practice site at {site.url}/ with {site.options.products:,} books; Ctrl-C ends it\n{areas}\n"
        f"crawl it:\n  crawler run spiders/bookstore.py -a url={site.url}/books/\n"
        f"  crawler run spiders/site.py -a url={site.url}/"
    )
