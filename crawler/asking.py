"""One attempt at a request: through the onion, and what its answer says to the host's politeness."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from crawler.callbacks import stepped
from crawler.errors import BadResponse, ConnectFailed, DNSFailed, Retry, TimedOut, TLSFailed
from crawler.events import Event, HostParked, HostSlowed, HostWaits
from crawler.middleware.retry import BUSY
from crawler.retry_after import retry_after
from crawler.stages import ONION, SCHEDULE, Stages

if TYPE_CHECKING:
    from crawler.contracts import Entry, Fetch
    from crawler.response import Response
    from crawler.scheduler import Scheduler
    from crawler.scheduler.throttle import Answer
    from crawler.settings import Settings
    from crawler.slots import Slots

__all__ = ["Asker"]


class Asker:
    """Asks for entries that were handed out. A host that is to be left alone for more than `max_wait` is parked.

    With `slots` the onion is stepped in the name of its page: it has middlewares of the user's.
    """

    def __init__(
        self,
        onion: Fetch,
        scheduler: Scheduler,
        emit: Callable[[Event], None],
        settings: Settings,
        slots: Slots | None,
        stages: Stages,
    ) -> None:
        self._stages = stages
        self._onion = onion
        self._scheduler = scheduler
        self._emit = emit
        self._max_wait = settings.max_wait
        self._troubles: dict[int, Answer] = dict.fromkeys(settings.retry_statuses, "wrong")
        self._troubles |= {429: "too many", 503: "busy"}
        self._slots = slots

    async def ask(self, entry: Entry) -> Response:
        """The answer; the host's permit is held until its end. Raises what the onion raises."""
        response: Response | None = None
        error: BaseException | None = None
        stages = self._stages
        before = stages.weight and stages.enter(ONION)
        begin = time.monotonic()
        try:
            asking = self._onion(entry.request)
            response = await (asking if self._slots is None else stepped(asking, self._slots, entry.key))
            return response
        except Retry as retry:
            response, error = retry.response, retry.error
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            if before:
                stages.enter(SCHEDULE)
            self._ended(entry.host, response, error, time.monotonic() - begin)
            if before:
                stages.leave(before)

    def _ended(self, host: str, response: Response | None, error: BaseException | None, seconds: float) -> None:
        """Gives the host's permit back, with what the request's end says about the host."""
        status, wait = 0, 0.0
        if response is None:
            answer = _answer(error)
        else:
            status = response.status
            answer = self._troubles.get(status, "good")
            if status in BUSY:
                wait = retry_after(response.headers) or 0.0
        slowed = self._scheduler.release(
            host,
            wait=min(wait, self._max_wait),
            failed=answer != "good" or status >= 400,
            answer=answer,
            seconds=seconds,
        )
        if wait > self._max_wait:
            self._park(host, wait, f"it asked to wait {wait:,.0f} s (Retry-After)")
        elif slowed is not None and slowed.open and slowed.wait > self._max_wait:
            self._park(host, slowed.wait, slowed.reason)
        elif slowed is not None:
            self._emit(HostSlowed(host, slowed.wait, slowed.reason, slowed.at_once, slowed.gap))
        elif wait:
            self._emit(HostWaits(host, wait, "Retry-After"))

    def _park(self, host: str, wait: float, reason: str) -> None:
        until = time.time() + wait
        self._scheduler.park(host, until, reason)
        self._emit(HostParked(host, until, reason))


def _answer(error: BaseException | None) -> Answer:
    """What a request without a response says about its host."""
    if not isinstance(error, ConnectFailed | TimedOut | BadResponse) or isinstance(error, TLSFailed | DNSFailed):
        return "unsent"  # or a matter of names and certificates, not of how often the host is asked
    return "wrong" if error.phase == "body" else "silent"
