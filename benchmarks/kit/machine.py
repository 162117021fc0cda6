"""On what it was measured: a figure without its machine and its versions says nothing."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

__all__ = ["described", "machine"]

_OURS: Final = ("crawler", "aiohttp", "uvloop", "yarl", "parsel", "lxml", "selectolax", "can-ada", "msgspec")
_PEERS: Final = {
    "scrapy": ("scrapy", "twisted", "aiohttp"),
    "crawlee": ("crawlee", "impit"),
    "scrapling": ("scrapling",),
}


def machine() -> dict[str, Any]:
    """Machine, load and versions of this moment."""
    return {
        "date": datetime.date.today().isoformat(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": _system(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "nginx": _nginx(),
        "versions": {name: version(name) for name in _OURS},
        "peers": _peers(),
    }


def described(found: dict[str, Any]) -> str:
    """The same, for people."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    peers = ", ".join(f"{name} {number}" for name, number in found["peers"].items())
    load = " ".join(map(str, found["load"]))
    cores = f"{found['cores']} cores ({found['processor']}), {found['memory_gib']} GiB"
    return (
        f"{found['date']}: {cores}, {found['system']}, load {load}\n"
        f"Python {found['python']}, nginx {found['nginx']}, {versions}\npeers: {peers}"
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _nginx() -> str:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        return "missing"
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    return said.rpartition("/")[2].strip()


def _peers() -> dict[str, str]:
    """As they are pinned."""
    found = {}
    for name, wanted in _PEERS.items():
        for line in (Path(__file__).parent.parent / "requirements" / f"{name}.txt").read_text().splitlines():
            package, _, number = line.partition("==")
            if package.lower() in wanted:
                found[package.lower() if package.lower() in _PEERS else f"{package.lower()} ({name})"] = number
    return found
