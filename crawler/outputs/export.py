"""`crawler export`: the items of a run in other formats, at any time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.errors import UsageError
from crawler.outputs.outputs import Outputs

if TYPE_CHECKING:
    from crawler.contracts import Sink
    from crawler.settings import Settings

__all__ = ["export"]


async def export(source: Path, log_end: int, targets: Iterable[str | Sink], settings: Settings) -> dict[str, str]:
    """Writes a run's items to files (or "-"), whole; returns what became of each.

    `source` is the run's directory or its item log, `log_end` the committed length of the log: the
    run may be going on. Raises SettingsError and AlreadyRunning for a target, DiskError, OutputError,
    StateError for a log that was changed, BrokenPipeError for a closed standard output.
    """
    log = source / "items.log" if source.is_dir() else source
    if not log.exists():
        raise UsageError(f"{source} has no item log: name a run's directory")
    outputs = Outputs(log, targets, settings, None, {})
    try:
        await outputs.start(0)
        await outputs.finish(log_end)
        await outputs.publish()
    finally:
        await outputs.close()
    return outputs.states()
