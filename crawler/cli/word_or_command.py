"""A command group that also takes a word of its own: `crawler frontier [RUN]` beside `crawler frontier add`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

__all__ = ["WordOrCommand"]


class WordOrCommand(TyperGroup):
    """The first word is a command if there is one of that name, else the group's own argument.

    A word that is called like a command comes behind `--`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Leaves out the group's argument where a command comes first."""
        if args and args[0] in self.commands:
            args = ["", *args]
        else:
            ctx.allow_interspersed_args = True  # options may come behind the word
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Without the argument, in the usage lines of the commands."""
        params: list[Any] = super().get_params(ctx)
        if ctx.command is self:
            return params
        return [param for param in params if param.param_type_name != "argument"]
