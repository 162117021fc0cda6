"""Spider arguments: the annotated public attributes of a spider's class, converted and checked.

    class Site(Spider):
        url: str                    # required: -a url=https://…
        pages: int = 100            # -a pages=20
        since: date | None = None   # -a since=2026-01-31

The command line gives text, Python gives values; both come through `convert`, which leaves a value
that already fits as it is.
"""

from __future__ import annotations

import difflib
import enum
import inspect
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Union, get_args, get_origin

import msgspec

from crawler.errors import SpiderError
from crawler.from_text import from_text

if TYPE_CHECKING:
    from crawler.spider import Spider

__all__ = ["Argument", "arguments", "convert"]

_OURS = frozenset({"name", "settings", "outputs", "middlewares", "pipelines", "log", "state"})


class Argument(msgspec.Struct, frozen=True):
    """One argument of a spider: its name, its type as written, whether it must be given, its default."""

    name: str
    annotation: Any
    owner: type
    required: bool
    default: Any = None


def arguments(spider_class: type[Spider]) -> dict[str, Argument]:
    """The arguments of a spider, base classes' first.

    `start_urls` and `allowed_domains` are arguments only where a subclass annotates them; `name`,
    `settings`, `pipelines` and the like never are.
    """
    found: dict[str, Argument] = {}
    for owner in reversed(spider_class.__mro__):
        if owner.__module__ == "crawler.spider" or owner is object:
            continue
        for name, annotation in inspect.get_annotations(owner).items():
            if name.startswith("_") or name in _OURS or _is_class_var(annotation):
                found.pop(name, None)
                continue
            required = not hasattr(spider_class, name)
            found[name] = Argument(name, annotation, owner, required, getattr(spider_class, name, None))
    return found


def convert(spider_class: type[Spider], args: Mapping[str, object]) -> dict[str, object]:
    """The values for a spider's arguments, by their annotations. Text is read as `from_text` says.

    Raises SpiderError for an unknown name (with the nearest right one), a value that does not fit,
    and an argument without a default that is not given.
    """
    known = arguments(spider_class)
    values: dict[str, object] = {}
    for name, value in args.items():
        if name not in known:
            raise SpiderError(_unknown(spider_class, name, known))
        values[name] = _converted(spider_class, known[name], value)
    for name, argument in known.items():
        if argument.required and name not in values:
            raise SpiderError(
                f"{spider_class.__name__} needs the argument {name}: -a {name}=…, in Python {name}=… "
                f"(no argument? give it a default, call it _{name} or annotate it with ClassVar)"
            )
    return values


def _is_class_var(annotation: Any) -> bool:
    if isinstance(annotation, str):
        head = annotation.partition("[")[0].strip().rpartition(".")[2]
        return head in ("ClassVar", "Final")
    return annotation in (ClassVar, Final) or get_origin(annotation) in (ClassVar, Final)


def _converted(spider_class: type[Spider], argument: Argument, value: object) -> object:
    type_ = _type_of(spider_class, argument)
    try:
        read = from_text(value, type_) if isinstance(value, str) else value
        if _fits(read, type_):
            return read
        return msgspec.convert(read, type_, strict=not isinstance(value, str), dec_hook=_from_str)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        given = f"-a {argument.name}={value}" if isinstance(value, str) else f"{argument.name}={value!r:.80}"
        raise SpiderError(f"{spider_class.__name__}: {given}: {_allowed(type_)} is needed ({error})") from None


def _fits(value: object, type_: Any) -> bool:
    """Whether a plain class or an enum holds the value already; what msgspec checks better is left to it."""
    if type_ is Any or type_ is object:
        return True
    return (
        isinstance(type_, type) and type_ not in (int, float, str) and not get_args(type_) and isinstance(value, type_)
    )


def _type_of(spider_class: type[Spider], argument: Argument) -> Any:
    """The annotation as a type: a text (`from __future__ import annotations`) is evaluated where it stands."""
    if not isinstance(argument.annotation, str):
        return argument.annotation
    module = sys.modules.get(argument.owner.__module__)
    names = vars(module) if module is not None else {}
    try:
        return eval(argument.annotation, dict(names), dict(vars(argument.owner)))  # the user's own source
    except Exception as error:
        raise SpiderError(
            f"{spider_class.__name__}.{argument.name}: its annotation {argument.annotation!r} cannot be read "
            f"({type(error).__name__}: {error}); import its names at run time, not under TYPE_CHECKING"
        ) from None


def _from_str(type_: type, value: Any) -> Any:
    """Types that msgspec does not know and that are made from one text: Path, URL, ZoneInfo, …"""
    if isinstance(value, type_):
        return value
    if isinstance(value, str):
        return type_(value)
    raise TypeError(f"{type(value).__name__} is no {type_.__name__}")


def _unknown(spider_class: type[Spider], name: str, known: Mapping[str, Argument]) -> str:
    nearest = difflib.get_close_matches(name, known, 1)
    if nearest:
        advice = f"did you mean {nearest[0]}?"
    elif known:
        advice = f"it has {', '.join(known)}"
    else:
        advice = f"it has none; to have one, annotate it in the class: {name}: str"
    return f"{spider_class.__name__} has no argument {name!r}: {advice}"


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}


def _allowed(type_: Any) -> str:
    """What may be written, in words."""
    origin, members = get_origin(type_), get_args(type_)
    if origin is Annotated:
        return _allowed(members[0])
    if origin is Literal:
        return "one of " + ", ".join(map(str, members))
    if origin is Union or type(type_).__name__ == "UnionType":
        return " or ".join(_allowed(member) for member in members)
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return "one of " + ", ".join(str(member.value) for member in type_)
    if origin is not None and members:
        return f"a {getattr(origin, '__name__', origin)} of {_allowed(members[0])}"
    return _NAMES.get(type_, f"a {getattr(type_, '__name__', type_)}")
