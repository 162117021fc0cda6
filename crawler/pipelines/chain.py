"""The pipelines of a spider as one call: each item passes all of them in order, or is dropped."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from crawler.errors import SpiderError

if TYPE_CHECKING:
    from crawler.request import Request
    from crawler.response import Response
    from crawler.spider import Spider

__all__ = ["Chain", "Context", "Pipeline"]


class Context:
    """What a pipeline knows of an item besides itself.

    `key` names the item: hexadecimal page key and ordinal, the same when a page is repeated after a
    kill, so that effects outside (a database) can be idempotent.
    """

    __slots__ = ("_key", "ordinal", "response", "spider")

    def __init__(self, page_key: bytes, ordinal: int, response: Response, spider: Spider) -> None:
        self._key = page_key
        self.ordinal = ordinal
        self.response = response
        self.spider = spider

    @property
    def key(self) -> str:
        """Stable across repeats of the page."""
        return f"{self._key.hex()}-{self.ordinal}"

    @property
    def request(self) -> Request:
        """The request of the page that gave the item."""
        return self.response.request

    @property
    def log(self) -> logging.Logger:
        """The spider's log."""
        return self.spider.log


class Pipeline:
    """Base of pipelines with no-op defaults; a plain function (item, context) -> item is one too."""

    async def open(self, spider: Spider) -> None:
        """Called once per process, before the first item."""

    async def process(self, item: Any, context: Context) -> Any:
        """Returns the item, changed or not; raises DropItem to leave it out."""
        return item

    async def close(self) -> None:
        """Called once per process, after the last item."""


Step = Callable[[Any, Context], Any]


class Chain:
    """The pipelines of one crawl. `process` raises DropItem, or whatever a pipeline raised."""

    def __init__(self, pipelines: Sequence[Any]) -> None:
        self._pipelines = list(pipelines)
        self._steps: list[tuple[str, Step]] = []
        self._opened: list[Any] = []
        for pipeline in self._pipelines:
            step = getattr(pipeline, "process", pipeline)
            if isinstance(pipeline, type) or not callable(step):
                wrote = pipeline.__name__ if isinstance(pipeline, type) else repr(pipeline)
                raise SpiderError(
                    f"pipelines: {wrote} must be an object with process(item, context), or a function; "
                    f"{'write ' + wrote + '()' if isinstance(pipeline, type) else 'it is neither'}"
                )
            self._steps.append((_name(pipeline), step))

    def __bool__(self) -> bool:
        return bool(self._steps)

    async def open(self, spider: Spider) -> None:
        """Opens each in order."""
        for pipeline in self._pipelines:
            await _call(getattr(pipeline, "open", None), spider)
            self._opened.append(pipeline)

    async def process(self, item: Any, context: Context) -> Any:
        """Passes one item through all pipelines."""
        for name, step in self._steps:
            item = step(item, context)
            if inspect.isawaitable(item):
                item = await item
            if item is None:
                raise TypeError(
                    f"the pipeline {name} returned None: return the item, or raise DropItem to leave it out"
                )
        return item

    async def close(self) -> None:
        """Closes those that were opened, the last first; the first error is raised after all were closed."""
        error: Exception | None = None
        while self._opened:
            try:
                await _call(getattr(self._opened.pop(), "close", None))
            except Exception as raised:
                error = error or raised
        if error is not None:
            raise error


def _name(pipeline: Any) -> str:
    return str(getattr(pipeline, "__qualname__", type(pipeline).__name__))


async def _call(method: Any, *args: Any) -> None:
    if method is not None:
        result = method(*args)
        if inspect.isawaitable(result):
            await result
