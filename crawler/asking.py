"""One attempt at a request: through the onion, and what its answer says to the host's politeness."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from crawler.callbacks import stepped
from crawler.errors import Retry
from crawler.events import Event, HostParked, HostWaits
from crawler.retry_after import retry_after
from crawler.stages import ONION, SCHEDULE, Stages

if TYPE_CHECKING:
    from crawler.contracts import Entry, Fetch
    from crawler.response import Response
    from crawler.scheduler import Scheduler
    from crawler.slots import Slots

__all__ = ["Asker"]


class Asker:
    """Asks for entries that were handed out. `max_wait` in seconds: beyond it a host is parked.

    With `slots` the onion is stepped in the name of its page: it has middlewares of the user's.
    """

    def __init__(
        self,
        onion: Fetch,
        scheduler: Scheduler,
        emit: Callable[[Event], None],
        max_wait: float,
        slots: Slots | None,
        stages: Stages,
    ) -> None:
        self._stages = stages
        self._onion = onion
        self._scheduler = scheduler
        self._emit = emit
        self._max_wait = max_wait
        self._slots = slots

    async def ask(self, entry: Entry) -> Response:
        """The answer; the host's permit is held until its end. Raises what the onion raises."""
        response: Response | None = None
        failed = True
        stages = self._stages
        before = stages.weight and stages.enter(ONION)
        try:
            asking = self._onion(entry.request)
            response = await (asking if self._slots is None else stepped(asking, self._slots, entry.key))
            failed = response.status >= 400
            return response
        except Retry as retry:
            response = retry.response
            raise
        finally:
            if before:
                stages.enter(SCHEDULE)
            wait = _asked_to_wait(response) if response is not None else 0.0
            self._scheduler.release(entry.host, wait=min(wait, self._max_wait), failed=failed)
            if wait > self._max_wait:
                self._park(entry.host, wait)
            elif wait:
                self._emit(HostWaits(entry.host, wait, "Retry-After"))
            if before:
                stages.leave(before)

    def _park(self, host: str, wait: float) -> None:
        until, reason = time.time() + wait, f"it asked to wait {wait:,.0f} s (Retry-After)"
        self._scheduler.park(host, until, reason)
        self._emit(HostParked(host, until, reason))


def _asked_to_wait(response: Response) -> float:
    """The seconds for which the host wants to be left alone."""
    return retry_after(response.headers) or 0.0 if response.status in (429, 503) else 0.0
