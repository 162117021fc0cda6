"""Which sink writes a file: by the ending of its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.errors import SettingsError
from crawler.outputs.csv import CSV
from crawler.outputs.filesink import FileSink, Format
from crawler.outputs.json import JSON
from crawler.outputs.jsonlines import JSONLines
from crawler.outputs.sqlite import SQLiteSink

if TYPE_CHECKING:
    from crawler.contracts import Sink
    from crawler.settings import Settings

__all__ = ["check_target", "file_sink", "is_csv"]

Header = tuple[str, tuple[str, ...]]

_FORMATS: dict[str, Callable[[Sequence[str], Header | None], Format]] = {
    ".jsonl": lambda columns, header: JSONLines(),
    ".json": lambda columns, header: JSON(),
    ".csv": CSV,
}
_SQLITE = ".sqlite"
_NOT_APPENDED = {
    ".json": "a JSON array cannot be appended to; write .jsonl, or leave out --append",
    _SQLITE: "an SQLite file cannot be appended to; write .jsonl, or leave out --append (the file is then replaced)",
}
_MEANS_SQLITE = (".db", ".db3", ".sqlite3")


def file_sink(path: Path, columns: Sequence[str], header: Header | None, executor: Executor | None) -> Sink:
    """The sink for a file that `check_target` let pass. `header`: the CSV file appended to, its columns."""
    ending, gzip = _ending(path)
    if ending == _SQLITE:
        return SQLiteSink(executor)
    return FileSink(_FORMATS[ending](columns, header), gzip=gzip, executor=executor)


def is_csv(path: Path) -> bool:
    """Whether the file has a header."""
    return _ending(path)[0] == ".csv"


def check_target(target: str, settings: Settings) -> None:
    """Raises SettingsError for an output that we cannot write, naming what can be."""
    if target == "-":
        return
    ending, gzip = _ending(Path(target))
    if ending in _MEANS_SQLITE:
        name = f"{target[: target.lower().rindex(ending)]}{_SQLITE}"
        raise SettingsError(f"output {target!r} ends in {ending!r}; an SQLite file ends in {_SQLITE!r}: write {name}")
    if gzip and ending == _SQLITE:
        raise SettingsError(f"output {target!r}: an SQLite file is not written compressed; leave out .gz")
    if not target or (ending not in _FORMATS and ending != _SQLITE):
        what = f"ends in {ending!r}, which is no format we write" if ending else "has no ending that says its format"
        text = " ".join(_FORMATS)
        raise SettingsError(
            f"output {target!r} {what}: use one of {text} {_SQLITE}, or one of {text} with .gz behind it "
            '(items.jsonl.gz), or "-" for standard output'
        )
    if settings.append and ending in _NOT_APPENDED:
        raise SettingsError(f"output {target!r}: {_NOT_APPENDED[ending]}")


def _ending(path: Path) -> tuple[str, bool]:
    gzip = path.suffix.lower() == ".gz"
    return (path.with_suffix("") if gzip else path).suffix.lower(), gzip
