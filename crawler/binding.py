"""A callback as it is stored: its method's name and keyword arguments, never a function.

Checked when the request is made; encoded as MessagePack at the yield; decoded by the callback's
annotations, so that a first run and a resumed one see the same values.
"""

from __future__ import annotations

import functools
import inspect
import reprlib
import zlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

__all__ = ["bind", "decode_kwargs", "encode_kwargs", "mark_of"]


def encode_kwargs(kwargs: Mapping[str, Any]) -> bytes:
    """The arguments of a callback as MessagePack. Raises TypeError naming the one that cannot be stored."""
    try:
        return msgspec.msgpack.encode(kwargs)
    except (TypeError, OverflowError, ValueError, RecursionError):
        for name, value in kwargs.items():
            try:
                msgspec.msgpack.encode(value)
            except (TypeError, OverflowError, ValueError, RecursionError) as error:
                raise TypeError(
                    f"the callback's argument {name}={reprlib.repr(value)} cannot be stored ({error}); "
                    "pass plain data: str, numbers, lists, dicts, dataclasses"
                ) from None
        raise


def bind(callback: object, word: Literal["callback", "errback"] = "callback") -> tuple[str, Mapping[str, Any]]:
    """The stored form of a callback: its method's name and keyword arguments.

    Raises TypeError for what another process could not find again (a lambda, a foreign function),
    for arguments that the method does not take, and for a name that is no method.
    """
    if callback is None:
        return "", _NO_KWARGS
    kwargs: Mapping[str, Any] = _NO_KWARGS
    if isinstance(callback, functools.partial):
        if callback.args:
            raise TypeError(f"{word}: give its arguments by name: partial(self.method, name=value)")
        kwargs = callback.keywords
        callback = callback.func
    owner: Any = getattr(callback, "__self__", None)
    function: Any = getattr(callback, "__func__", None)
    if owner is None or function is None:
        raise TypeError(_foreign_callback(callback, word))
    kind: Any = type(owner)
    return _bound_name(kind, function, tuple(kwargs), word), kwargs


_NO_KWARGS: Mapping[str, Any] = {}


def _foreign_callback(callback: object, word: str) -> str:
    if isinstance(callback, str):
        return f"{word}={callback!r}: give the method itself, self.{callback}"
    name = getattr(callback, "__qualname__", repr(callback))
    return (
        f"{word} must be a method of the spider (self.parse_x) or functools.partial(self.parse_x, name=value): "
        f"{name} could not be found again after a restart"
    )


@functools.lru_cache(maxsize=1024)
def _bound_name(owner: Any, function: Any, names: tuple[str, ...], word: str) -> str:
    """Checked once per (method, argument names): `inspect.signature` costs 8 µs."""
    name = str(function.__name__)
    found: Any = getattr(owner, name, None)
    if found is not function:
        raise TypeError(_foreign_callback(function, word))
    signature = inspect.signature(function)
    first = (None, None) if word == "callback" else (None, None, None)  # self and response; self, request and error
    try:
        signature.bind(*first, **dict.fromkeys(names))
    except TypeError as error:
        raise TypeError(f"{word}: {owner.__name__}.{name}{signature} does not fit its arguments: {error}") from None
    return name


@functools.lru_cache(maxsize=1024)
def _arguments_type(function: Any, names: tuple[str, ...]) -> Any:
    """A struct with the annotations of the named parameters, to decode stored arguments by."""
    try:
        hints = inspect.get_annotations(function, eval_str=True)
    except Exception:  # an annotation under TYPE_CHECKING: plain values then
        hints = {}
    try:
        struct = msgspec.defstruct("Arguments", [(name, hints.get(name, Any)) for name in names])
        msgspec.msgpack.Decoder(struct)
    except TypeError:  # a type that msgspec cannot read: plain values then
        struct = msgspec.defstruct("Arguments", [(name, Any) for name in names])
    return msgspec.msgpack.Decoder(struct)


def mark_of(callback: str, kwargs: Mapping[str, Any] | bytes) -> int:
    """One byte, 1 to 255, that says with which callback and arguments a request was made; 0 says nothing.

    Two ways to make a request have different marks but in one of 255 cases.
    """
    if not kwargs or kwargs == b"\x80":
        return _plain_mark(callback)
    raw = kwargs if isinstance(kwargs, bytes) else encode_kwargs(kwargs)
    return zlib.crc32(raw, zlib.crc32(callback.encode())) % 255 + 1


@functools.lru_cache(maxsize=1024)
def _plain_mark(callback: str) -> int:
    return zlib.crc32(callback.encode()) % 255 + 1


def decode_kwargs(method: Any, raw: bytes) -> dict[str, Any]:
    """The stored arguments of a callback, typed by its annotations. Raises msgspec.ValidationError."""
    if raw == b"\x80":
        return {}
    plain: dict[str, Any] = msgspec.msgpack.decode(raw)
    typed = _arguments_type(getattr(method, "__func__", method), tuple(plain)).decode(raw)
    return {name: getattr(typed, name) for name in plain}
