"""Items as MessagePack and JSON.

An item is written once, as MessagePack (msgspec's rules), and read back as a dict of plain values.
What the two formats do not have is settled here, so that no item is lost to a value:

- a lone surrogate (a page can bring one) becomes U+FFFD; a split pair becomes its character;
- an aware datetime is kept as its instant, in UTC; naive ones, date, time, Decimal, UUID, Path and
  yarl.URL as text; an Enum as its value; a set as a list; bytes as base64 in JSON;
- NaN and infinities stay floats in MessagePack and are null in JSON, which has no word for them;
- an int that needs more than 64 bits is a TypeError that names the field: say str(...) in the spider.

The common case is one call of msgspec with a cached plan for the item's type (0.3 µs on top). The
slow way beside it is taken when that call fails: it mends what can be mended and otherwise names the
field that cannot be written.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from yarl import URL

__all__ = ["decode_item", "encode_item", "is_item", "to_json_line"]


class _Plan(NamedTuple):
    """How items of one type are written. `fields` is None for a dict: its own keys."""

    name: str
    fields: tuple[str, ...] | None
    as_dict: Callable[[Any], dict[str, Any]]
    native: bool
    """msgspec writes the object itself as `as_dict` would give it."""


_plans: dict[type, _Plan | None] = {}  # by type, so it holds as many as a program has item types
_MOST_PLANS = 10_000  # ... unless a spider makes a class per page
_MOST_LEVELS = 200
_CANNOT = (TypeError, ValueError, OverflowError, RecursionError)
_LINE_BREAKS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))


def is_item(value: object) -> bool:
    """Whether a value is an item: a dict, or an object of a dataclass, Struct, attrs or pydantic class."""
    return _plan(type(value)) is not None


def encode_item(item: Any) -> tuple[str, tuple[str, ...], bytes]:
    """The item's type name, its field names in order (a dict's keys), and its MessagePack.

    Raises TypeError for what is no item, and for a value that cannot be written, naming the field.
    """
    plan = _plan(type(item))
    if plan is None:
        raise TypeError(
            f"{type(item).__name__} is no item: use a dataclass, Struct, attrs or pydantic class, or a dict"
        )
    source = item if plan.native else plan.as_dict(item)
    try:
        raw = _encode(source)
    except _CANNOT:
        source = _plain(source, plan.name, 0)
        raw = _encode(source)
    fields = plan.fields
    if fields is None:
        fields = tuple(source)
        try:
            "".join(fields)  # the cheapest question whether all are text
        except TypeError:
            source = _plain(source, plan.name, 0)
            fields, raw = tuple(source), _encode(source)
    return plan.name, fields, raw


def decode_item(raw: bytes) -> dict[str, Any]:
    """The item as a dict of plain values. Raises msgspec.DecodeError for bytes that `encode_item` did not make."""
    item = _decode(raw)
    if type(item) is not dict:
        raise msgspec.DecodeError(f"an item is a map, not {type(item).__name__}")
    return item


def to_json_line(value: Any) -> bytes:
    """JSON (RFC 8259) on one line, without the newline at its end.

    Characters that some readers take for the end of a line (U+0085, U+2028, U+2029) are escaped.
    """
    try:
        line = _to_json(value)
    except _CANNOT:  # keys that JSON does not have (None, tuples), or a dict from elsewhere
        line = _to_json(_plain(value, "item", 0))
    if line.find(b"\xe2\x80") >= 0 or line.find(b"\xc2\x85") >= 0:  # half the price of `in`, for bytes
        for character, escaped in _LINE_BREAKS:
            line = line.replace(character, escaped)
    return line


# -- plans


def _plan(kind: type) -> _Plan | None:
    try:
        return _plans[kind]
    except KeyError:
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        plan = _plans[kind] = _make_plan(kind)
        return plan


def _make_plan(kind: type) -> _Plan | None:
    name = kind.__qualname__.rpartition("<locals>.")[2]
    if issubclass(kind, dict):
        return _Plan(name, None, dict, True)
    if issubclass(kind, msgspec.Struct):
        return _plan_struct(name, kind)
    if _is_pydantic(kind):
        names = (*kind.model_fields, *kind.model_computed_fields)  # type: ignore[attr-defined]
        open_ended = kind.model_config.get("extra") == "allow"  # type: ignore[attr-defined]
        return _Plan(name, None if open_ended else names, _dump, False)
    if dataclasses.is_dataclass(kind):
        declared = dataclasses.fields(kind)
        names = tuple(field.name for field in declared)
        # msgspec leaves out fields that live on the class only (init=False with a default), and puts
        # inherited slots last.
        native = all(field.init for field in declared) and not hasattr(kind, "__slots__")
        return _Plan(name, names, _by_names(names), native)
    attributes = getattr(kind, "__attrs_attrs__", None)
    if attributes is not None:
        names = tuple(attribute.name for attribute in attributes)
        return _Plan(name, names, _by_names(names), False)
    return None


def _plan_struct(name: str, kind: type[msgspec.Struct]) -> _Plan:
    config = kind.__struct_config__
    tag = {} if config.tag_field is None else {config.tag_field: config.tag}
    pairs = tuple(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))

    def as_dict(item: Any) -> dict[str, Any]:
        values = ((written, getattr(item, own)) for written, own in pairs)
        return {**tag, **{written: value for written, value in values if value is not msgspec.UNSET}}

    # array_like ones would be written without their names.
    return _Plan(name, (*tag, *kind.__struct_encode_fields__), as_dict, not config.array_like)


def _by_names(names: tuple[str, ...]) -> Callable[[Any], dict[str, Any]]:
    return lambda item: {name: getattr(item, name) for name in names if hasattr(item, name)}


def _is_pydantic(kind: type) -> bool:
    pydantic = sys.modules.get("pydantic")  # a model exists only where somebody has imported it
    model = getattr(pydantic, "BaseModel", None)
    return model is not None and issubclass(kind, model) and hasattr(kind, "model_dump")


def _dump(model: Any) -> dict[str, Any]:
    dumped = model.model_dump()
    return dumped if isinstance(dumped, dict) else {"root": dumped}


# -- values


def _simpler(value: Any) -> Any:
    """What msgspec does not know, as something it knows. Raises TypeError for what has no such form."""
    if isinstance(value, str):
        return str.__str__(value)  # a subclass, as lxml's and markupsafe's are
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, URL):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, enum.Enum):
        return value.value
    plan = _plan(type(value))
    if plan is not None:
        return plan.as_dict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | AbstractSet):
        return list(value)
    package = type(value).__module__.partition(".")[0]
    if package == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if package in ("pydantic", "pydantic_core"):  # its URLs and secrets have their text form
        return str(value)
    raise TypeError(_no_value(value))


def _no_value(value: object) -> str:
    kind = type(value).__name__
    if hasattr(value, "getall") or hasattr(value, "xpath"):
        return f"is a {kind}: take its text with .get() or .getall()"
    return f"is a {kind}, which has no form in MessagePack and JSON: turn it into text or numbers"


def _key(key: object) -> str:
    if isinstance(key, str):
        return _mend(key)
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]  # as Python's json writes them
    return _mend(str(key.value if isinstance(key, enum.Enum) else key))


def _mend(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _plain(value: Any, path: str, level: int) -> Any:
    """The slow way: a copy that msgspec surely writes. Raises TypeError that names the field."""
    if level > _MOST_LEVELS:
        raise TypeError(f"{path[:80]}… is nested more than {_MOST_LEVELS} levels deep, or holds itself")
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, str):
        return _mend(value)
    if isinstance(value, int) and not isinstance(value, enum.Enum):
        if not -(1 << 63) <= value < 1 << 64:
            raise TypeError(f"{path} is an int of more than 64 bits: write it as str(...)")
        return int(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(inner, f"{path}.{key}", level + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | AbstractSet):
        return [_plain(inner, f"{path}[{n}]", level + 1) for n, inner in enumerate(value)]
    plan = _plan(type(value))
    if plan is not None:
        return _plain(plan.as_dict(value), path, level)
    try:
        _encode(value)
    except _CANNOT:
        if isinstance(value, datetime):  # an aware one whose instant is outside the calendar
            return value.isoformat()
    else:
        return value
    try:
        simpler = _simpler(value)
    except TypeError as error:
        raise TypeError(f"{path} {error}") from None
    return _plain(simpler, path, level + 1)


_encode = msgspec.msgpack.Encoder(enc_hook=_simpler).encode
_decode = msgspec.msgpack.Decoder().decode
_to_json = msgspec.json.Encoder().encode
