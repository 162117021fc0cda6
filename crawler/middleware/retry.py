"""Retry: asks tenacity's policies and raises `Retry`; it never sleeps and holds no worker.

A passing failure is a broken connection, a timeout, a cut-off answer or a status of
`retry_statuses`, of a method that may be repeated. What the server says in Retry-After (RFC 9110
§10.2.3, seconds or an HTTP-date) is kept where it is longer than our own wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from crawler.contracts import Fetch
from crawler.errors import BadResponse, ConnectFailed, FetchError, Retry, TimedOut, TLSFailed
from crawler.retry_after import retry_after
from crawler.settings_values import statuses

if TYPE_CHECKING:
    from crawler.request import Request
    from crawler.response import Response
    from crawler.settings import Settings

__all__ = ["BUSY", "RetryMiddleware"]

BUSY = frozenset({429, 503})
"""Statuses of a host that has too much to do; they may say Retry-After (RFC 6585 §4, RFC 9110 §15.6.4)."""


class RetryMiddleware:
    """Raises `Retry(after)` while a passing failure has tries left; else lets the failure through."""

    def __init__(self, settings: Settings) -> None:
        self._statuses = frozenset(settings.retry_statuses)
        self._methods = frozenset(method.upper() for method in settings.retry_methods)
        self._accepted = statuses(settings.accept_status)
        self._retries, self._retries_busy = settings.retries, settings.retries_busy
        self._first, self._longest = settings.retry_wait, settings.retry_wait_max
        self._wait = wait_exponential(multiplier=self._first, max=self._longest) + wait_random(0, self._first / 2)
        self._again = retry_if_result(self._passing_status) | retry_if_exception_type(
            (ConnectFailed, TimedOut, BadResponse)
        )
        self._retrying = Retrying()

    async def __call__(self, request: Request, fetch: Fetch) -> Response:
        """One attempt."""
        try:
            response = await fetch(request)
        except FetchError as error:
            self._judge(request, None, error)
            raise
        if response.status in self._statuses and response.status not in (
            request._options.accept_status or self._accepted
        ):
            self._judge(request, response, None)
        return response

    def retries(self, request: Request, response: Response | None = None) -> int:
        """How many further attempts this request may have, after this response if there was one."""
        asked = request._options.retry
        if asked is not None and asked is not True:
            return int(asked)
        if self._retries and response is not None and _asks_for_patience(response):
            return max(self._retries, self._retries_busy)
        return self._retries

    def wait(self, tries: int) -> float:
        """Seconds until the next attempt where a callback's `Retry` names none."""
        return min(self._first * 2.0**tries, self._longest)

    def _passing_status(self, response: Any) -> bool:
        return response.status in self._statuses

    def _judge(self, request: Request, response: Response | None, error: FetchError | None) -> None:
        if request.method not in self._methods and not request._options.retry:
            return
        if isinstance(error, TLSFailed) and "answer" not in error.message:
            return  # a certificate does not get better by asking again
        state = RetryCallState(self._retrying, None, (), {})
        state.attempt_number = request.tries + 1
        if error is not None:
            state.set_exception((type(error), error, None))
        else:
            state.set_result(response)
        if not self._again(state) or stop_after_attempt(self.retries(request, response) + 1)(state):
            return
        after = float(self._wait(state))
        if response is not None:
            after = max(after, retry_after(response.headers) or 0.0)
        retry = Retry(after, error.message if error is not None else f"status {response.status}" if response else "")
        retry.error, retry.response = error, response
        raise retry from error


def _asks_for_patience(response: Response) -> bool:
    """Whether the page is not at fault: it was asked too often, or is to be asked later."""
    return response.status == 429 or (response.status in BUSY and "Retry-After" in response.headers)
