"""Puts middlewares around the fetcher; the first of the list is the outermost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from crawler.contracts import Fetch, Middleware
from crawler.errors import SpiderError
from crawler.middleware.retry import RetryMiddleware

if TYPE_CHECKING:
    from crawler.request import Request
    from crawler.response import Response

__all__ = ["wrap"]


def wrap(fetch: Fetch, middlewares: Sequence[Middleware]) -> Fetch:
    """The whole onion as one `fetch`. Raises SpiderError for something that is not callable."""
    for middleware in reversed(middlewares):
        if isinstance(middleware, type) or not callable(middleware):
            raise SpiderError(
                f"middlewares: {middleware!r} must be `async def middleware(request, fetch) -> Response` "
                "or an object with such a __call__"
            )
        fetch = partial(middleware, fetch=fetch) if type(middleware) is RetryMiddleware else _layer(middleware, fetch)
    return fetch


def _layer(middleware: Middleware, inner: Fetch) -> Fetch:
    async def fetch(request: Request) -> Response:
        response = await middleware(request, inner)
        if not hasattr(response, "status"):
            name = getattr(middleware, "__qualname__", type(middleware).__name__)
            raise TypeError(f"the middleware {name} returned {type(response).__name__}, it must return the response")
        return response

    return fetch
