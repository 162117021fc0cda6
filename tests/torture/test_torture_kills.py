"""Killed at random moments, resumed, again and again: lost 0, repeated 0, nothing fetched twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from time import monotonic

import pytest
from torture_lives import Commands, Forks, Parent
from torture_trial import Report, Trial

from crawler.demo import DemoServer

FORKED, STARTED, SOAKED = 19, 8, 500  # kills that count


@pytest.fixture
def shop() -> Iterator[Callable[[], DemoServer]]:
    """Opens practice sites with latency and stumbles, each with its own memory of who was refused."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(DemoServer(products=60, latency=0.03, flaky=0.1, slow=0.2))


Tortured = Callable[[Parent, int], Report]


@pytest.fixture
def tortured(
    forks: Forks,
    shop: Callable[[], DemoServer],
    tmp_path: Path,
    seed: int,
    record_property: Callable[[str, object], None],
) -> Tortured:
    """Trial after trial until enough kills count; each is compared with the run that nobody killed."""

    def tortured(parent: Parent, enough: int) -> Report:
        report = _trials(parent, forks, shop, tmp_path, seed, enough)
        record_property("torture", str(report))
        return report

    return tortured


def _trials(parent: Parent, forks: Forks, shop: Callable[[], DemoServer], at: Path, seed: int, enough: int) -> Report:
    dice, report, begin = Random(seed), Report(seed), monotonic()
    right = Trial(at / "undisturbed", shop()).undisturbed(forks)
    assert right.counters["items"] == 60
    try:
        while report.counting < enough:
            trial = Trial(at / f"trial-{report.trials + 1}", shop())
            trial.torture(parent, dice, report, enough)
            trial.compare(trial.left(), right, report)
    finally:
        report.seconds = monotonic() - begin
        print(f"\n{report}")
    return report


def test_forked_lives(forks: Forks, tortured: Tortured) -> None:
    report = tortured(forks, FORKED)
    assert report.counting >= FORKED and report.lost == report.repeated == 0


def test_the_command(tortured: Tortured) -> None:
    report = tortured(Commands(), STARTED)
    assert report.counting >= STARTED and report.lost == report.repeated == 0


@pytest.mark.soak
def test_for_long(forks: Forks, tortured: Tortured) -> None:
    report = tortured(forks, SOAKED)
    assert report.counting >= SOAKED and report.lost == report.repeated == 0
