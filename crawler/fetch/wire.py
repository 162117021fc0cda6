"""What we add to aiohttp at its open seams: how far an attempt has come, and which connections are fit.

aiohttp says what failed but not where it stood: the same empty TimeoutError for a name server, a silent
firewall and a TLS handshake. Its tracing would tell and costs 10 to 27 µs a page. So each attempt is one
small object in a ContextVar, and the four things that an attempt passes through write on it: the socket
factory, the TLS context, the connector and the response.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
import time
from contextvars import ContextVar
from typing import Any, Final, Literal, cast

from aiohttp import ClientOSError, ClientRequest, ClientResponse, ClientTimeout, ServerDisconnectedError, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from crawler.stages import SESSION, Stages

__all__ = ["Attempt", "Connector", "Phase", "WireResponse", "current", "open_socket", "tls_context"]

Phase = Literal["dns", "connect", "tls", "send", "headers", "body"]


class Attempt:
    """How far one attempt has come.

    `opened`: a socket was made for it; `reused`: it got a connection that was kept alive; `fresh`: it
    must not be given one. `lost`: what its connection broke with. `received`: bytes of the body, packed.
    """

    __slots__ = ("fresh", "lost", "opened", "phase", "received", "reused", "started")

    def __init__(self, fresh: bool = False) -> None:
        self.phase: Phase = "dns"
        self.started = time.monotonic()
        self.fresh = fresh
        self.opened = False
        self.reused = False
        self.received = 0
        self.lost: Exception | None = None

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.started


current: ContextVar[Attempt] = ContextVar("attempt")


def open_socket(info: tuple[Any, ...]) -> socket.socket:
    """The connector's `socket_factory`: a name has been resolved, a TCP connect comes next."""
    attempt = current.get()
    attempt.phase, attempt.opened = "connect", True
    return socket.socket(info[0], info[1], info[2])


class _TLSContext(ssl.SSLContext):
    """Notes that TCP is connected and a handshake begins. Reads the authorities before the first one."""

    _knows_authorities = False

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        if (attempt := current.get(None)) is not None:
            attempt.phase = "tls"
        if not self._knows_authorities:
            self.load_default_certs()
            self._knows_authorities = True
        return super().wrap_bio(*args, **kwargs)


def tls_context() -> ssl.SSLContext:
    """Verifies certificate and host name by the system's authorities (SSL_CERT_FILE, SSL_CERT_DIR).

    They are read when the first TLS connection begins: OpenSSL 3 takes 22 ms for the 140 of a system, which a
    start without https need not pay. A context that has not read them trusts nobody.
    """
    context = _TLSContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    return context


_BODILESS: Final = (b"204", b"304")
_LENGTH: Final = b"\r\ncontent-length:"


class _Protocol(ResponseHandler):
    """Cuts off what a server sends beyond its Content-Length, or after a 204 or 304, which have no body.

    aiohttp's parser takes the surplus for the next answer and, where both came in one piece, gives up
    the page with it. Browsers show the page. Costs 1 µs a page.
    """

    def __init__(self, *, loop: asyncio.AbstractEventLoop, stages: Stages) -> None:
        super().__init__(loop)
        self._stages = stages

    def data_received(self, data: bytes) -> None:
        """The next bytes from the server."""
        stages = self._stages
        weight = stages.sample(SESSION)
        if weight and asyncio.current_task() is not None:
            weight = 0  # what came before the page asked for it, and is read in the page's own step
        if weight:
            stages.begin(SESSION, weight)
        if data.startswith(b"HTTP/1.") and (end := _end_of_answer(data)) < len(data):
            self.force_close()
            data = data[:end]
        super().data_received(data)
        if weight:
            stages.end()


def _end_of_answer(data: bytes) -> int:
    """Where an answer that begins here must end; the end of the data where that cannot be told."""
    body = data.find(b"\r\n\r\n") + 4
    if body < 4:
        return len(data)
    if data[9:12] in _BODILESS:
        return body
    head = data[:body].lower()
    at = head.find(_LENGTH) + len(_LENGTH)
    length = head[at : head.find(b"\r", at)].strip() if at >= len(_LENGTH) else b""
    return body + int(length) if length.isdigit() and len(length) < 16 else len(data)


class Connector(TCPConnector):
    """Gives out no connection on which something lies that nobody asked for.

    aiohttp takes a kept-alive connection for good while its socket is open. A server that sent more
    body than its Content-Length, or a second answer, has left it there for the next request to find.
    """

    def __init__(self, *, stages: Stages, **options: Any) -> None:
        super().__init__(**options)
        # The one name of aiohttp's insides that is used here; tests/fetch fails if it moves.
        make = functools.partial(_Protocol, loop=asyncio.get_running_loop(), stages=stages)
        self._factory = cast("functools.partial[ResponseHandler]", make)

    async def connect(self, req: ClientRequest, traces: list[Any], timeout: ClientTimeout) -> Connection:
        """A connection for one attempt: as aiohttp gives them, but a kept one only if it is clean."""
        attempt = current.get()
        if attempt.lost is not None:
            # aiohttp repeats by itself whatever is idempotent, on a fresh or a kept connection. When to
            # repeat is decided in one place, by the fetcher.
            raise attempt.lost
        while True:
            connection = await super().connect(req, traces, timeout)
            attempt.reused = not attempt.opened
            protocol = connection.protocol
            if attempt.opened or not (attempt.fresh or protocol is None or protocol.should_close):
                return connection
            connection.close()


class WireResponse(ClientResponse):
    """Remembers what aiohttp forgets once the body is read: when it was sent, and who answered."""

    sent = 0.0
    ip = ""
    protocol: Any = None

    async def start(self, connection: Connection) -> ClientResponse:
        """Reads status and headers."""
        attempt = current.get()
        attempt.phase = "headers"
        self.sent = time.monotonic()
        self.protocol = connection.protocol
        peer = connection.transport.get_extra_info("peername") if connection.transport is not None else None
        if peer:
            self.ip = peer[0]
        try:
            await super().start(connection)
        except (ClientOSError, ServerDisconnectedError) as error:
            attempt.lost = error
            raise
        attempt.phase = "body"
        return self
