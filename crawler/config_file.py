"""`config.toml`: which tables it may have, and where in it a key stands.

[crawler]               settings for every spider
[spiders.NAME]          settings for one spider
[spiders.NAME.args]     its arguments
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawler.errors import SettingsError

__all__ = ["ConfigFile", "read", "read_if_ours"]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that was read and whose tables are known ones; the values are not checked yet."""

    path: Path
    text: str
    crawler: Mapping[str, Any]
    spiders: Mapping[str, Mapping[str, Any]]

    def of_spider(self, name: str) -> dict[str, Any]:
        """The settings of [spiders.NAME], without its arguments."""
        return {key: value for key, value in self.spiders.get(name, {}).items() if key != "args"}

    def args_of(self, name: str) -> dict[str, Any]:
        """The arguments of [spiders.NAME.args]."""
        return dict(self.spiders.get(name, {}).get("args", {}))

    def place(self, table: str, key: str) -> str:
        """`file:line: [table] key`, the line where it can be found."""
        line = _line(self.text, table, key)
        return f"{self.path}:{line}: [{table}] {key}" if line else f"{self.path}: [{table}] {key}"


def read(path: Path) -> ConfigFile:
    """Reads a file that was asked for. Raises SettingsError: missing, no TOML, unknown tables."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    try:
        return _checked(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_syntax(path, text, str(error))) from None


def read_if_ours(path: Path) -> ConfigFile | None:
    """Reads the file of the working directory; None where there is none or it has no [crawler] table.

    Many programs keep a config.toml: one that is not ours is left alone, broken or not. One that is
    broken and has a line like our table's header counts as ours, and stops.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if not re.search(r"^\s*(\[\s*crawler\b|crawler\s*[.=])", text, re.MULTILINE):
        return None
    config = read(path)
    return config if "crawler" in tomllib.loads(text) else None


def _checked(path: Path, text: str, content: dict[str, Any]) -> ConfigFile:
    for name, value in content.items():
        if name not in ("crawler", "spiders"):
            line = _header_line(text, name) or _line(text, "", name)
            raise SettingsError(
                f"{path}{f':{line}' if line else ''}: {name!r} is not known at the top: "
                "settings stand in [crawler] or [spiders.NAME], arguments in [spiders.NAME.args]"
            )
        if not isinstance(value, dict):
            raise SettingsError(f"{path}: {name} is a table: write [{name}{'.NAME' if name == 'spiders' else ''}]")
    spiders = content.get("spiders", {})
    for name, table in spiders.items():
        if not isinstance(table, dict):
            raise SettingsError(f"{path}: [spiders] {name}: a spider's settings are a table: write [spiders.{name}]")
        if not isinstance(table.get("args", {}), dict):
            raise SettingsError(f"{path}: [spiders.{name}] args: arguments are a table: write [spiders.{name}.args]")
    return ConfigFile(path, text, content.get("crawler", {}), spiders)


def _syntax(path: Path, text: str, message: str) -> str:
    at = re.search(r" \(at line (\d+), column \d+\)$", message)
    number = int(at[1]) if at else text.count("\n") + 1
    lines = text.splitlines()
    shown = lines[number - 1].strip() if 0 < number <= len(lines) else "the end of the file"
    problem = message[: at.start()] if at else message.removesuffix(" (at end of document)")
    return f"{path}:{number}: no valid TOML: {problem}: {shown[:200]}"


_HEADER = re.compile(r"^\s*\[{1,2}\s*([^\]]+?)\s*\]")


def _line(text: str, table: str, key: str) -> int:
    """The line of `key` in `table`, for messages; 0 where it is written in a way not looked for."""
    current = ""
    wanted = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""")
    dotted = re.compile(rf"""\s*{re.escape(table)}\s*\.\s*["']?{re.escape(key)}["']?\s*=""")
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            current = header[1].replace('"', "").replace("'", "").replace(" ", "")
        elif (current == table and wanted.match(line)) or (not current and dotted.match(line)):
            return number
    return 0


def _header_line(text: str, table: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header and header[1].strip("\"'").partition(".")[0].strip("\"' ") == table:
            return number
    return 0
