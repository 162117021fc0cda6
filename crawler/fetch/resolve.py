"""Names to addresses, without holding anybody up.

`loop.getaddrinfo` takes its threads from a pool of half a dozen that file writes use too; a few names
whose servers do not answer fill it for many seconds, and no host and no file gets on. Here each
look-up has a daemon thread of its own: a dead name holds up nobody, and not the end of the process
either. aiohttp's connector asks once per name, however many wait for it, and keeps the answer.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from threading import Thread
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["Resolver"]

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """The system's resolver (`getaddrinfo`: hosts file, DNS); at most `at_once` look-ups run."""

    def __init__(self, at_once: int = 64) -> None:
        self._slots = asyncio.Semaphore(at_once)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError (socket.gaierror) when it has none."""
        loop = asyncio.get_running_loop()
        async with self._slots:
            answer: asyncio.Future[list[Any]] = loop.create_future()
            # As bytes: a str would go through Python's IDNA 2003, which knows fewer names than the
            # URL Standard and answers a label of 64 letters with a UnicodeError.
            question = (host.encode("ascii"), port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
            Thread(target=_look_up, args=(loop, answer, question), name=f"dns-{host}", daemon=True).start()
            found = await answer
        results: list[ResolveResult] = []
        for kind, _, protocol, _, address in found:
            if kind == socket.AF_INET6 and address[3]:
                continue  # link-local with a zone: no URL can name one
            results.append(
                ResolveResult(
                    hostname=host, host=address[0], port=address[1], family=kind, proto=protocol, flags=_NUMERIC
                )
            )
        if not results:
            raise socket.gaierror(socket.EAI_NONAME, "no usable address")
        return results

    async def close(self) -> None:
        """Nothing to give back: threads end with their look-up."""


def _look_up(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[Any]], question: tuple[Any, ...]) -> None:
    found: list[Any] = []
    error: Exception | None = None
    try:
        found = socket.getaddrinfo(*question)
    except Exception as caught:  # whatever it is, somebody waits for it
        error = caught

    def tell() -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
        loop.call_soon_threadsafe(tell)
