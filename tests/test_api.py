"""The public names: what `from crawler import …` gives, and that type checkers agree with the docs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import crawler

ROOT = Path(__file__).parent.parent


def test_every_public_name_is_there_and_listed() -> None:
    for name in crawler.__all__:
        assert getattr(crawler, name) is not None
    assert sorted(crawler.__all__) == sorted(set(crawler.__all__))
    tree = ast.parse((ROOT / "crawler" / "__init__.py").read_text())
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crawler.")
        for alias in node.names
    }
    assert imported == set(crawler.__all__) - {"__version__"}


def test_the_package_is_light_until_it_is_used() -> None:
    code = "import sys, crawler; print([name for name in ('aiohttp', 'lxml', 'rich', 'typer') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_one() -> None:
    assert f'version = "{crawler.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_the_spider_of_the_readme_passes_the_type_checker(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="make check installs it: then this test runs too")
    text = (ROOT / "README.md").read_text()
    source = text.split("```python\n", 1)[1].split("```", 1)[0]
    spider = tmp_path / "books.py"
    spider.write_text(source)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), str(spider)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
