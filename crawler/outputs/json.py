"""A JSON array (RFC 8259), indented, for files that are read whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from crawler.codec import to_json_line

__all__ = ["JSON"]


class JSON:
    """The format of `.json`. While it grows it lacks only its closing bracket."""

    def __init__(self) -> None:
        self.state = b""
        """b"1" once an item stands in it: the next one is set off by a comma."""

    def restore(self, state: bytes, head: bytes) -> None:
        """Goes on after an item, or at the beginning."""
        self.state = state

    def describe(self, type_name: str, fields: Sequence[str]) -> None:
        """Any type may follow any other."""

    def head(self, items: Sequence[Any]) -> bytes:
        """The opening bracket."""
        return b"["

    def encode(self, items: Sequence[Any]) -> bytes:
        """The items, each indented by two spaces, commas between them."""
        parts = []
        for item in items:
            parts.append(b",\n  " if self.state else b"\n  ")
            # Inside strings a newline is written \n, so every raw one here is layout.
            parts.append(msgspec.json.format(to_json_line(item), indent=2).replace(b"\n", b"\n  "))
            self.state = b"1"
        return b"".join(parts)

    def foot(self) -> bytes:
        """The closing bracket."""
        return b"\n]\n" if self.state else b"]\n"
