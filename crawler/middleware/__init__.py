"""The onion around the fetcher: callables (request, fetch) -> response, once per attempt."""

from crawler.middleware.onion import wrap
from crawler.middleware.retry import RetryMiddleware

__all__ = ["RetryMiddleware", "wrap"]
