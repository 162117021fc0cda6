"""`self.state`: operations, overlays, what may be stored, what is read back."""

from __future__ import annotations

from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.contracts import StateOp
from crawler.state import State, apply, decode_value, encode_value


def test_writes_outside_of_a_page_apply_at_once() -> None:
    state = State()
    state["a"] = 1
    state.add("a", 2)
    state.max("top", 3)
    state.max("top", 2)
    state.min("low", 3)
    state.min("low", 2)
    state.put("set", "x")
    state.put("set", "x")
    del state["low"]
    assert dict(state) == {"a": 3, "top": 3, "set": frozenset({"x"})}


def test_a_page_sees_its_own_writes_and_nobody_else_does() -> None:
    current: ContextVar[Any] = ContextVar("page", default=None)
    state = State(current)
    state["n"] = 10
    page = SimpleNamespace(state=[], own={})
    token = current.set(page)
    state.add("n")
    state["mine"] = [1]
    assert (state["n"], state["mine"], "mine" in state, len(state)) == (11, (1,), True, 2)
    del state["n"]
    assert "n" not in state
    state.add("n", 5)
    assert state["n"] == 5
    current.reset(token)
    assert dict(state) == {"n": 10}
    state.accept(page.state)
    assert dict(state) == {"n": 5, "mine": (1,)}


def test_values_are_frozen_copies() -> None:
    state = State()
    given = {"list": [1], "deep": {"x": [1]}}
    state["v"] = given
    given["list"].append(2)  # type: ignore[attr-defined]
    assert state["v"]["list"] == (1,)
    with pytest.raises(TypeError):
        state["v"]["new"] = 1
    with pytest.raises(AttributeError):
        state["v"]["deep"]["x"].append(2)
    with pytest.raises(TypeError, match=r"state\['o'\]"):
        state["o"] = object()
    with pytest.raises(KeyError):
        state["nothing"]


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(plain | st.frozensets(st.text() | st.integers(0, 99)))
def test_values_survive_the_disk(value: Any) -> None:
    assert decode_value(encode_value(value)) == value
    assert encode_value(decode_value(encode_value(value))) == encode_value(value)


@given(st.permutations([("add", 3), ("add", 4), ("add", -2)]), st.permutations([5, 1, 9]))
def test_commuting_operations_commute(adds: list[tuple[str, int]], tops: list[int]) -> None:
    state: dict[str, Any] = {}
    apply(state, [StateOp(op, "n", value) for op, value in adds])
    apply(state, [StateOp("max", "top", value) for value in tops] + [StateOp("min", "low", value) for value in tops])
    apply(state, [StateOp("put", "set", value) for value in tops])
    assert state == {"n": 5, "top": 9, "low": 1, "set": frozenset({1, 5, 9})}
