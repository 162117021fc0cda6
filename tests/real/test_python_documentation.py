"""Real input: the Python documentation, served by nginx, found page for page as `wget -r` finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.full
def test_the_documentation_is_found_whole_and_each_page_once(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "python_doc.py"
    done = subprocess.run([sys.executable, str(script), "--keep", str(tmp_path)], capture_output=True, text=True)
    if done.returncode == 2:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout
    assert "fetched more than once: none" in done.stdout
    assert "unexplained differences: 0" in done.stdout
