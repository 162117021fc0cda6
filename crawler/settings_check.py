"""One setting's value, judged: what is allowed, in words."""

from __future__ import annotations

import math
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from crawler.errors import SettingsError
from crawler.from_text import from_text
from crawler.settings_names import field_types, nearest
from crawler.settings_values import statuses

__all__ = ["allowed", "checked", "description", "unit_of"]


def checked(name: str, value: object, place: str, *, text: bool = False) -> object:
    """The value of a setting as its type has it. `place` begins every message ("-s delay").

    `text`: the value came as text (a shell, the environment). Elsewhere only two texts are read: one
    with a unit (`max_body = "32MiB"`), and "none", which TOML has no word for. Raises SettingsError.
    """
    if name not in field_types():
        guess = nearest(name)
        raise SettingsError(f"{place}: no such setting; " + (f"did you mean {guess}?" if guess else _LIST_THEM))
    type_ = field_types()[name]
    try:
        if isinstance(value, str) and (text or _is_read(value, type_)):
            value = from_text(value, type_)
        value = msgspec.convert(value, type_)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
        if name == "accept_status":
            statuses(value)  # type: ignore[arg-type]  # converted above to what the field has
    except SettingsError as error:
        raise SettingsError(f"{place}: {str(error).removeprefix('accept_status: ')}") from None
    except (msgspec.ValidationError, ValueError, TypeError):
        raise SettingsError(f"{place} = {_shown(value)}: it must be {allowed(type_)}{_SUCH_AS.get(name, '')}") from None
    return value


def _is_read(value: str, type_: Any) -> bool:
    optional = type(None) in get_args(type_.__origin__ if get_origin(type_) is Annotated else type_)
    return (optional and value == "none") or bool(unit_of(type_) and not value.strip().isdigit())


_SUCH_AS = {"accept_status": ' such as "404" or "200-299"'}
_LIST_THEM = "`crawler settings` lists them all"


def unit_of(type_: Any) -> str:
    """ "bytes", "seconds", or "" for a setting without a unit."""
    if get_origin(type_) is Annotated:
        for note in type_.__metadata__:
            if isinstance(note, msgspec.Meta) and note.extra:
                return str(note.extra.get("unit", ""))
        return unit_of(type_.__origin__)
    if get_origin(type_) in (Union, UnionType):
        return next((unit for member in get_args(type_) if (unit := unit_of(member))), "")
    return ""


def allowed(type_: Any) -> str:
    """What may be written for a setting, in words with bounds and unit: "a number, at least 0, in seconds"."""
    notes = type_.__metadata__ if get_origin(type_) is Annotated else ()
    bare = type_.__origin__ if get_origin(type_) is Annotated else type_
    return _words(bare) + _bounds(notes)


def _words(bare: Any) -> str:
    origin, members = get_origin(bare), get_args(bare)
    if origin is Literal:
        return "one of " + ", ".join(f'"{member}"' for member in members)
    if origin in (Union, UnionType):
        return ", or ".join("none" if member is type(None) else allowed(member) for member in members)
    if origin is list:
        each = allowed(members[0]).removeprefix("a ").split(",")
        return ", each".join([f"a list of {each[0]}s", *each[1:2]]) + ",".join(["", *each[2:]])
    if origin is dict:
        return "a table of names and texts"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return words[bare]


def _bounds(notes: tuple[Any, ...]) -> str:
    words = []
    for note in (note for note in notes if isinstance(note, msgspec.Meta)):
        words += [f"at least {note.ge}"] if note.ge is not None else []
        words += [f"more than {note.gt}"] if note.gt is not None else []
        words += [f"at most {note.le}"] if note.le is not None else []
        words += ["not empty"] if note.min_length else []
        words += [f"in {note.extra['unit']}"] if note.extra else []
    return "".join(f", {word}" for word in words)


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value!r:.80}"


def description(type_: Any) -> str:
    """What a setting means, as its field says."""
    notes = [note for note in type_.__metadata__ if isinstance(note, msgspec.Meta)]
    return next(note.description for note in reversed(notes) if note.description)
