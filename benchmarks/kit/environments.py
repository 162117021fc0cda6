"""A virtual environment for each peer, made when it is first needed, from pinned requirements."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["default_work", "python_of"]

_REQUIREMENTS: Final = Path(__file__).parent.parent / "requirements"


def default_work() -> Path:
    """Where sites and environments are kept from run to run: a directory of ours in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "crawler-benchmarks"


def python_of(name: str, work: Path) -> str:
    """The Python of the environment of requirements/NAME.txt; a changed file makes it anew."""
    requirements = _REQUIREMENTS / f"{name}.txt"
    directory = work / "environments" / name
    python = directory / "bin" / "python"
    stamp, version = directory / "made-from", hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != version:
        print(f"making the environment {name} in {directory}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "-qq"]
        subprocess.run([*pip, "install", "--only-binary", ":all:", "-r", str(requirements)], check=True)
        stamp.write_text(version)
    return str(python)
