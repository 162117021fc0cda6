"""`-a name=value` and `-s name=value`, as often as they are given."""

from __future__ import annotations

from collections.abc import Iterable

from crawler.errors import UsageError

__all__ = ["pairs"]


def pairs(flag: str, given: Iterable[str]) -> dict[str, str]:
    """Name to value. Raises UsageError for one without "=" and for a name given twice."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise UsageError(f"{flag} {text}: write {flag} name=value")
        if name in found:
            raise UsageError(f"{flag} {name} is given twice: {found[name]!r} and {value!r}")
        found[name] = value
    return found
