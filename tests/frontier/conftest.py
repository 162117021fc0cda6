"""The stores under one contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from frontier_store import Store

from crawler.contracts import Frontier
from crawler.frontier import MemoryFrontier, SQLiteFrontier


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    frontier: Frontier
    frontier = MemoryFrontier() if request.param == "memory" else SQLiteFrontier(tmp_path / "f.sqlite", durable=False)
    yield await Store(frontier).open()
    await frontier.close()


@pytest.fixture
async def durable(tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Store]]]:
    """Opens the store in one file, again and again: each call closes the one before, uncommitted work and all."""
    opened: list[Store] = []

    async def reopen() -> Store:
        if opened:
            await opened[-1].frontier.close()
        opened.append(Store(SQLiteFrontier(tmp_path / "f.sqlite", durable=True)))
        return await opened[-1].open()

    yield reopen
    if opened:
        await opened[-1].frontier.close()
