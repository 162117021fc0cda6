"""What is wrong with a spider's file, in one line: the user's file, line and source, and the mend."""

from __future__ import annotations

import linecache
import traceback
from pathlib import Path

__all__ = ["failed_import", "syntax_error"]

_ADVICE = {
    "'yield from' inside async function": (
        "`yield from` does not work in an async method (Python has no such thing): yield the list itself, "
        "`yield response.follow_all(…)`, or write `async for x in …: yield x`"
    ),
    "'return' with value in async generator": (
        "a method that yields cannot return a value as well: yield it, and use a bare `return` to end"
    ),
    "'await' outside async function": "`await` works in an `async def` only: write `async def` before this method",
}


def syntax_error(error: SyntaxError, shown: str) -> str:
    """`file:line: what Python says: the line`, with what to write instead where we know it."""
    message = _ADVICE.get(error.msg, error.msg)
    line = (error.text or "").strip()
    return f"{shown}:{error.lineno or 1}: {message}{f': {line[:200]}' if line else ''}"


def failed_import(error: BaseException, path: str, shown: str) -> str:
    """`file:line: Error: message: the line` for a file that raised while it was loaded.

    The line is the last one of the user's own file; where the error came up deeper in code that the
    user wrote too (beside the file), that place is named as well. Never a frame of ours.
    """
    if isinstance(error, SyntaxError):  # of a module that the file imports
        return syntax_error(error, error.filename or shown)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == path]
    directory = str(Path(path).parent) if path else ""
    beside = [frame for frame in frames if directory and Path(frame.filename).is_relative_to(directory)]
    where, line = shown, ""
    if own:
        where = f"{shown}:{own[-1].lineno}"
        line = linecache.getline(path, own[-1].lineno or 0).strip()
    if beside and beside[-1].filename != path and "site-packages" not in beside[-1].filename:
        where += f" (in {Path(beside[-1].filename).name}:{beside[-1].lineno})"
        line = beside[-1].line or line
    return f"{where}: {_said(error)}{f': {line[:200]}' if line else ''}{_mend(error, shown)}"


def _said(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "the file ends the program while it is loaded (SystemExit)"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def _mend(error: BaseException, shown: str) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f" — install it, or put {error.name}.py beside {Path(shown).name}"
    if isinstance(error, SystemExit):
        return ' — put what runs under `if __name__ == "__main__":`'
    return ""
