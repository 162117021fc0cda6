"""Fixtures of the torture: the warm parent of forked lives, the dice, and what is said at the end."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest
from torture_lives import Forks


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    parent = Forks()
    yield parent
    parent.close()


@pytest.fixture
def seed() -> int:
    """Of the random generator: TORTURE_SEED repeats what a failure printed, as far as a clock lets it."""
    given = os.environ.get("TORTURE_SEED", "")
    return int(given) if given else secrets.randbelow(1_000_000)
