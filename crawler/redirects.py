"""Redirects: what the next request of a chain is (RFC 9110 §15.4, WHATWG Fetch §4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from crawler.errors import BadRedirect, TooManyRedirects
from crawler.parse.refresh import may_refresh, meta_refresh
from crawler.request import Hop, Options, Request, make
from crawler.urls import join, origin, without_fragment

if TYPE_CHECKING:
    from crawler.response import Response
    from crawler.settings import Settings

__all__ = ["location_of", "next_request"]

_STATUSES = frozenset({301, 302, 303, 307, 308})
_KEPT_HEADERS = frozenset({"location", "set-cookie", "content-type", "server", "date", "retry-after"})


def location_of(response: Response, settings: Settings) -> str | None:
    """Where a response sends us, absolute; None for a page. Raises BadRedirect.

    A meta refresh is a hop where its delay is at most `meta_refresh` seconds and it names another page.
    """
    request = response.request
    if request._options.redirects is False:
        return None
    if response.status in _STATUSES or (response.status == 300 and "Location" in response.headers):
        header = response.headers.get("Location")
        if header is None or not header.strip():
            raise _bad(response, f"status {response.status} without a Location")
        try:
            target = join(response.url, _text(header))
        except ValueError:
            raise _bad(response, f"status {response.status} to {header[:200]!r}, which is no URL") from None
    elif 200 <= response.status < 300:
        wide = response.body.startswith((b"\xff\xfe", b"\xfe\xff"))  # UTF-16: tags are not to be seen in the bytes
        if not (wide or may_refresh(response.body)) or "html" not in response.headers.get("Content-Type", "html"):
            return None
        found = meta_refresh(response.text if wide else response.body, response.url)
        if found is None or found[0] > settings.meta_refresh:
            return None
        target = found[1]
        if without_fragment(target) == without_fragment(response.url):
            return None
    else:
        return None
    if not target.startswith(("http://", "https://")):
        raise _bad(response, f"status {response.status} to {target[:200]!r}: only http and https are followed")
    return target


def next_request(response: Response, target: str, settings: Settings) -> Request:
    """The request that takes the page's place. Raises TooManyRedirects.

    It keeps callback, arguments, errback, depth, priority, session, proxy, timeout, retry policy,
    accepted statuses and headers; `auth` and cookies of its own only within the origin. 303, and 301
    and 302 of a POST, become a GET without body.
    """
    request = response.request
    old = request._options
    limit = settings.redirects if old.redirects is True else int(old.redirects)
    if len(old.history) >= limit:
        first = old.history[0].url if old.history else request.url
        raise TooManyRedirects(
            f"more than {limit} redirects, the first at {first}",
            request=request,
            phase="redirect",
            seconds=response.elapsed,
        )
    method, body, headers = old.method, old.body, old.headers
    if (response.status == 303 and method != "HEAD") or (response.status in (301, 302) and method == "POST"):
        method, body = "GET", None
        headers = tuple(pair for pair in headers if not pair[0].lower().startswith("content-"))
    same = origin(target) == origin(response.url)
    if not same:
        headers = tuple(pair for pair in headers if not _secret(pair[0]))
    kept = tuple((str(name), str(value)) for name, value in response.headers.items() if name.lower() in _KEPT_HEADERS)
    options: Options = msgspec.structs.replace(
        old,
        method=method,
        body=body,
        headers=headers,
        cookies=old.cookies if same else (),
        auth=old.auth if same else "",
        history=(*old.history, Hop(response.url, response.status, kept)),
    )
    return make(target, request._callback, request._kwargs, options, request.depth)


def _secret(name: str) -> bool:
    """Headers that must not cross to another origin: ours are the usual names of keys and tokens."""
    lower = name.lower()
    return lower in {"authorization", "cookie", "proxy-authorization"} or any(
        word in lower for word in ("token", "api-key", "apikey", "secret", "auth", "session", "csrf")
    )


def _text(header: str) -> str:
    """A Location as browsers read it: bytes beyond ASCII are UTF-8 (aiohttp keeps them as surrogates)."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()


def _bad(response: Response, message: str) -> BadRedirect:
    return BadRedirect(message, request=response.request, phase="redirect", seconds=response.elapsed)
