"""The set of known keys, against a plain `set`."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.frontier import seen
from crawler.frontier.seen import SeenSet, kept

# few different bytes, so that keys overlap each other's borders in a bucket
MARKS = st.integers(0, 255)
KEYS = st.one_of(st.binary(min_size=16, max_size=16), st.text("ab", min_size=16, max_size=16).map(str.encode))


@given(steps=st.lists(st.one_of(KEYS, st.dictionaries(KEYS, MARKS)), max_size=60), asked=st.lists(KEYS), mark=MARKS)
def test_it_answers_as_a_dict(steps: list[bytes | dict[bytes, int]], asked: list[bytes], mark: int) -> None:
    keys, twin = SeenSet(), dict[bytes, int]()
    for step in steps:
        if isinstance(step, bytes):
            assert keys.add(step, mark) == (None if step[:15] in twin else kept(step, mark))
            twin.setdefault(step[:15], mark)
        else:
            new = {key[:15]: mark for key, mark in step.items() if key[:15] not in twin}
            keys.load(b"".join(kept(key, mark) for key, mark in new.items()))
            twin.update(new)
        assert len(keys) == len(twin)
    for key in [*asked, *(short + b"x" for short in twin)]:
        assert keys.find(key) == twin.get(key[:15], -1)
        assert (key in keys) is (key[:15] in twin)


@pytest.mark.parametrize("reserved", [0, 1, 1000, 30_000])
def test_many_keys(reserved: int) -> None:
    draw = random.Random(7).randbytes
    known = [draw(16) for _ in range(20_000)]
    keys = SeenSet()
    keys.reserve(reserved)
    keys.load(b"".join(kept(key, 7) for key in known[:10_000]))
    assert all(keys.add(key, 9) for key in known[10_000:])
    assert not any(keys.add(key) for key in known)
    assert {keys.find(key) for key in known[:10_000]} == {7}
    assert {keys.find(key) for key in known[10_000:]} == {9}
    assert all(key in keys for key in known) and not any(draw(16) in keys for _ in range(10_000))
    assert len(keys) == 20_000


def test_a_key_across_the_border_of_two_others_is_not_there() -> None:
    keys = SeenSet()
    one, two = b"0123456789abcdef", b"ghijklmnopqrstuv"
    keys.load(one + two)  # one bucket
    across = (one + two)[5:21]
    assert across not in keys
    assert keys.add(across, across[15]) and across in keys
    assert not keys.add(across) and len(keys) == 3


def test_no_insert_moves_more_than_one_bucket() -> None:
    """The longest stall is a bucket's split: growing touches one bucket and appends one, at any size."""
    keys, draw = SeenSet(), random.Random(3).randbytes
    for _ in range(5000):
        before = list(keys._buckets)
        keys.add(draw(16))
        changed = sum(one is not other for one, other in zip(before, keys._buckets, strict=False))
        assert changed <= 2 and len(keys._buckets) - len(before) <= 1


def test_the_buckets_stay_small() -> None:
    keys = SeenSet()
    keys.load(random.Random(5).randbytes(16 * 50_000))
    sizes = [len(bucket) // 16 for bucket in keys._buckets]
    assert sum(sizes) == 50_000 and max(sizes) < 8 * seen.LOAD and sum(sizes) / len(sizes) > seen.LOAD * 0.9


@pytest.mark.parametrize("wrong", [b"", b"x" * 15, b"x" * 17])
def test_other_lengths_are_refused(wrong: bytes) -> None:
    keys = SeenSet()
    with pytest.raises(ValueError, match="16"):
        keys.add(wrong)
    if wrong:
        with pytest.raises(ValueError, match="16"):
            keys.load(wrong)
