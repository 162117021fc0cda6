"""JSON lines (jsonlines.org): one JSON object a line, UTF-8, "\\n" after each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crawler.codec import to_json_line

__all__ = ["JSONLines"]


class JSONLines:
    """The format of `.jsonl`."""

    state = b""

    def restore(self, state: bytes, head: bytes) -> None:
        """There is nothing to remember: each line stands for itself."""

    def describe(self, type_name: str, fields: Sequence[str]) -> None:
        """Any type may follow any other."""

    def head(self, items: Sequence[Any]) -> bytes:
        """Nothing stands before the first item."""
        return b""

    def encode(self, items: Sequence[Any]) -> bytes:
        """The items' lines."""
        lines = [to_json_line(item) for item in items]
        lines.append(b"")
        return b"\n".join(lines)

    def foot(self) -> bytes:
        """Nothing stands after the last."""
        return b""
