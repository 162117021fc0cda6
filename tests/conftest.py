"""Fixtures of most tests: a small site, and settings that keep a crawl fast."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import commands
import hypothesis
import pytest
from small_site import Site

# Of what a property does not name itself: `make test` takes few examples, new ones each time, `make test-full` many.
# An example may take as long as it likes: the machine may have other work.
hypothesis.settings.register_profile("short", max_examples=40, deadline=None)
hypothesis.settings.register_profile("long", max_examples=1000, deadline=None)
hypothesis.settings.load_profile("short")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def fast(tmp_path: Path) -> dict[str, Any]:
    """Settings for tests: state under tmp_path, short waits."""
    waits = {"retry_wait": 0.05, "retry_wait_max": 0.2}  # the second also bounds what the throttle waits for a host
    return {"runs_dir": str(tmp_path / "runs"), **waits, "commit_seconds": 0.02, "grace": 2.0}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: at the end no worker waits for another one."""
    items.sort(key=lambda item: item.path.parent.name != "torture")


def pytest_sessionfinish() -> None:
    commands.end()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the torture has to tell, also when all went well: kills, commits, lost, repeated."""
    for report in terminalreporter.stats.get("passed", []):
        for name, text in report.user_properties:
            if name == "torture" and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {text}")
