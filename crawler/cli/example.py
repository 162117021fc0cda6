"""config.example.toml and docs/settings.md, made from the table in crawler/settings.py.

`python -m crawler.cli.example` writes both in the working directory; a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crawler.settings import Settings
from crawler.settings_check import allowed, description
from crawler.settings_names import field_types

__all__ = ["markdown", "toml", "toml_value"]

_PARTS = {
    "concurrency": "How much at once, how gently",
    "timeout": "Connections",
    "retries": "Retries, redirects, statuses",
    "allowed_domains": "What is followed, and which pages are the same",
    "max_body": "Limits of a run",
    "runs_dir": "What is written",
    "grace": "The process",
}
"""The first setting of each part, and the part's heading."""

_TOML_HEAD = """\
# Every setting with its default. Copy what you change to config.toml; it is read from the working
# directory, or name another file with --config. Later layers win: defaults, [crawler], the spider's
# own `settings`, [spiders.NAME], the environment (CRAWLER_DELAY=1.5), the command line (-s delay=1.5).
# Sizes may be written as "32MiB" (KiB MiB GiB kB MB GB), times as "5m" (ms s m h d); "none" is no limit.

[crawler]
"""

_TOML_TAIL = """
# Settings and arguments of one spider, by its name:
# [spiders.books]
# delay = 1.0
# [spiders.books.args]
# url = "https://books.example/"
"""

_MARKDOWN_HEAD = """\
# Settings

Every setting has a default. Layers, later ones win:

1. the defaults below
2. `config.toml`, table `[crawler]`: read from the working directory when it has that table, or by `--config FILE`
3. the spider's `settings = {"delay": 0.5}`
4. `config.toml`, table `[spiders.NAME]`, where `NAME` is the spider's name (its arguments: `[spiders.NAME.args]`)
5. the environment: `CRAWLER_DELAY=0.5`; an unknown `CRAWLER_…` only warns, an empty one counts as not set
6. the command line: `-s delay=0.5`, or the flag of the same name where there is one

In Python (`Crawl(Books, settings={"delay": 0.5})`) neither a file nor the environment is read.
`crawler settings FILE` shows every value and which layer set it. Lists and tables are replaced, not merged.

As text (command line, environment) a setting is written `true` or `false`, a number, `none`, `a,b,c` or a JSON
list, `name=value,name=value` or a JSON object. Sizes take an ending (`32MiB`; KiB MiB GiB, kB MB GB), times too
(`5m`; ms s m h d); in `config.toml` and in Python as well, as a text in quotes.
"""


def toml() -> str:
    """The text of config.example.toml."""
    lines = [_TOML_HEAD.rstrip()]
    for name, type_, default in _rows():
        if name in _PARTS:
            lines += ["", f"# -- {_PARTS[name]}"]
        lines += [f"# {description(type_)}", f"#   {allowed(type_)}", f"# {name} = {toml_value(default)}"]
    return "\n".join(lines) + "\n" + _TOML_TAIL


def markdown() -> str:
    """The text of docs/settings.md."""
    lines = [_MARKDOWN_HEAD.rstrip()]
    for name, type_, default in _rows():
        if name in _PARTS:
            lines += [
                "",
                f"## {_PARTS[name]}",
                "",
                "| setting | default | meaning | allowed |",
                "| --- | --- | --- | --- |",
            ]
        lines.append(f"| `{name}` | `{toml_value(default)}` | {description(type_)} | {allowed(type_)} |")
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """A value as TOML has it; None, for which TOML has no word, is "none"."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(member) for member in value) + "]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{toml_value(key)} = {toml_value(member)}" for key, member in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return str(value)


def _rows() -> Iterator[tuple[str, Any, Any]]:
    defaults = Settings()
    for name, type_ in field_types().items():
        yield name, type_, getattr(defaults, name)


if __name__ == "__main__":
    Path("config.example.toml").write_text(toml(), encoding="utf-8")
    Path("docs").mkdir(exist_ok=True)
    Path("docs/settings.md").write_text(markdown(), encoding="utf-8")
