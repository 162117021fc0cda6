"""One attempt at a request: through the onion, and what its answer says to the host's politeness and cookies."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from crawler.errors import Retry
from crawler.events import Event, HostParked, HostWaits
from crawler.retry_after import retry_after

if TYPE_CHECKING:
    from crawler.contracts import Entry, Fetch
    from crawler.fetch.cookies import Cookies
    from crawler.response import Response
    from crawler.scheduler import Scheduler
    from crawler.spider import Work

__all__ = ["Asker"]


class Asker:
    """Asks for entries that were handed out. `max_wait` in seconds: beyond it a host is parked."""

    def __init__(
        self, onion: Fetch, scheduler: Scheduler, cookies: Cookies, emit: Callable[[Event], None], max_wait: float
    ) -> None:
        self._onion = onion
        self._scheduler = scheduler
        self._cookies = cookies
        self._emit = emit
        self._max_wait = max_wait

    async def ask(self, entry: Entry, work: Work) -> Response:
        """The answer; the host's permit is held until its end. The cookies that it sets are `work`'s, to be
        committed with it. Raises what the onion raises."""
        response: Response | None = None
        failed = True
        try:
            response = await self._onion(entry.request)
            failed = response.status >= 400
            return response
        except Retry as retry:
            response = retry.response
            raise
        finally:
            wait = self._heard(response, work) if response is not None else 0.0
            self._scheduler.release(entry.host, wait=min(wait, self._max_wait), failed=failed)
            if wait > self._max_wait:
                self._park(entry.host, wait)
            elif wait:
                self._emit(HostWaits(entry.host, wait, "Retry-After"))

    def _heard(self, response: Response, work: Work) -> float:
        """Notes the cookies; the seconds for which the host wants to be left alone."""
        if "Set-Cookie" in response.headers:
            request, headers = response.request, response.headers.getall("Set-Cookie")
            records = self._cookies.records(request._options.session, request.yarl, headers)
            work.cookies = (work.cookies or {}) | records
        return retry_after(response.headers) or 0.0 if response.status in (429, 503) else 0.0

    def _park(self, host: str, wait: float) -> None:
        until, reason = time.time() + wait, f"it asked to wait {wait:,.0f} s (Retry-After)"
        self._scheduler.park(host, until, reason)
        self._emit(HostParked(host, until, reason))
