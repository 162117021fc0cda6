"""A run in small: an item log that is appended to, and outputs that follow it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crawler.codec import encode_item
from crawler.contracts import ItemRecord
from crawler.outputs import ItemLog, Outputs
from crawler.settings import Settings


def record(item: Any, ordinal: int = 1) -> tuple[bytes, ItemRecord]:
    """An item as the committer hands it over."""
    name, fields, raw = encode_item(item)
    return b"k" * 16, ItemRecord(ordinal, name, fields, raw, item)


class SmallRun:
    """A run's directory with its log; `outputs` begins a process that works on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.log = ItemLog(path / "items.log")
        self.commits = 0
        self.recorded: dict[str, bytes] = {}

    def commit(self, items: Iterable[Any]) -> int:
        """Appends one commit's items; returns the committed end."""
        self.commits += 1
        return self.log.append(self.commits, [record(item) for item in items])

    def outputs(self, *targets: Any, **settings: Any) -> Outputs:
        """Outputs that go on from what `record` kept."""
        return Outputs(self.log.path, list(targets), Settings(**settings), self.path, self.recorded)

    def record(self, outputs: Outputs) -> None:
        """What a commit does with the cursors."""
        self.recorded.update(outputs.cursors())

    async def whole(self, *targets: Any, **settings: Any) -> None:
        """One process from start to publication."""
        outputs = self.outputs(*targets, **settings)
        await outputs.start(self.log.end)
        try:
            await outputs.finish(self.log.end)
            self.record(outputs)
            await outputs.publish()
        finally:
            await outputs.close()
