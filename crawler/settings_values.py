"""Settings whose text means more than itself."""

from __future__ import annotations

from collections.abc import Iterable

from crawler.errors import SettingsError

__all__ = ["statuses"]


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
