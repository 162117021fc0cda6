"""The names of the settings: the nearest right one, and class attributes that were meant as one."""

from __future__ import annotations

import difflib
import functools
from typing import TYPE_CHECKING, Any, get_type_hints

from crawler.arguments import arguments
from crawler.errors import SpiderError
from crawler.settings import Settings

if TYPE_CHECKING:
    from crawler.spider import Spider

__all__ = ["check_class", "field_types", "nearest"]

_ELSEWHERE = {
    "closespider_errorcount": "max_errors",
    "closespider_itemcount": "max_items",
    "closespider_pagecount": "max_pages",
    "closespider_timeout": "max_seconds",
    "concurrent_items": "concurrency",
    "concurrent_requests": "concurrency",
    "concurrent_requests_per_domain": "concurrency_per_host",
    "concurrent_requests_per_host": "concurrency_per_host",
    "concurrent_requests_per_ip": "concurrency_per_host",
    "default_request_headers": "headers",
    "depth_limit": "max_depth",
    "download_delay": "delay",
    "download_maxsize": "max_body",
    "download_timeout": "timeout",
    "feeds": "output",
    "handle_httpstatus_list": "accept_status",
    "max_concurrency": "concurrency",
    "max_redirects": "redirects",
    "max_retries": "retries",
    "obey_robots": "robots",
    "redirect_max_times": "redirects",
    "request_delay": "delay",
    "respect_robots": "robots",
    "retry_http_codes": "retry_statuses",
    "retry_times": "retries",
    "robotstxt_obey": "robots",
    "useragent": "user_agent",
    "workers": "concurrency",
}
"""What other crawlers call our settings: people bring these words with them."""

_ATTRIBUTES = {
    "allowed_domain": "allowed_domains",
    "allowed_hosts": "allowed_domains",
    "item_pipelines": "pipelines",
    "middleware": "middlewares",
    "pipeline": "pipelines",
    "start_requests": "start",
    "start_url": "start_urls",
}
"""Near misses of a spider's own attributes and methods."""


@functools.cache
def field_types() -> dict[str, Any]:
    """Each setting's name and type, with its bounds and unit."""
    return get_type_hints(Settings, include_extras=True)


def nearest(name: str) -> str:
    """The setting that was probably meant, or ""."""
    plain = name.lower().replace("-", "_")
    if plain in field_types():
        return plain
    words = [*field_types(), *_ELSEWHERE]
    found = difflib.get_close_matches(plain, words, 1, cutoff=0.7)
    return _ELSEWHERE.get(found[0], found[0]) if found else ""


def check_class(spider_class: type[Spider]) -> None:
    """Refuses class attributes that look like settings but would do nothing. Raises SpiderError.

    An annotated attribute is a spider argument, so a word of the user's own: it is left alone.
    """
    own = arguments(spider_class)
    for owner in spider_class.__mro__:
        if owner.__module__ == "crawler.spider":
            break
        for name, value in vars(owner).items():
            if name.startswith("_") or name in own or name in _INHERITED:
                continue
            if advice := _advice(name, value):
                raise SpiderError(f"{spider_class.__name__}.{name} would do nothing: {advice}")


_INHERITED = {
    "name",
    "start_urls",
    "sitemap_urls",
    "allowed_domains",
    "settings",
    "outputs",
    "middlewares",
    "pipelines",
    "log",
    "state",
}


def _advice(name: str, value: object) -> str:
    plain = name.lower()
    if plain in ("custom_settings", "setting", "default_settings", "spider_settings"):
        return "write settings = {…}"
    method = callable(value) or isinstance(value, property | classmethod | staticmethod)
    if plain in _ATTRIBUTES and (method or plain != "start_requests"):
        return f"it is called {_ATTRIBUTES[plain]} here" + (
            f"; to keep your own, call it _{name}" if not method else ""
        )
    if method:
        return ""
    close = difflib.get_close_matches(plain, [*field_types(), *_ELSEWHERE], 1, cutoff=0.85)
    if not close:
        return ""
    setting = _ELSEWHERE.get(close[0], close[0])
    return f'for the setting write settings = {{"{setting}": …}}; an attribute of your own is called _{name}'
