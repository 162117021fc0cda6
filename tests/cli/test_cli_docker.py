"""The image, as far as it can be checked without an engine: its recipe, and its steps in clean environments."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LOCKS = ["requirements.lock", "requirements-test.lock", "requirements-dev.lock"]


def instructions() -> list[tuple[str, str]]:
    """(instruction, its text) of the Dockerfile, continued lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def test_the_final_stage_is_slim_not_root_and_made_of_wheels() -> None:
    first, final = stages()
    assert first[0][1] == final[0][1] + " AS wheels"
    assert "-slim" in final[0][1]
    told = {word: rest for word, rest in final if word != "RUN"}
    assert json.loads(told["ENTRYPOINT"]) == ["crawler"]
    assert json.loads(told["CMD"]) == ["run", "spiders/bookstore.py"]
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert told["VOLUME"] == "/data"
    assert int(told["USER"].partition(":")[0]) > 0
    assert "CRAWLER_RUNS_DIR=/data/runs" in told["ENV"]
    installs = [command for command in commands(final) if command.startswith("pip ")]
    assert len(installs) == 1
    assert "--no-index --find-links /wheels" in installs[0]


def test_nothing_is_left_to_be_compiled_at_every_start() -> None:
    """By a user who cannot write it down: `pip install` compiles what it installs, unless it is told not to."""
    ran = commands(stages()[1])
    assert any(command.startswith("python -m compileall ") for command in ran)
    assert not any("--no-compile" in command for command in ran)


def test_what_is_copied_is_let_through_and_there() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    copied = {name.removeprefix("./") for word, rest in instructions() if word == "COPY" for name in rest.split()[:-1]}
    assert copied == allowed
    assert "*" in ignore
    for name in copied:
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash_and_no_place_is_named(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    pins = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(pins) > 20
    for pin in pins:
        assert re.match(r"[a-z0-9._-]+==\S+", pin), pin[:80]
        assert "--hash=sha256:" in pin, pin[:80]
    assert not re.search(r"https?://|file:/|--index|--find-links|/tmp|/home|/root", text)


def test_the_locks_agree_and_hold_what_the_project_asks_for() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, flags=re.MULTILINE))

    run, test, dev = map(pins, LOCKS)
    assert run.items() <= test.items() <= dev.items()
    asked = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL)
    assert asked is not None
    names = {name.lower().replace("_", "-") for name in re.findall(r'"([A-Za-z0-9._-]+)', asked[1])}
    assert names | {"setuptools"} <= set(run)


def commands(stage: list[tuple[str, str]]) -> list[str]:
    """The shell commands of a stage's RUNs, one by one."""
    runs = [re.sub(r"--mount=\S+\s*", "", rest) for word, rest in stage if word == "RUN"]
    return [command.strip() for run in runs for command in run.split("&&")]


@pytest.mark.full
def test_the_steps_of_the_image_work_in_clean_environments(tmp_path: Path) -> None:
    """Runs each stage's pip commands as they stand in the Dockerfile, in a virtual environment of its own."""
    wheels, env = tmp_path / "wheels", {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    for number, stage in enumerate(stages()):
        home, place = tmp_path / f"venv{number}", tmp_path / f"stage{number}"
        venv.create(home, with_pip=True)
        place.mkdir()
        for word, rest in stage:
            if word == "COPY":
                *names, target = rest.split()
                for name in names:
                    source = ROOT / name
                    goal = place / target if target != "./" else place
                    if source.is_dir():
                        shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__"))
                    else:
                        shutil.copy(source, goal)
        for command in commands(stage):
            if command.startswith("pip "):
                told = command.replace("/wheels", str(wheels)).split()
                done = subprocess.run(
                    [home / "bin/python", "-m", *told], cwd=place, env=env, capture_output=True, text=True, timeout=600
                )
                assert done.returncode == 0, done.stdout + done.stderr
    crawler = tmp_path / "venv1/bin/crawler"
    assert subprocess.run([crawler, "--version"], capture_output=True, text=True).stdout.startswith("crawler ")
    state = tmp_path / "data"
    done = subprocess.run(
        [crawler, "run", "spiders/bookstore.py", "--max-pages", "20"],
        cwd=tmp_path / "stage1", env={**env, "CRAWLER_RUNS_DIR": str(state)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(state.glob("bookstore/*/items.jsonl"))) == 1
