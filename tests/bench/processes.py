"""Whether a process has ended that is not a child of ours."""

from __future__ import annotations

import time
from pathlib import Path


def gone(pid: int, patience: float = 10.0) -> bool:
    """Waits till it is dead, reaped or not; False when it still lives after so many seconds."""
    stat = Path("/proc", str(pid), "stat")
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            if ") Z " in stat.read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
