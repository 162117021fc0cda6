"""The ids of one host, in their short form and their long one, against a deque for each level."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from crawler.scheduler import chains as module
from crawler.scheduler.chains import Chains

Levels = st.tuples(st.sampled_from([0, 0, 0, -1, 2]), st.sampled_from([0, 1, 2, 255, 256]))
Plain = st.tuples(st.just(0), st.integers(0, 3))
Steps = st.lists(
    st.tuples(
        st.sampled_from(["append", "extend", "give back", "take", "put away"]),
        st.one_of(Levels, Plain),
        st.integers(1, 6),
    ),
    max_size=60,
)


@given(steps=Steps, most=st.sampled_from([3, 64]))
def test_they_answer_as_a_deque_for_each_level(steps: list[tuple[str, tuple[int, int], int]], most: int) -> None:
    before, module._RUN = module._RUN, 8 * most
    try:
        chains, twin, id = Chains(), dict[tuple[int, int], deque[int]](), 1 << 40
        for what, level, n in steps:
            line = twin.setdefault(level, deque())
            id += n
            if what == "append":
                chains.append(level, id)
                line.append(id)
            elif what == "extend":
                chains.extend(level, range(id, id + n))
                line.extend(range(id, id + n))
                id += n
            elif what == "give back":
                chains.give_back(level, id)
                line.appendleft(id)
            elif what == "take":
                expected = [one for _, ids in sorted(twin.items()) for one in ids][:n]
                assert chains.take(n) == expected
                for ids in twin.values():
                    while ids and ids[0] in expected:
                        ids.popleft()
            elif chains.run is not None:
                chains = Chains(chains.run)
            assert chains.count == sum(map(len, twin.values()))
            if chains.count:
                assert chains.best == min(level for level, ids in twin.items() if ids)
        assert chains.take(10**6) == [one for _, ids in sorted(twin.items()) for one in ids]
    finally:
        module._RUN = before


def test_a_host_of_few_pages_is_one_run_of_bytes() -> None:
    chains = Chains()
    for id in range(1, 65):
        chains.append((0, 1), id)
    assert chains.run is not None and len(chains.run) == 8 * 64
    chains.append((0, 1), 65)
    assert chains.run is None and chains.count == 65
