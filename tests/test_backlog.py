"""The backlog against the obvious one: lists of ids by host and level."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from crawler.backlog import Backlog, Gathering

Rows = list[tuple[int, int, int]]  # host, priority, depth; the place is the id


@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 1), st.integers(0, 2)), max_size=60),
    step=st.integers(1, 20),
    highest=st.sampled_from([60, 1 << 40]),
)
@example(rows=[(3, 0, 0)] * 5, step=2, highest=60)
def test_ids_come_back_by_host_level_and_age(rows: Rows, step: int, highest: int) -> None:
    gathering = Gathering(highest)
    expected: dict[tuple[str, tuple[int, int]], list[int]] = {}
    first = 1 if highest == 60 else 1 << 33
    for at in range(0, len(rows), step):
        part = rows[at : at + step]
        ids = list(range(first + at, first + at + len(part)))
        codes = [gathering.code((-priority, depth)) for _, priority, depth in part]
        gathering.add(ids, [host for host, *_ in part], codes)
        for id, (host, priority, depth) in zip(ids, part, strict=True):
            expected.setdefault((f"h{host}", (-priority, depth)), []).append(id)
    assert len(gathering) == len(rows)
    backlog = gathering.backlog(lambda number: f"h{number}")
    assert len(backlog) == len(rows)
    assert len(backlog.hosts) == len({host for host, *_ in rows}) == len(set(backlog.hosts))
    assert {(host, level): list(ids) for host, level, ids in backlog} == expected
    for place, host in enumerate(backlog.hosts):
        levels = [level for level, _ in backlog.chains(place)]
        assert levels == sorted(levels)
        assert backlog.best(place) == levels[0] == min(level for name, level in expected if name == host)


def test_of_chains() -> None:
    backlog = Backlog.of([("b", (0, 1), [2, 5]), ("a", (0, 0), [3]), ("b", (-1, 7), [9])])
    assert [(host, level, list(ids)) for host, level, ids in backlog] == [
        ("b", (-1, 7), [9]), ("b", (0, 1), [2, 5]), ("a", (0, 0), [3]),
    ]  # fmt: skip
    assert len(Backlog()) == 0 and list(Backlog()) == []
