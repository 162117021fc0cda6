"""Takes typer's check of values from where there is nothing to check.

typer has every parameter of a command line converted by pydantic, also one that was not given and one that is
a text and stays a text. pydantic's import is a fifth of the CPU time from `crawler run` to the first request,
and memory that the crawl would keep. Here a value that has its type already is passed on; only what is still
to be converted or compared (`--port 80`, `--config FILE`) goes to typer, as before.
"""

from __future__ import annotations

from typing import Any, get_args, get_origin

__all__ = ["lighten"]


def lighten(command: Any) -> Any:
    """A command of typer's, and those below it, made to convert only what has to be converted."""
    parameters = command.get_params  # with --help, which is made anew for each command line
    command.get_params = lambda context: [_light(parameter) for parameter in parameters(context)]
    for below in getattr(command, "commands", {}).values():
        lighten(below)
    return command


def _light(parameter: Any) -> Any:
    if "get_runtime_param" not in vars(parameter):
        parameter.get_runtime_param = _Conversion(parameter.get_runtime_param).itself
    return parameter


class _Conversion:
    """What typer converts one parameter with: its own `RuntimeParam` only where that has something to do."""

    def __init__(self, typers: Any) -> None:
        self._typers = typers  # builds a validator of pydantic's when it is called

    def itself(self) -> _Conversion:
        return self

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:
        """The value as the command gets it. Raises typer's BadParameter."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if _is_a(value, param.type_descriptor.annotation):
            return value
        return self._typers().coerce(value, param=param, ctx=ctx)


def _is_a(value: Any, annotation: Any) -> bool:
    """Whether a value has the annotated type already. What click has collected is a tuple; typer lists it."""
    if get_origin(annotation) is list:
        (kind,) = get_args(annotation)
        return isinstance(value, (list, tuple)) and all(isinstance(member, kind) for member in value)
    return isinstance(annotation, type) and isinstance(value, annotation)
