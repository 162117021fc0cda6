"""Earlier runs, the newest first: the order of a plain sort, with no more of them read than asked for."""

from __future__ import annotations

import calendar
import random
import time
from pathlib import Path

import pytest

from crawler.runs.directory import RunDirectory, newest, newest_first
from crawler.runs.identity import Identity

HOUR = 3600


def made(spider_dir: Path, created: float, offset: float = 0, name: str = "", **args: str) -> RunDirectory:
    """A run made at that time, where the clock showed `offset` hours more than UTC."""
    local = time.strftime("%Y%m%d-%H%M%S-", time.gmtime(created + offset * HOUR))
    identity = Identity(name or local + f"{random.randrange(65536):04x}", "books", args, created, 1, {}, "", "")
    return RunDirectory.create(spider_dir, identity)


def read_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs that are read from now on."""
    names: list[str] = []
    real = RunDirectory.read.__func__  # type: ignore[attr-defined]

    def read(cls: type[RunDirectory], path: Path) -> RunDirectory:
        names.append(path.name)
        return real(cls, path)

    monkeypatch.setattr(RunDirectory, "read", classmethod(read))
    return names


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_their_times_whatever_the_zones(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    begin = calendar.timegm((2026, 10, 24, 0, 0, 0))
    times = [begin + chance.uniform(0, 100 * HOUR) for _ in range(30)]
    runs = [made(tmp_path, created, chance.uniform(-12, 14)) for created in times]
    runs += [made(tmp_path, begin + chance.uniform(0, 100 * HOUR), name=f"renamed-{n}") for n in range(3)]
    made(tmp_path, begin + 999 * HOUR, other="arguments")
    (tmp_path / "20991231-000000-dead").mkdir()
    wanted = sorted((run.identity.created for run in runs), reverse=True)
    digest = runs[0].identity.digest
    assert [run.identity.created for run in newest_first(tmp_path, digest)] == wanted
    found = newest(tmp_path, digest)
    assert found is not None and found.identity.created == wanted[0]


def test_old_runs_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    runs = [made(tmp_path, now - 24 * HOUR * days) for days in range(50)]
    names = read_of(monkeypatch)
    found = newest(tmp_path, runs[0].identity.digest)
    assert found is not None and found.identity.id == runs[0].identity.id
    assert 1 <= len(names) <= 3


def test_there_may_be_none(tmp_path: Path) -> None:
    assert newest(tmp_path, "") is None
    assert newest(tmp_path / "not-there", "") is None
