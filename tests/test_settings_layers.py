"""Layers, their order, where values came from; and one clear message for each mistake."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, get_type_hints

import pytest

from crawler.cli import example
from crawler.errors import SettingsError, SpiderError
from crawler.settings import Settings, SettingsDict
from crawler.settings_layers import Layer, masked, resolve
from crawler.settings_names import field_types, nearest
from crawler.spider import Spider

ROOT = Path(__file__).parent.parent


class Books(Spider):
    name = "books"
    settings: ClassVar[SettingsDict] = {"delay": 3.0, "retries": 3}


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_later_layers_win_and_are_named(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        "[crawler]\ndelay = 2.0\nretries = 1\ngrace = 1.0\nlimit = 1\n"
        "[spiders.books]\nretries = 4\nlimit = 2\nredirects = 4\n",
    )
    got = resolve(
        Books,
        config=path,
        env={"CRAWLER_LIMIT": "5", "CRAWLER_REDIRECTS": "5", "PATH": "x"},
        command_line=[Layer("-s", {"redirects": "6"}, text=True)],
    )
    assert got.settings == Settings(grace=1.0, delay=3.0, retries=4, limit=5, redirects=6)
    assert {name: where for name, where in got.origin.items() if where != "default"} == {
        "grace": f"{path} [crawler]",
        "delay": "Books.settings",
        "retries": f"{path} [spiders.books]",
        "limit": "CRAWLER_LIMIT",
        "redirects": "-s",
    }


def test_python_reads_nothing_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(tmp_path, "[crawler]\ndelay = 9.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRAWLER_RETRIES", "9")
    assert resolve(overrides={"limit": 1}).settings == Settings(limit=1)
    assert resolve(use_files=True, env=os.environ).settings == Settings(delay=9.0, retries=9)


@pytest.mark.parametrize("text", ["[site]\ntitle = 1\n", "crawlers = 1\n", "not toml at all", "\0\n"])
def test_a_config_toml_of_another_program_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = config(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    assert resolve(use_files=True).settings == Settings()
    path.unlink()
    assert resolve(use_files=True).settings == Settings()


def test_a_config_toml_of_ours_that_is_broken_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("[crawler\n", "[crawler]\ndelay =\n"):
        config(tmp_path, text)
        with pytest.raises(SettingsError, match=r"config\.toml:\d: no valid TOML"):
            resolve(use_files=True)


def test_arguments_of_a_spider_come_from_its_table(tmp_path: Path) -> None:
    path = config(tmp_path, '[crawler]\n[spiders.books.args]\nurl = "x"\n[spiders.other.args]\nurl = "y"\n')
    assert resolve(Books, config=path).args == {"url": "x"}


def test_none_resets_a_limit(tmp_path: Path) -> None:
    path = config(tmp_path, '[crawler]\nmax_pages = 5\nmax_body = "1MiB"\n[spiders.books]\nmax_pages = "none"\n')
    got = resolve(Books, config=path).settings
    assert (got.max_pages, got.max_body) == (None, 2**20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[crawler]\n\nconcurency = 3\n", ":3: [crawler] concurency: no such setting; did you mean concurrency?"),
        ("[crawler]\nconcurrency = 0\n", ":2: [crawler] concurrency = 0: it must be a whole number, at least 1"),
        ("[crawler]\ntimeout = -1\n", ":2: [crawler] timeout = -1: it must be a number, more than 0, in seconds"),
        ("[crawler]\ndelay = nan\n", ":2: [crawler] delay = nan: it must be a number, at least 0, in seconds"),
        ("[crawler]\ntimeout = inf\n", ":2: [crawler] timeout = inf: it must be a number"),
        ("[crawler]\nrobots = \"no\"\n", ':2: [crawler] robots = "no": it must be true or false'),
        ("[crawler]\nretries = \"2\"\n", ':2: [crawler] retries = "2": it must be a whole number, at least 0'),
        (
            "[crawler]\ndurability = \"strickt\"\n",
            ':2: [crawler] durability = "strickt": it must be one of "strict", "relaxed"',
        ),
        ("[crawler]\nretry_statuses = [99]\n", "it must be a list of whole numbers, each at least 100, at most 999"),
        ("[crawler]\naccept_status = [404]\n", 'it must be a list of texts such as "404" or "200-299"'),
        ("[crawler]\naccept_status = [\"2xx\"]\n", ":2: [crawler] accept_status: '2xx' is neither a status"),
        ("[crawler]\n[spiders.books]\nworkers = 1\n", ":3: [spiders.books] workers: no such setting; did you mean"),
        ("[crawler]\n[spiders.another]\nlimt = 1\n", ":3: [spiders.another] limt: no such setting; did you mean"),
        ("crawler.limt = 1\n", ":1: [crawler] limt: no such setting; did you mean limit?"),
        ("[crawler]\n[spider.books]\nlimit = 1\n", ":2: 'spider' is not known at the top"),
        ("[crawler]\n[spiders]\nbooks = 1\n", "write [spiders.books]"),
        ("[crawler]\n[spiders.books]\nargs = 1\n", "write [spiders.books.args]"),
        ("[crawler]\nlimit = 1\nlimit = 2\n", ":3: no valid TOML: Cannot overwrite a value: limit = 2"),
        ("[crawler]\nlimit = \n", ":2: no valid TOML: Invalid value: limit ="),
        ("[crawler]\nlimit = [1,\n", "no valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = config(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        resolve(Books, config=path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_config_file_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read: No such file"):
        resolve(config=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Layer("-s", {"dela": "1"}, text=True), "-s dela: no such setting; did you mean delay?"),
        (Layer("-s", {"zzz": "1"}, text=True), "-s zzz: no such setting; `crawler settings` lists them all"),
        (Layer("-s", {"max_body": "3x"}, text=True), '-s max_body = "3x": it must be a whole number, at least 1'),
        (Layer("--delay", {"delay": "x"}, text=True, place="--delay".format), '--delay = "x": it must be a number'),
    ],
)  # fmt: skip
def test_a_mistake_on_the_command_line_names_the_flag(layer: Layer, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(command_line=[layer])
    assert str(caught.value).startswith(message)


def test_the_environment_warns_of_unknown_names_and_stops_at_wrong_values() -> None:
    env = {"CRAWLER_DELEY": "1", "CRAWLER_PORT_80_TCP": "x", "CRAWLER_PROXY": "", "CRAWLER_ROBOTS": "off"}
    got = resolve(env=env)
    assert got.settings == Settings(robots=False)
    assert got.warnings == [
        "CRAWLER_DELEY is no setting: did you mean CRAWLER_DELAY?",
        "CRAWLER_PORT_80_TCP is no setting: it is ignored",
    ]
    with pytest.raises(SettingsError, match=r'CRAWLER_DELAY = "fast": it must be a number'):
        resolve(env={"CRAWLER_DELAY": "fast"})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"concurrent_request": 3}, 'request would do nothing: for the setting write settings = {"concurrency": …}'),
        ({"custom_settings": {}}, "Wrong.custom_settings would do nothing: write settings = {…}"),
        ({"download_delay": 1.0}, 'settings = {"delay": …}'),
        ({"delay": 1.0}, 'settings = {"delay": …}'),
        ({"DOWNLOAD_TIMEOUT": 1.0}, 'settings = {"timeout": …}'),
        ({"max_page": 3}, 'settings = {"max_pages": …}'),
        ({"start_url": "x"}, "it is called start_urls here"),
        ({"start_requests": lambda self: ()}, "it is called start here"),
        ({"settings": {"delya": 1}}, 'Wrong.settings["delya"]: no such setting; did you mean delay?'),
        ({"settings": {"concurrency": 0}}, 'Wrong.settings["concurrency"] = 0: it must be a whole number'),
        ({"settings": [1]}, "Wrong.settings must be a dict"),
    ],
)  # fmt: skip
def test_an_attribute_that_looks_like_a_setting_stops(attributes: dict[str, Any], message: str) -> None:
    wrong = type("Wrong", (Spider,), {"name": "wrong", **attributes})
    with pytest.raises((SpiderError, SettingsError)) as caught:
        resolve(wrong)
    assert message in str(caught.value)


def test_words_of_the_users_own_are_left_alone() -> None:
    class Fine(Spider):
        name = "fine"
        start_urls = ["http://a.example/"]
        allowed_domains = ["a.example"]
        timeout: float = 3.0  # annotated: an argument, a word of the user's own
        _delay = 3
        categories = ["a"]

        def limit(self) -> None: ...

    assert resolve(Fine).settings == Settings()


def test_settings_dict_keeps_step_with_settings() -> None:
    assert list(Settings.__struct_fields__) == list(get_type_hints(SettingsDict)) == list(field_types())
    assert get_type_hints(SettingsDict) == get_type_hints(Settings)


def test_every_setting_has_a_description_and_can_be_written() -> None:
    for name, type_ in field_types().items():
        assert example.description(type_).endswith((".", "none.")), name
        assert example.allowed(type_), name


def test_the_documents_keep_step_with_the_table() -> None:
    again = "run `python -m crawler.cli.example`"
    assert (ROOT / "config.example.toml").read_text(encoding="utf-8") == example.toml(), again
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == example.markdown(), again


def test_the_example_file_with_all_its_lines_in_force_is_the_defaults(tmp_path: Path) -> None:
    lines = example.toml().partition("# Settings and arguments of one spider")[0].splitlines()
    live = [line[2:] if line[2:].partition(" = ")[0] in field_types() else line for line in lines]
    got = resolve(config=config(tmp_path, "\n".join(live)))
    assert got.settings == Settings()
    assert "default" not in got.origin.values()


@pytest.mark.parametrize("name", ["DELAY", "delays", "request_delay", "max-pages", "concurrent_requests_per_domain"])
def test_the_nearest_name_is_a_setting(name: str) -> None:
    assert nearest(name) in field_types()


def test_secrets_are_masked_when_shown() -> None:
    assert masked("proxy", "http://me:pw@proxy:80") == "http://***@proxy:80"
    assert masked("headers", {"Authorization": "x", "Accept": "y"}) == {"Authorization": "***", "Accept": "y"}
    assert masked("cookies", {"sid": "x"}) == {"sid": "***"}
