"""Fixtures of most tests: a small site, and settings that keep a crawl fast."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from small_site import Site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def fast(tmp_path: Path) -> dict[str, Any]:
    """Settings for tests: state under tmp_path, short waits."""
    return {"runs_dir": str(tmp_path / "runs"), "retry_wait": 0.05, "commit_seconds": 0.02, "grace": 2.0}
