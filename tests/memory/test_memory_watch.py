"""What the watch does at which share: scripted readings, real decisions."""

from __future__ import annotations

import pytest

from crawler.ending import End
from crawler.memory import Watch
from crawler.memory.ceiling import OwnCeiling, Reading, resident
from crawler.stopping import Stop

PLENTY, AT_ONCE = 80, 20


class Shares:
    """A ceiling whose usage a test sets, in percent."""

    def __init__(self) -> None:
        self.used: float | None = 10

    def read(self) -> Reading | None:
        return None if self.used is None else Reading(int(self.used * 10_000), 1_000_000, "a test")


class World:
    """A watch and what it asked for. `garbage` percent go away when it clears up."""

    def __init__(self, *more: Shares) -> None:
        self.ceiling = Shares()
        self.garbage: float = 0
        self.pages = PLENTY
        self.warnings: list[str] = []
        self.ends: list[End] = []
        self.cleared = 0
        self.watch = Watch(
            [self.ceiling, *more], concurrency=AT_ONCE, open_pages=PLENTY,
            hold=self.hold, warn=self.warnings.append, end=self.ends.append, clear=self.clear,
        )  # fmt: skip

    def hold(self, pages: int) -> None:
        self.pages = pages

    def clear(self) -> None:
        self.cleared += 1
        assert self.ceiling.used is not None
        self.ceiling.used -= self.garbage

    def at(self, used: float | None) -> int:
        """The pages that may be open after a look at this usage."""
        self.ceiling.used = used
        self.watch.look()
        return self.pages


@pytest.mark.parametrize(("used", "pages"), [(79, PLENTY), (80, 20), (83, 16), (87.5, 10), (92, 4), (94.9, 1)])
def test_pages_shrink_to_one_as_memory_gets_short(used: float, pages: int) -> None:
    world = World()
    assert world.at(used) == pages
    assert not world.ends


def test_pages_come_back_below_75_and_not_before() -> None:
    world = World()
    assert [world.at(used) for used in (92, 85, 79, 75)] == [4, 4, 4, 4]
    assert [world.at(60) for _ in range(6)] == [8, 16, 32, 64, PLENTY, PLENTY]


def test_it_is_said_once() -> None:
    world = World()
    for used in (81, 60, 60, 60, 60, 92, 83):
        world.at(used)
    assert world.warnings == [
        "memory is short, 1 of 1 MiB (a test): fewer pages are in flight until it is below 75%",
    ]


def test_out_of_memory_ends_the_crawl_to_be_resumed() -> None:
    world = World()
    world.at(95)
    (end,) = world.ends
    assert (end.code, end.final, end.leaves, world.watch.over) == (4, False, True, True)
    assert (
        end.reason
        == "memory is out, 1 of 1 MiB (a test): raise the limit or lower concurrency, and run it again to go on"
    )


def test_garbage_alone_neither_slows_nor_ends_a_crawl() -> None:
    world = World()
    world.garbage = 50
    assert world.at(99) == PLENTY
    assert world.at(82) == PLENTY
    assert (world.cleared, world.ends, world.warnings) == (2, [], [])


def test_the_nearest_ceiling_counts() -> None:
    far, unlimited = Shares(), Shares()
    far.used, unlimited.used = 50, None
    world = World(far, unlimited)
    assert world.at(92) == 4
    far.used = 97
    world.at(10)
    assert world.ends


def test_looks_come_sooner_while_memory_grows() -> None:
    world = World()
    assert world.watch.look() < 0.1  # nothing is known yet of how it grows
    for _ in range(40):
        calm = world.watch.look()
    assert calm == 1.0
    world.ceiling.used = 70
    assert world.watch.look() < 0.1


def test_an_own_ceiling_counts_what_is_resident() -> None:
    before = resident()
    kept = b"x" * 50_000_000
    reading = OwnCeiling(1_000_000_000).read()
    assert reading is not None
    assert reading.used - before > 40_000_000 < len(kept)


@pytest.mark.parametrize(
    ("first", "in_flight", "code"),
    [
        (End("limit reached", 0), True, 4),  # not all pages of that limit are done: the run goes on later
        (End("limit reached", 0), False, 0),
        (End.signal("SIGTERM", 143), True, 143),
    ],
)
def test_memory_that_runs_out_while_a_crawl_ends(first: End, in_flight: bool, code: int) -> None:
    stop = Stop(60)
    stop.because(first, in_flight=in_flight)
    assert not stop.impatient
    stop.because(End("memory is out", 4, final=False, leaves=True), in_flight=in_flight)
    assert stop.end is not None and stop.end.code == code
    assert stop.impatient
