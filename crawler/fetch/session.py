"""`AiohttpFetcher`: a request becomes a response over the one aiohttp session of a crawl.

The hot path. A plain page costs a URL object, aiohttp's own work and one `Response`; headers, cookies,
timeouts and proxies are only put together for requests that ask for something unusual.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Container
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar
from multidict import CIMultiDict
from yarl import URL

from crawler.errors import BadResponse, Refused, SettingsError
from crawler.fetch.body import read_body, whole_body
from crawler.fetch.cookies import Cookies
from crawler.fetch.decode import ACCEPT_ENCODING, Broken
from crawler.fetch.edge import NETWORK, OverLimit, Place, failure, one_line
from crawler.fetch.resolve import Resolver
from crawler.fetch.wire import Attempt, Connector, WireResponse, current, open_socket, tls_context
from crawler.measured import MeasuredResponse
from crawler.request import SITEMAP
from crawler.response import Response
from crawler.settings_values import connections
from crawler.stages import SESSION, Stages
from crawler.urls import mask

if TYPE_CHECKING:
    from crawler.request import Request
    from crawler.settings import Settings

__all__ = ["AiohttpFetcher"]

_ACCEPT: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_LINE: Final = 64 * 1024  # bytes of one header line; real ones (CSP, Link) go beyond aiohttp's 8 KiB
_HEADERS: Final = 1000
_NAMES: Final = 10_000  # host names whose addresses are kept
_LARGE_BODY: Final = 256 * 1024  # sent in pieces from here on
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110 §9.2.2


class AiohttpFetcher:
    """Implements `contracts.Fetcher`: no retries, no redirects, no robots.

    Use it as `async with AiohttpFetcher(settings) as fetch: response = await fetch(request)`, any
    number of fetches at once. `seed_domains` are the registrable domains that the settings' cookies go
    to (None: all); it may be set later. Raises SettingsError for a proxy that is no HTTP proxy.
    """

    def __init__(
        self, settings: Settings, *, seed_domains: Container[str] | None = None, stages: Stages | None = None
    ) -> None:
        self._settings = settings
        self._stages = stages = stages if stages is not None else Stages()
        self._measured = partial(MeasuredResponse, stages)
        self._max_body = settings.max_body
        self._sitemap_bytes = settings.sitemap_bytes
        self._timeout = ClientTimeout(
            total=settings.timeout,
            connect=settings.timeout_connect,
            sock_connect=settings.timeout_sock_connect,
            sock_read=settings.timeout_sock_read,
        )
        self._proxy = settings.proxy or None
        if self._proxy is not None and (wrong := _wrong_proxy(self._proxy)):
            raise SettingsError(wrong)
        self.cookies = Cookies(settings.cookies, seed_domains)
        self._cookie_header = CIMultiDict(settings.headers).get("Cookie", "")
        self._session: ClientSession

    @property
    def seed_domains(self) -> Container[str] | None:
        """The registrable domains that the settings' cookies go to."""
        return self.cookies.domains

    @seed_domains.setter
    def seed_domains(self, domains: Container[str] | None) -> None:
        self.cookies.domains = domains

    async def __aenter__(self) -> Self:
        settings = self._settings
        # robots.txt is fetched beside the pages, with permits of its own: room for both.
        limit = connections(settings)
        connector = Connector(
            limit=limit,
            limit_per_host=settings.limit_per_host or settings.concurrency_per_host + 2,
            use_dns_cache=settings.ttl_dns_cache > 0,
            ttl_dns_cache=settings.ttl_dns_cache,
            dns_cache_max_size=_NAMES,
            resolver=Resolver(max(64, limit)),
            socket_factory=open_socket,
            ssl=tls_context(),
            stages=self._stages,
        )
        headers = CIMultiDict(
            {"User-Agent": settings.user_agent, "Accept": _ACCEPT, "Accept-Encoding": ACCEPT_ENCODING}
        )
        headers.update(settings.headers)
        self._session = ClientSession(
            connector=connector,
            headers=headers,
            cookie_jar=DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            response_class=WireResponse,
            max_line_size=_LINE,
            max_field_size=_LINE,
            max_headers=_HEADERS,
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    async def __call__(self, request: Request, *, max_body: int | None = None, cut: bool = False) -> Response:
        """Sends `request` and reads the whole body.

        `max_body` in decoded bytes (None: the setting); `cut` keeps what came up to it instead of
        raising TooLarge. Raises FetchError for whatever the network and the server do.
        """
        if max_body is None and request._callback == SITEMAP:  # read as far as it may be, and one byte to tell
            max_body, cut = self._sitemap_bytes + 1, True
        limit = self._max_body if max_body is None else max_body
        stages = self._stages
        before = stages.weight and stages.enter(SESSION)
        try:
            answer, body = await self._exchange(request, Attempt(), limit, cut)
        except _Stale:
            answer, body = await self._exchange(request, Attempt(fresh=True), limit, cut)
        response = (self._measured if before else Response)(
            request.url,
            answer.status,
            answer.headers,
            body,
            request,
            reason=answer.reason or "",
            elapsed=time.monotonic() - answer.sent,
            request_headers=answer.request_info.headers,
            ip=answer.ip,
        )
        if before:
            stages.leave(before)
        return response

    async def _exchange(self, request: Request, attempt: Attempt, limit: int, cut: bool) -> tuple[WireResponse, bytes]:
        options = request._options
        timeout = self._timeout if options.timeout is None else self._shorter(options.timeout)
        token = current.set(attempt)
        answer: Any = None
        whole = False
        try:
            url, headers = self._addressed(request)
            answer = await self._session.request(
                options.method,
                url,
                headers=headers,
                data=options.body if options.body is None else _sent(options.body),
                allow_redirects=False,
                proxy=self._proxy if options.proxy is None else _proxy(request, options.proxy),
                timeout=timeout,
            )
            if answer.status == 101:
                raise BadResponse(
                    f"{Place(request.url)} switched protocols (status 101) without being asked",
                    request=request, phase="headers", seconds=attempt.seconds,
                )  # fmt: skip
            if "Set-Cookie" in answer.headers:
                self.cookies.store(options.session, url, answer.headers.getall("Set-Cookie"))
            body = whole_body(answer, limit)
            if body is None:
                body = await read_body(answer, limit, cut)
            whole = True
        except (KeyError, IndexError):  # LookupErrors, but of a bug and not of a codec
            raise
        except (*NETWORK, Broken, OverLimit) as error:
            if answer is not None:
                attempt.received = answer.content.total_bytes
                attempt.lost = answer.protocol.exception()
            elif attempt.lost is not None and attempt.reused and _may_repeat(request):
                raise _Stale from None
            raise failure(error, request, attempt, timeout) from error
        finally:
            current.reset(token)
            attempt.lost = None  # it holds a traceback, which holds this frame
            if answer is not None and not (whole and answer.closed):
                answer.close()
        return answer, body

    def _shorter(self, seconds: float) -> ClientTimeout:
        """The limits of a request that has a `timeout` of its own, which may also be a long one of patience."""
        usual = self._timeout
        return ClientTimeout(
            total=seconds,
            connect=min(seconds, usual.connect or seconds),
            sock_connect=min(seconds, usual.sock_connect or seconds),
            sock_read=max(seconds, usual.sock_read or seconds),
        )

    def _addressed(self, request: Request) -> tuple[URL, CIMultiDict[str] | None]:
        """What is asked for, and the headers beyond the usual ones (None: there are none)."""
        options = request._options
        url = _target(request.url)
        credentials = ""
        if url.raw_user is not None:
            credentials = base64.b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()
            url = url.with_user(None)
        elif not (options.headers or options.auth or options.cookies) and self.cookies.quiet(options.session):
            return url, None
        headers = CIMultiDict(options.headers)
        if options.auth:
            headers["Authorization"] = options.auth
        elif credentials:
            headers["Authorization"] = f"Basic {credentials}"
        cookie = self.cookies.header(options.session, url, options.cookies)
        if cookie:
            headers["Cookie"] = f"{self._cookie_header}; {cookie}" if self._cookie_header else cookie
        return url, headers


class _Stale(Exception):
    """The server closed a kept-alive connection as our request was on its way: no failure of the page.
    To be sent once more, on a connection of its own (RFC 9112 §9.3.1)."""


def _may_repeat(request: Request) -> bool:
    return request.method in _IDEMPOTENT or request._options.retry is True


def _target(url: str) -> URL:
    """The URL as it is, without its fragment: it was serialised as browsers do and is not quoted again."""
    sent, _, _ = url.partition("#")
    if sent[-1:] == "?" and sent.count("?") == 1:
        # yarl drops an empty query, and browsers send its question mark: to a few servers another page.
        scheme, _, rest = sent.partition("://")
        authority, _, path = rest.partition("/")
        return URL.build(scheme=scheme, authority=authority, path=f"/{path}", encoded=True)
    return URL(sent, encoded=True)


def _sent(body: bytes) -> bytes | io.BytesIO:
    """A large body goes out in pieces: in one, it would hold up everything else while it is copied."""
    return body if len(body) <= _LARGE_BODY else io.BytesIO(body)


def _proxy(request: Request, proxy: str) -> str | None:
    """A request's own proxy, "" for none. Raises Refused for what is no HTTP proxy."""
    if proxy and (wrong := _wrong_proxy(proxy)):
        raise Refused(one_line(wrong), request=request, phase="connect")
    return proxy or None


def _wrong_proxy(proxy: str) -> str:
    if proxy.startswith(("http://", "https://")):
        return ""
    return f"proxy: {mask(proxy)!r} is not the URL of an HTTP proxy (http://host:port)"
