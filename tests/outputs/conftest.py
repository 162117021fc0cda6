"""A run in small for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_run import SmallRun


@pytest.fixture
def small(tmp_path: Path) -> SmallRun:
    return SmallRun(tmp_path / "run")
