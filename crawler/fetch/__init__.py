"""The fetcher: one request in, one whole response or one `FetchError` out, over one aiohttp session."""

from __future__ import annotations

from crawler.fetch.session import AiohttpFetcher

__all__ = ["AiohttpFetcher"]
