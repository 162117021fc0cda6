"""What can be wrong with a spider before its crawl begins, said with its class and its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawler.callbacks import USER_ERRORS, where_of
from crawler.errors import CrawlerError, SpiderError
from crawler.request import Request
from crawler.spider import Spider

if TYPE_CHECKING:
    from crawler.frontier.waiting import MethodsGone

__all__ = ["check_seeds", "lacks", "made", "methods_gone"]


def made(spider_class: type[Spider], args: dict[str, Any]) -> Spider:
    """The spider. What its own `__init__` raises is a mistake in its file: SpiderError."""
    if not isinstance(spider_class, type) or not issubclass(spider_class, Spider):
        raise SpiderError(f"{spider_class!r} is no spider class: give the class itself, or FILE or module:Class")
    try:
        spider = spider_class(**args)
        if not hasattr(spider, "state"):
            raise SpiderError(f"{spider_class.__name__}.__init__ must call super().__init__(**args)")
        return spider
    except CrawlerError:
        raise
    except USER_ERRORS as error:
        kind = f"{type(error).__name__}: {error}"
        raise SpiderError(f"{spider_class.__name__}.__init__ failed: {kind} at {where_of(error)}") from None


def check_seeds(spider: Spider, listed: bool) -> None:
    """That the seeds can be requested and their pages have a callback; `listed`: they come from a list of
    URLs. Raises SpiderError."""
    if listed:
        _check_parse(spider)
        return
    _check_urls(spider, "sitemap_urls")
    if spider.sitemap_urls and type(spider).entry is Spider.entry:
        _check_parse(spider)
    if type(spider).start is not Spider.start:
        return
    _check_urls(spider, "start_urls")
    if spider.start_urls:
        _check_parse(spider)


def _check_urls(spider: Spider, attribute: str) -> None:
    name, urls = f"{type(spider).__name__}.{attribute}", getattr(spider, attribute)
    if not isinstance(urls, Iterable):
        raise SpiderError(f"{name} is {urls!r}: write a list of URLs")
    if isinstance(urls, str):
        raise SpiderError(f"{name} is one str: write a list, [{urls!r}]")
    for url in urls:
        try:
            Request(url)
        except ValueError as error:
            raise SpiderError(f"{name}: {error}") from None


def lacks(spider: Spider, name: str) -> bool:
    """Whether the spider has no such callback (""; `parse`)."""
    method = getattr(spider, name or "parse", None)
    return not callable(method) or (name in ("", "parse") and type(spider).parse is Spider.parse)


def methods_gone(spider: Spider, error: MethodsGone, run: Path) -> SpiderError:
    """The refusal of a run whose requests wait for methods that the spider does not have any more."""
    kind, waiting = type(spider).__name__, error.waiting
    listed = "; ".join(f"{n:,} for {name} (the first is {url})" for name, (n, url) in sorted(waiting.items()))
    return SpiderError(
        f"{kind} has no {' and no '.join(sorted(waiting))} any more, and requests of the run in {run} wait "
        f"for it: {listed}. Put the method back, or begin a new run with --fresh"
    )


def _check_parse(spider: Spider) -> None:
    kind = type(spider)
    if kind.parse is Spider.parse:
        raise SpiderError(f"{kind.__name__} has no parse(self, response), which gets the seeds' pages{_near(spider)}")


def _near(spider: Spider) -> str:
    """A method whose name is nearly `parse`."""
    own = [name for name in vars(type(spider)) if callable(getattr(spider, name)) and not name.startswith("_")]
    near = difflib.get_close_matches("parse", own, 1)
    return f"; did you mean {near[0]}?" if near else ""
