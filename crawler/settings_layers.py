"""The layers of the settings become one `Settings`, and each value remembers where it came from.

Later layers win: defaults < config.toml [crawler] < the spider's `settings` < config.toml
[spiders.NAME] < CRAWLER_* < command line. Lists and tables are replaced whole, not merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawler import config_file
from crawler.errors import SpiderError
from crawler.settings import Settings
from crawler.settings_check import checked
from crawler.settings_names import check_class, field_types, nearest

if TYPE_CHECKING:
    from crawler.spider import Spider

__all__ = ["DEFAULT", "Effective", "Layer", "masked", "resolve"]

DEFAULT = "default"
"""The origin of a value that nobody set."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place. `text`: they came as text. `place` names a key of it in messages."""

    origin: str
    values: Mapping[str, object]
    text: bool = False
    place: Callable[[str], str] | None = None

    def where(self, name: str) -> str:
        """How a message names a key: "config.toml:3: [crawler] delay", "-s delay"."""
        return self.place(name) if self.place is not None else f"{self.origin} {name}"


@dataclass(frozen=True, slots=True)
class Effective:
    """The settings in force, where each came from, and what [spiders.NAME.args] gives."""

    settings: Settings
    origin: dict[str, str]
    warnings: list[str] = field(default_factory=list)
    args: dict[str, Any] = field(default_factory=dict)


def resolve(
    spider_class: type[Spider] | None = None,
    *,
    config: Path | None = None,
    env: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    use_files: bool = False,
    command_line: Sequence[Layer] = (),
) -> Effective:
    """Puts the layers together.

    `config` is a file that was asked for; `use_files` reads `config.toml` of the working directory
    where it is ours. `env` is looked through for CRAWLER_*. `overrides` are values given in Python,
    `command_line` the flags, `-s` and their kind; both are above everything else, the latter above
    all. With neither file nor env asked for, nothing outside is read. Raises SettingsError,
    SpiderError.
    """
    warnings: list[str] = []
    file = config_file.read(config) if config is not None else None
    if file is None and use_files:
        file = config_file.read_if_ours(Path("config.toml"))
    values: dict[str, object] = {}
    origin = dict.fromkeys(field_types(), DEFAULT)
    layers = _layers(spider_class, file, env or {}, warnings)
    layers += [Layer("Crawl(settings=…)", overrides, place="settings: {}".format)] if overrides else []
    for layer in [*layers, *command_line]:
        for name, value in layer.values.items():
            values[name] = checked(name, value, layer.where(name), text=layer.text)
            origin[name] = layer.origin
    args = file.args_of(spider_class.name) if file is not None and spider_class is not None else {}
    if file is not None:
        _check_all(file)
    return Effective(Settings(**values), origin, warnings, args)  # type: ignore[arg-type]  # each was checked above


def _layers(
    spider_class: type[Spider] | None,
    file: config_file.ConfigFile | None,
    env: Mapping[str, str],
    warnings: list[str],
) -> list[Layer]:
    """The layers below Python and the command line, lowest first."""
    layers: list[Layer] = []
    if file is not None:
        layers.append(Layer(f"{file.path} [crawler]", file.crawler, place=partial(file.place, "crawler")))
    if spider_class is not None:
        own = f"{spider_class.__name__}.settings"
        layers.append(Layer(own, _own_settings(spider_class), place=(own + '["{}"]').format))
    if file is not None and spider_class is not None:
        table = f"spiders.{spider_class.name}"
        values = file.of_spider(spider_class.name)
        layers.append(Layer(f"{file.path} [{table}]", values, place=partial(file.place, table)))
    for variable, name, value in _environment(env, warnings):
        layers.append(Layer(variable, {name: value}, text=True, place=variable.format))
    return layers


def _own_settings(spider_class: type[Spider]) -> Mapping[str, object]:
    check_class(spider_class)
    own: object = spider_class.settings
    if not isinstance(own, Mapping) or not all(isinstance(key, str) for key in own):
        raise SpiderError(f'{spider_class.__name__}.settings must be a dict of settings, such as {{"delay": 0.5}}')
    return own


def _environment(env: Mapping[str, str], warnings: list[str]) -> Iterator[tuple[str, str, str]]:
    """CRAWLER_* as (variable, setting, text). Unknown names only warn: container platforms inject such names.

    An empty value counts as not set, as shells and compose files mean it.
    """
    for variable, value in sorted(env.items()):
        if not variable.startswith("CRAWLER_") or not value:
            continue
        name = variable.removeprefix("CRAWLER_").lower()
        if name in field_types():
            yield variable, name, value
        else:
            guess = nearest(name)
            hint = f"did you mean CRAWLER_{guess.upper()}?" if guess else "it is ignored"
            warnings.append(f"{variable} is no setting: {hint}")


def _check_all(file: config_file.ConfigFile) -> None:
    """Also the tables that are not in force now: a typing error should not wait for its spider."""
    for spider in file.spiders:
        for name, value in file.of_spider(spider).items():
            checked(name, value, file.place(f"spiders.{spider}", name))


def masked(name: str, value: object) -> object:
    """A setting's value as it may be shown: no passwords, no keys."""
    if name in ("headers", "cookies") and isinstance(value, dict):
        secret = ("authorization", "cookie", "proxy-authorization")
        return {key: "***" if name == "cookies" or key.lower() in secret else text for key, text in value.items()}
    if name == "proxy" and isinstance(value, str) and "@" in value:
        scheme, mark, rest = value.partition("://")
        return f"{scheme}{mark}***@{rest.rpartition('@')[2]}" if mark else f"***@{value.rpartition('@')[2]}"
    return value
