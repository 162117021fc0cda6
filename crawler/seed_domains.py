"""The domains that the seeds lie in, worked out when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator

from crawler.urls import hostname, registrable_domain

__all__ = ["SeedDomains"]

_MOST = 10_000  # domains; a crawl of more seeds than that has named those it means


class SeedDomains:
    """Registrable domains, to be asked with `in` and to be listed.

    Few crawls ask (the settings' cookies, `self.fetch` outside of a page), and the list of public suffixes
    that says what is registrable costs 35 ms and 2 MB: so hosts wait here as they came.
    """

    def __init__(self) -> None:
        self._hosts: set[str] = set()
        self._domains: set[str] = set()

    def add(self, url: str) -> None:
        """Notes where a seed lies."""
        if len(self._domains) < _MOST:
            self._hosts.add(hostname(url))
            if len(self._hosts) >= _MOST:
                self._work_out()

    def __contains__(self, domain: object) -> bool:
        self._work_out()
        return domain in self._domains

    def __iter__(self) -> Iterator[str]:
        self._work_out()
        return iter(self._domains)

    def _work_out(self) -> None:
        self._domains.update(map(registrable_domain, self._hosts))
        self._hosts.clear()
