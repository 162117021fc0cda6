"""`self.state`: what a spider remembers across pages, committed with them.

A callback's writes are recorded as operations with its page and applied at the page's commit, in
order; so `add`, `max`, `min` and `put` are right from any callback, process or machine. Reads give
committed values plus the page's own, as frozen copies: a change in place fails at its line.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from crawler.contracts import StateOp

__all__ = ["State", "Writes", "apply", "decode_value", "encode_value"]

_SET = 1  # the MessagePack extension type of a set: its members as an array


class Writes(Protocol):
    """Where a page keeps its own writes until its outcome is accepted."""

    state: list[StateOp]
    own: dict[str, Any]


_GONE = object()


class State(UserDict[str, Any]):
    """A mapping of plain values (str, numbers, bytes, lists, dicts, sets)."""

    def __init__(self, page: ContextVar[Any] | None = None) -> None:
        super().__init__()
        self._page = page

    def add(self, key: str, n: float = 1) -> None:
        """Adds `n` to a number (0 where there is none)."""
        self._write("add", key, n)

    def max(self, key: str, value: Any) -> None:
        """Keeps the larger of the two."""
        self._write("max", key, value)

    def min(self, key: str, value: Any) -> None:
        """Keeps the smaller of the two."""
        self._write("min", key, value)

    def put(self, key: str, member: Any) -> None:
        """Adds a member to a set (made where there is none)."""
        self._write("put", key, member)

    def __getitem__(self, key: str) -> Any:
        writes = self._writes()
        value = writes.own.get(key, self.data.get(key, _GONE)) if writes is not None else self.data.get(key, _GONE)
        if value is _GONE:
            raise KeyError(key)
        return _frozen(value)

    def __setitem__(self, key: str, value: Any) -> None:
        self._write("set", key, value)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._write("delete", key, None)

    def __contains__(self, key: object) -> bool:
        writes = self._writes()
        if writes is not None and key in writes.own:
            return writes.own[key] is not _GONE
        return key in self.data

    def __iter__(self) -> Iterator[str]:
        writes = self._writes()
        own = writes.own if writes is not None else {}
        yield from [key for key in self.data if own.get(key) is not _GONE]
        yield from [key for key, value in own.items() if key not in self.data and value is not _GONE]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"State({ {key: self[key] for key in self} })"

    def accept(self, ops: Sequence[StateOp]) -> None:
        """Applies the writes of an accepted outcome (the engine's call)."""
        apply(self.data, ops)

    def _writes(self) -> Writes | None:
        writes: Writes | None = self._page.get(None) if self._page is not None else None
        return writes

    def _write(self, op: str, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"state: a key is a str, not {key!r}")
        try:
            value = decode_value(encode_value(value))  # a copy, and the refusal of what cannot be stored, at its line
        except TypeError as error:
            raise TypeError(f"state[{key!r}]: {error}") from None
        record = StateOp(op, key, value)
        writes = self._writes()
        if writes is None:  # before the crawl, or outside of it: there is no page to commit with
            apply(self.data, [record])
            return
        seen = dict(self.data) if key not in writes.own else {}
        if key in writes.own and writes.own[key] is not _GONE:
            seen[key] = writes.own[key]
        apply(seen, [record])
        writes.state.append(record)
        writes.own[key] = seen.get(key, _GONE)


def apply(state: MutableMapping[str, Any], ops: Sequence[StateOp]) -> None:
    """Applies writes in order. The one definition of what each operation means."""
    for op in ops:
        key, value = op.key, op.value
        if op.op == "set":
            state[key] = value
        elif op.op == "delete":
            state.pop(key, None)
        elif op.op == "put":
            state[key] = frozenset(state.get(key, ())) | {_frozen(value)}
        elif key not in state:
            state[key] = value
        elif op.op == "add":
            state[key] = state[key] + value
        elif op.op == "max":
            state[key] = max(state[key], value)
        elif op.op == "min":
            state[key] = min(state[key], value)
        else:
            raise ValueError(f"unknown state operation {op.op!r}")


def encode_value(value: Any) -> bytes:
    """A value as MessagePack; sets are extension type 1. Raises TypeError for what is no plain data."""
    try:
        return msgspec.msgpack.encode(_storable(value))
    except OverflowError as error:
        raise TypeError(str(error)) from None


def decode_value(raw: bytes) -> Any:
    """The value that `encode_value` stored."""
    return msgspec.msgpack.decode(raw, ext_hook=_ext)


def _storable(value: Any) -> Any:
    if isinstance(value, AbstractSet):
        members = sorted(msgspec.msgpack.encode(_storable(member)) for member in value)
        return msgspec.msgpack.Ext(_SET, msgspec.msgpack.encode([msgspec.Raw(member) for member in members]))
    if isinstance(value, Mapping):
        return {name: _storable(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(member) for member in value]
    return value


def _ext(code: int, data: memoryview) -> Any:
    if code != _SET:
        raise ValueError(f"unknown extension type {code} in the state")
    return frozenset(_frozen(member) for member in msgspec.msgpack.decode(data, ext_hook=_ext))


def _frozen(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_frozen(member) for member in value)
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(member) for name, member in value.items()})
    if isinstance(value, set):
        return frozenset(value)
    return value
