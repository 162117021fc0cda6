"""The whole benchmark on a small site: nginx, stopwatch, terminal, checks, tables, figures as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kit.candidates import CANDIDATES, Candidate, Job
from kit.nginx import serving
from kit.series import Cores, Series, Site, Wrong
from kit.site import prepared, read_truth
from processes import gone

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()), reason="needs nginx-light"),
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    directory = prepared(tmp_path, 20)
    truth: dict[str, dict[str, Any]] = {
        path: {"title": it.title, "price": it.price, "tags": it.tags} for path, it in read_truth(directory).items()
    }
    return Site(directory / "www", directory / "paths.txt", truth, dict.fromkeys(truth, 200))


def test_the_command_prints_tables_and_writes_the_figures(tmp_path: Path) -> None:
    words = ["--pages", "20", "--rounds", "2", "--only", "ours_fast,bare_lexbor", "--work", str(tmp_path)]
    words += ["--json", str(tmp_path / "figures.json")]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "compare.py"), *words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| ours_fast " in done.stdout
    assert "| bare_lexbor " in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    (series,) = figures["series"]
    order = [it["name"] for it in series["runs"]]
    assert order == ["ours_fast", "bare_lexbor", "bare_lexbor", "ours_fast"]  # forwards, then backwards
    assert all(it["pages"] == 20 and it["cpu"] > 0 and it["rss"] > 10_000_000 for it in series["runs"])
    assert figures["machine"]["nginx"]
    assert [path.name for path in tmp_path.glob("run-*")] == []


def test_ours_shows_its_live_view_in_the_terminal(site: Site, tmp_path: Path) -> None:
    with pytest.raises(Wrong) as wrong:  # the words of a run are kept when it is wrong: here it is told to be
        Series(Site(site.root, site.paths, site.truth, {}), tmp_path, Cores(None, None)).run(
            [CANDIDATES["ours_fast"]], 1
        )
    assert "20 not of the site" in str(wrong.value)
    (said,) = tmp_path.glob("run-*/said")
    assert b"\x1b[" in said.read_bytes()


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 3", "it ended with 3"),
        (": > $2", "20 missing"),
        ("head -n 20 $0 > /dev/null", "no output"),
    ],
)
def test_a_wrong_run_is_an_error_and_no_figure(site: Site, tmp_path: Path, script: str, problem: str) -> None:
    def command(job: Job) -> list[str]:
        return ["sh", "-c", script, "sh", job.url, str(job.out)]

    series = Series(site, tmp_path, Cores.of_machine(), quiet=True)
    with pytest.raises(Wrong, match=problem):
        series.run([Candidate("lazy", "does nothing", command)], 1)
    assert series.results == []


def test_the_server_ends_with_who_started_it(site: Site) -> None:
    script = (
        "import os, sys; from pathlib import Path; from kit.nginx import serving\n"
        f"with serving(Path({str(site.root)!r}), None) as server: os.write(1, b'%d' % server.process.pid); os._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT / "benchmarks", capture_output=True, text=True)
    assert gone(int(done.stdout))


def test_the_servers_log_is_read_whole_and_once(site: Site) -> None:
    import urllib.request

    with serving(site.root, None) as server:
        for _ in range(3):
            with urllib.request.urlopen(server.url + "robots.txt") as answer:
                answer.read()
        assert server.asked() == {(200, "/robots.txt"): 3}
        assert server.asked() == {}
