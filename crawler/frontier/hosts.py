"""Numbers for scheduling hosts, so that a request's row holds one and not a name."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Hosts"]


class Hosts:
    """Names to numbers and back; numbers begin at 1 and are given in order.

    The commit thread gives numbers; the loop reads names of numbers that were committed. Both are
    single steps of a dict or a list, so no lock is needed.
    """

    __slots__ = ("_names", "_numbers", "_written")

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = ["", *names]
        self._numbers = {name: number for number, name in enumerate(self._names) if number}
        self._written = len(self._names)

    def __len__(self) -> int:
        return len(self._names) - 1

    def number(self, name: str) -> int:
        """The number of a host, a new one where it has none."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._names)
            self._names.append(name)
        return number

    def name(self, number: int) -> str:
        """The host of a number."""
        return self._names[number]

    def unwritten(self) -> list[tuple[int, str]]:
        """The hosts numbered since this was last asked: the rows that go with the next commit."""
        first, self._written = self._written, len(self._names)
        return list(enumerate(self._names[first:], first))
