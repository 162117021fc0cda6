"""What a text means for a type: `-s delay=1.5`, `-a pages=3`, `CRAWLER_MAX_BODY=64MiB`.

Settings and spider arguments come as text from a shell; this is the one place that reads them.
What a text looks like is decided by the type alone, never guessed from the text.
"""

from __future__ import annotations

import collections.abc
import enum
import re
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

__all__ = ["from_text", "with_unit"]

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SIZES: dict[str, float] = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_TIMES = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS = {"bytes": _SIZES, "seconds": _TIMES}
_NO_UNIT: dict[str, float] = {"": 1}
_MEASURE = re.compile(r"\s*([+-]?[\d_]*\.?[\d_]+(?:e[+-]?\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Set, collections.abc.Iterable)
_TABLES = (dict, collections.abc.Mapping)


def from_text(text: str, type_: Any, unit: str = "") -> Any:
    """The value that `text` stands for, of `type_` as far as text can say; msgspec checks the rest.

    - bool: true yes on 1, false no off 0
    - int, float: numbers, "_" between digits allowed; with `unit` "bytes" or "seconds" an ending
      (KiB MiB GiB kB MB GB; ms s m h d)
    - X | None: "none" or "null" is None, also for str
    - lists: "a,b,c", or a JSON list where a comma is part of a member; empty is the empty list
    - tables: "name=value,name=value", or a JSON object
    - Literal and Enum: a member's value as text, or an Enum member's name

    Raises ValueError where the text has no such meaning.
    """
    type_, unit = _bare(type_, unit)
    origin = get_origin(type_)
    if origin in (Union, types.UnionType):
        return _union(text, get_args(type_), unit)
    if type_ is bool:
        if text.strip().lower() not in _WORDS:
            raise ValueError(f"{text!r} is neither true nor false")
        return _WORDS[text.strip().lower()]
    if type_ in (int, float):
        return with_unit(text, type_, unit)
    if origin is Literal:
        return next((member for member in get_args(type_) if str(member) == text), text)
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return next((member for member in type_ if text in (str(member.value), member.name)), text)
    return _compound(text, type_, origin or type_)


def with_unit(text: str, type_: type[int] | type[float], unit: str = "") -> int | float:
    """A number with an optional ending: "32MiB" in bytes, "1.5h" in seconds. Raises ValueError."""
    match = _MEASURE.fullmatch(text)
    factors = _UNITS.get(unit, _NO_UNIT)
    if match is None or match[2].lower() not in factors:
        endings = f" (endings: {' '.join(name for name in factors if name)})" if unit else ""
        raise ValueError(f"{text!r} is no {'whole ' if type_ is int else ''}number{endings}")
    if type_ is int and re.fullmatch(r"[+-]?[\d_]+", match[1]):
        return int(match[1]) * int(factors[match[2].lower()])  # exact, also beyond 2**53
    value = float(match[1]) * factors[match[2].lower()]
    if type_ is int and (value != int(value) or not match[2]):
        raise ValueError(f"{text!r} is no whole number")
    return type_(value)


def _bare(type_: Any, unit: str) -> tuple[Any, str]:
    """The type without its Annotated shell, and the unit that the shell names."""
    while get_origin(type_) is Annotated:
        for note in type_.__metadata__:
            if isinstance(note, msgspec.Meta) and note.extra:
                unit = str(note.extra.get("unit", unit))
        type_ = type_.__origin__
    return type_, unit


def _union(text: str, members: tuple[Any, ...], unit: str) -> Any:
    """The first member that can read the text; str reads anything, so it comes last."""
    if type(None) in members and text.strip().lower() in ("none", "null"):
        return None
    reading = sorted((member for member in members if member is not type(None)), key=lambda member: member is str)
    problem: Exception = ValueError(f"{text!r} is nothing that is allowed")
    for member in reading:
        try:
            value = from_text(text, member, unit)
            msgspec.convert(value, member, strict=False, dec_hook=_any_type)
        except (ValueError, TypeError) as error:
            problem = error
        else:
            return value
    raise ValueError(str(problem))


def _any_type(_: type, value: Any) -> Any:
    return value


def _compound(text: str, type_: Any, kind: Any) -> Any:
    members = get_args(type_)
    if kind in _LISTS:
        if text.lstrip().startswith("["):
            return _json(text)
        member = members[0] if members else str
        return [from_text(part.strip(), member) for part in text.split(",")] if text.strip() else []
    if kind in _TABLES:
        if text.lstrip().startswith("{"):
            return _json(text)
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        if any(not equals for _, equals, _ in pairs):
            raise ValueError(f"{text!r} is no table: write name=value,name=value or a JSON object")
        value_type = members[1] if len(members) == 2 else str
        return {name.strip(): from_text(value.strip(), value_type) for name, _, value in pairs}
    is_text = kind in (str, Any, object, bytes)
    return _json(text) if text.lstrip().startswith("{") and not is_text else text


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"{text!r} looks like JSON and is none: {error}") from None
