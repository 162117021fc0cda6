"""A response that says where its time goes: decoding, parsing, links. The measured pages get one (`crawler.stages`).

Only the seams are here, so that the other pages, nearly all, pay nothing for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from crawler.response import Response
from crawler.stages import DECODE, LINKS, PARSE

if TYPE_CHECKING:
    from crawler.parse.fast import Fast
    from crawler.parse.following import Links
    from crawler.parse.selectors import Selector
    from crawler.request import Request
    from crawler.stages import Stages

__all__ = ["MeasuredResponse"]

P = ParamSpec("P")
T = TypeVar("T")


class MeasuredResponse(Response):
    """As `Response`, with the crawl's clock."""

    __slots__ = ("_stages",)

    def __init__(self, stages: Stages, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._stages = stages

    @property
    def text(self) -> str:
        """The body as text."""
        return super().text if self._text is not None else self._within(DECODE, _text, self)

    def _utf8(self) -> bytes:
        return self._within(DECODE, super()._utf8)

    def json(self, type: Any = Any) -> Any:
        """The body as JSON."""
        return self._within(PARSE, super().json, type)

    def _tree(self) -> Selector:
        return self._selector if self._selector is not None else self._within(PARSE, super()._tree)

    @property
    def fast(self) -> Fast:
        """The page as lexbor reads it."""
        return self._fast if self._fast is not None else self._within(PARSE, _fast, self)

    def follow(self, *args: Any, **named: Any) -> Request:
        """A request for a link of this page."""
        return self._within(LINKS, super().follow, *args, **named)

    def follow_all(self, *args: Any, **named: Any) -> Links:
        """Requests for many links of this page."""
        return self._within(LINKS, super().follow_all, *args, **named)

    def links(self, *args: Any, **named: Any) -> Links:
        """Requests for all links of this page."""
        return self._within(LINKS, super().links, *args, **named)

    def _within(self, stage: int, call: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> T:
        return self._stages.within(stage, call, *args, **named)

    def __repr__(self) -> str:
        return super().__repr__().replace(type(self).__name__, Response.__name__, 1)


_text: Callable[[Any], str] = Response.text.fget  # type: ignore[attr-defined]
_fast: Callable[[Any], Any] = Response.fast.fget  # type: ignore[attr-defined]
