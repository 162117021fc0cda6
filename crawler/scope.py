"""Which requests are followed: scheme, domains, depth and length, judged before anything is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crawler.settings_values import domains
from crawler.urls import hostname, in_domains

if TYPE_CHECKING:
    from crawler.request import Request
    from crawler.settings import Settings

__all__ = ["Scope", "all_domains"]


class Scope:
    """The rules of one crawl. `refuses` is asked once for each request that is not known yet."""

    def __init__(self, settings: Settings, allowed_domains: Sequence[str]) -> None:
        self._domains = tuple(domain.lower().strip(".") for domain in allowed_domains)
        self._max_depth = settings.max_depth
        self._max_url = settings.max_url
        self._hosts: dict[str, bool] = {}

    def refuses(self, request: Request) -> tuple[str, str] | None:
        """(reason, detail) of the rule that leaves the request out, or None."""
        url = request._url
        if not url.startswith(("https://", "http://")):
            return "scheme", f"{url.partition(':')[0]}: is not fetched"
        if self._max_depth is not None and request._depth > self._max_depth:
            return "depth", f"deeper than max_depth = {self._max_depth}"
        if len(url) > self._max_url:
            return "url-length", f"longer than max_url = {self._max_url}"
        if self._domains and not self.allows_host(hostname(url)):
            return "domain", f"{hostname(url)} is not in allowed_domains"
        return None

    def allows_host(self, host: str) -> bool:
        """Whether `allowed_domains` has the host, subdomains included."""
        known = self._hosts.get(host)
        if known is None:
            if len(self._hosts) > 100_000:
                self._hosts.clear()
            known = self._hosts[host] = not self._domains or in_domains(host, self._domains)
        return known


def all_domains(spider: str, own: Any, settings: Settings) -> list[str]:
    """The domains to stay on: those of the class `spider`, and the setting's. Raises SettingsError for
    what is no domain."""
    return [
        *domains(own, f"{spider}.allowed_domains"),
        *domains(settings.allowed_domains, "the setting allowed_domains"),
    ]
