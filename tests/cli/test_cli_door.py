"""The command line as a user meets it: a process, its exit code, what it prints where."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crawler import __version__, cli
from crawler.errors import DiskError

ROOT = Path(__file__).parent.parent.parent


def crawler(*args: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CRAWLER_")}
    clean |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "100", **(env or {})}
    return subprocess.run(
        [sys.executable, "-m", "crawler", *args], cwd=cwd, env=clean, capture_output=True, text=True, timeout=60
    )


def test_the_version(tmp_path: Path) -> None:
    done = crawler("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"crawler {__version__}\n", "")


COMMANDS = [("run",), ("export",), ("list",), ("new", "spider"), ("new", "project"), ("settings",), ("demo",)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_has_help_with_one_example(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.count("Example: ") == 1
    assert f"crawler {' '.join(command)}" in text.partition("Example: ")[2]


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from crawler.cli import main; main(['--help']);"
        "sys.exit(','.join({'aiohttp','lxml','parsel','rich','msgspec','asyncio','sqlite3'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "run" in done.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["rnu"], "error: No such command 'rnu'. Did you mean 'run'?; see `crawler --help`"),
        (["run"], "error: Missing argument 'FILE|MODULE:CLASS'; see `crawler run --help`"),
        (["run", "x.py", "--concurency", "3"], "error: No such option: --concurency"),
        (["run", "x.py"], "error: x.py: there is no such file"),
        (["run", "a.py", "-s", "delay"], "error: -s delay: write -s name=value"),
        (["run", "a.py", "-s", "delay=1", "-s", "delay=2"], "error: -s delay is given twice: '1' and '2'"),
        (["run", "a.py", "-s", "dely=1"], "error: -s dely: no such setting; did you mean delay?"),
        (["run", "a.py", "--concurrency", "0"], "error: --concurrency = 0: it must be a whole number, at least 1"),
        (
            ["run", "a.py", "--max-pages", "x"],
            'error: --max-pages = "x": it must be a whole number, at least 1, or none',
        ),
        (["run", "a.py", "--config", "c.toml"], "error: c.toml: cannot be read: No such file or directory"),
        (["run", "a.py", "--urls", "u.txt"], "error: --urls u.txt: cannot be read: No such file or directory"),
        (["settings", "-s", "max_body=1XB"], 'error: -s max_body = "1XB": it must be'),
        (["list", "nowhere"], "error: nowhere is no directory"),
        (["export", "last", "-o", "x.csv"], "error: there are no runs in runs"),
        (["new", "spider", "a/b"], "error: 'a/b' cannot be a spider's name"),
        (["new", "spider", "b", "--url", "books.example"], "error: --url: "),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text(
        "from crawler import Spider\nclass A(Spider):\n    name = 'a'\n    start_urls = ['http://a.example']\n"
    )
    assert cli.main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_a_broken_spider_shows_the_users_line_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("x = 1 / 0\n")
    done = crawler("run", "json.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: json.py:1: ZeroDivisionError: division by zero: x = 1 / 0\n"


def test_the_working_directory_shadows_nothing(tmp_path: Path) -> None:
    for name in ("json", "asyncio", "typer", "msgspec"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    assert crawler("settings", "--changed", cwd=tmp_path).returncode == 0


def test_an_error_that_nobody_foresaw_is_called_a_bug_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(argv: object) -> int:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(cli, "_invoke", broken)
    assert cli.main(["list"]) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError: oh" in err
    assert err.splitlines()[-1].startswith("error: this is a bug in crawler")


def test_errors_keep_their_exit_codes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def failing(argv: object) -> int:
        raise DiskError("the disk is full")

    monkeypatch.setattr(cli, "_invoke", failing)
    assert cli.main(["list"]) == 1
    assert capsys.readouterr().err == "error: the disk is full\n"


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m crawler settings --json | head -c 1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")


def test_settings_show_value_and_layer(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[crawler]\nproxy = "http://me:pw@proxy:80"\n')
    (tmp_path / "a.py").write_text(
        "from crawler import Spider\nclass A(Spider):\n    name = 'a'\n    settings = {'retries': 7}\n"
    )
    env = {"CRAWLER_DELAY": "1.5", "CRAWLER_FOO": "x"}
    done = crawler("settings", "a.py", "-s", "max_body=1MiB", "--changed", "--json", cwd=tmp_path, env=env)
    assert done.stderr == "warning: CRAWLER_FOO is no setting: it is ignored\n"
    assert json.loads(done.stdout) == {
        "delay": {"value": 1.5, "origin": "CRAWLER_DELAY"},
        "proxy": {"value": "http://***@proxy:80", "origin": "config.toml [crawler]"},
        "retries": {"value": 7, "origin": "A.settings"},
        "max_body": {"value": 2**20, "origin": "-s"},
    }
    table = crawler("settings", "a.py", cwd=tmp_path, env=env).stdout.splitlines()
    assert ["delay", "1.5", "CRAWLER_DELAY"] in [line.split() for line in table]
    assert ["robots", "true", "default"] in [line.split() for line in table]


def test_list_names_spiders_and_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "spiders").mkdir()
    (tmp_path / "spiders/good.py").write_text(
        "from crawler import Spider\nclass Good(Spider):\n    '''Does good.'''\n    name = 'good'\n"
        "    url: str\n    n: int = 1\n"
    )
    (tmp_path / "spiders/bad.py").write_text("1 / 0\n")
    (tmp_path / "spiders/items.py").write_text("x = 1\n")
    done = crawler("list", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == "good  spiders/good.py:Good  url=… n  Does good.\n"
    assert done.stderr == "error: spiders/bad.py:1: ZeroDivisionError: division by zero: 1 / 0\n"
    assert json.loads(crawler("list", "--json", cwd=tmp_path).stdout)[0]["arguments"] == ["url=…", "n"]


def test_new_writes_files_and_never_overwrites(tmp_path: Path) -> None:
    done = crawler("new", "project", "my-shop", "--url", "http://shop.example/a", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    root = tmp_path / "my-shop"
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) == [
        ".gitignore", "config.toml", "spiders/my_shop.py",
    ]  # fmt: skip
    listed = json.loads(crawler("list", "--json", cwd=root).stdout)
    assert [(row["name"], row["class"]) for row in listed] == [("my-shop", "MyShop")]
    again = crawler("new", "project", "my-shop", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (2, "error: my-shop exists already: nothing was written\n")
    spider = crawler("new", "spider", "my-shop", cwd=root)
    assert spider.stderr == "error: spiders/my_shop.py exists already: nothing was written\n"
    assert "http://shop.example/a" in (root / "spiders/my_shop.py").read_text()


@pytest.mark.parametrize(
    "check",
    ["ruff check --config {}", "ruff format --check --config {}", "mypy --strict --config-file {}"],
)
def test_a_new_spider_passes_lint_and_types(check: str, tmp_path: Path) -> None:
    words = check.format(ROOT / "pyproject.toml").split()
    if importlib.util.find_spec(words[0]) is None:
        pytest.skip(f"{words[0]} comes with `make check`")
    assert crawler("new", "spider", "my-shop", cwd=tmp_path).returncode == 0
    ran = subprocess.run(  # in the checkout: there is what mypy remembers of our modules from test to test
        [sys.executable, "-m", *words, str(tmp_path / "spiders/my_shop.py")], cwd=ROOT, capture_output=True, text=True
    )
    assert [line for line in ran.stdout.splitlines() if "my_shop.py:" in line] == []
    # mypy also judges what the spider imports: that is for `make check`
    assert ran.returncode == 0 or (words[0] == "mypy" and "Found" in ran.stdout), ran.stdout + ran.stderr


def test_completion_knows_the_commands(tmp_path: Path) -> None:
    env = {"_CRAWLER_COMPLETE": "complete_bash", "COMP_WORDS": "crawler se", "COMP_CWORD": "1"}
    assert crawler(cwd=tmp_path, env=env).stdout.split() == ["settings"]
    shown = crawler(
        "--show-completion", "bash", cwd=tmp_path, env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    )
    assert "_CRAWLER_COMPLETE=complete_bash" in shown.stdout


SLOW_TO_SAY = """
import sys, time
import crawler.__main__, crawler.cli

def command(argv):
    try:
        print("working", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("saying so", flush=True)
        time.sleep(60)

crawler.cli.main = command
sys.exit(crawler.__main__.main())
"""


def test_a_second_interrupt_in_the_last_words_ends_the_process_without_a_traceback(tmp_path: Path) -> None:
    words = [sys.executable, "-c", SLOW_TO_SAY]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None and process.stderr is not None
        for said in ("working", "saying so"):
            assert process.stdout.readline() == said + "\n"
            process.send_signal(signal.SIGINT)
        assert (process.wait(20), process.stderr.read()) == (-signal.SIGINT, "")
