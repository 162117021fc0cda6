"""The set of known keys, against a plain `set`."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.frontier import seen
from crawler.frontier.seen import SeenSet

# few different bytes, so that keys overlap each other's borders in a bucket
KEYS = st.one_of(st.binary(min_size=16, max_size=16), st.text("ab", min_size=16, max_size=16).map(str.encode))


@given(steps=st.lists(st.one_of(KEYS, st.lists(KEYS)), max_size=60), asked=st.lists(KEYS))
def test_it_answers_as_a_set(steps: list[bytes | list[bytes]], asked: list[bytes]) -> None:
    keys, twin = SeenSet(), set[bytes]()
    for step in steps:
        if isinstance(step, bytes):
            assert keys.add(step) is (step not in twin)
            twin.add(step)
        else:
            assert keys.add_many(b"".join(step)) == len(set(step) - twin)
            twin.update(step)
        assert len(keys) == len(twin)
    for key in [*asked, *twin]:
        assert (key in keys) is (key in twin)


@pytest.mark.parametrize("reserved", [0, 1, 1000, 30_000])
def test_many_keys_with_the_front_too_small_for_them(monkeypatch: pytest.MonkeyPatch, reserved: int) -> None:
    monkeypatch.setattr(seen, "RECENT", 100)
    draw = random.Random(7).randbytes
    known = [draw(16) for _ in range(20_000)]
    keys = SeenSet()
    keys.reserve(reserved)
    assert keys.add_many(b"".join(known[:10_000])) == 10_000
    assert all(keys.add(key) for key in known[10_000:])
    assert not any(keys.add(key) for key in known)
    assert keys.add_many(b"".join(known[5000:15_000])) == 0
    assert all(key in keys for key in known) and not any(draw(16) in keys for _ in range(10_000))
    assert len(keys) == 20_000


def test_a_key_across_the_border_of_two_others_is_not_there() -> None:
    keys = SeenSet()
    one, two = b"0123456789abcdef", b"ghijklmnopqrstuv"
    keys.add_many(one + two)  # one bucket
    across = (one + two)[5:21]
    assert across not in keys
    assert keys.add(across) and across in keys
    assert not keys.add(across) and keys.add_many(across) == 0


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
    keys.add_many(random.Random(5).randbytes(16 * 50_000))
    sizes = [len(bucket) // 16 for bucket in keys._buckets]
    assert sum(sizes) == 50_000 and max(sizes) < 8 * seen.LOAD and sum(sizes) / len(sizes) > seen.LOAD * 0.9


@pytest.mark.parametrize("wrong", [b"", b"x" * 15, b"x" * 17])
def test_other_lengths_are_refused(wrong: bytes) -> None:
    keys = SeenSet()
    with pytest.raises(ValueError, match="16"):
        keys.add(wrong)
    if wrong:
        with pytest.raises(ValueError, match="16"):
            keys.add_many(wrong)
