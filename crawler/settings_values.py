"""Settings whose text means more than itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from crawler.errors import SettingsError

if TYPE_CHECKING:
    from crawler.settings import Settings

__all__ = ["connections", "domains", "slow_robots", "statuses"]

_HOST = re.compile(r"[^\s/:@*?#\[\]]+|\[[0-9a-f:.]+\]", re.IGNORECASE)


def domains(given: object, where: str) -> list[str]:
    """The host names of `allowed_domains`. Raises SettingsError for a URL, a pattern, a port, a lone str."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SettingsError(f"{where} is {given!r}: write a list of host names, [{str(given)!r}]")
    names = []
    for name in given:
        if not isinstance(name, str) or not _HOST.fullmatch(name):
            raise SettingsError(
                f"{where}: {name!r} is no host name: write it without scheme, port, path and wildcard "
                "(books.example; subdomains are included)"
            )
        names.append(name)
    return names


def statuses(given: Iterable[str]) -> frozenset[int]:
    """The numbers that "200-299" and "404" stand for. Raises SettingsError."""
    numbers: set[int] = set()
    for text in given:
        first, dash, last = str(text).strip().partition("-")
        if not first.isdigit() or (dash and not last.strip().isdigit()):
            raise SettingsError(f'accept_status: {text!r} is neither a status ("404") nor a range ("200-299")')
        low, high = int(first), int(last) if dash else int(first)
        if not 100 <= low <= high <= 999:
            raise SettingsError(f"accept_status: {text!r} is not within 100-999, or runs backwards")
        numbers.update(range(low, high + 1))
    return frozenset(numbers)


def connections(settings: Settings) -> int:
    """How many connections may be open at once: for pages, for robots.txt, and for those of them that are slow."""
    return settings.limit or 2 * settings.concurrency + slow_robots(settings)


def slow_robots(settings: Settings) -> int:
    """How many robots.txt of slow hosts may be waited for beside the others; each holds a connection."""
    return settings.limit // 4 if settings.limit else 4 * settings.concurrency
