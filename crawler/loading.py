"""A spider's file becomes its class: `load("spiders/books.py")`, `load("shop.spiders:Books")`.

The file is executed under a module name of its own and its directory goes to the *end* of the
import path: a spider called json.py or crawler.py shadows nothing, and the modules beside it can
still be imported. What is wrong with the file is one SpiderError with the user's line in it.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from crawler.errors import SpiderError
from crawler.loading_errors import failed_import, syntax_error

if TYPE_CHECKING:
    from crawler.spider import Spider

__all__ = ["load", "spiders_in"]


def load(target: str, name: str = "") -> type[Spider]:
    """The spider class that `target` names: FILE, FILE:Class, module or module:Class.

    `name` picks one of several by its class or `name`, as the part after the colon does. Raises
    SpiderError: nothing there, nothing that Python can read, no spider, several, a wrong name.
    """
    place, class_name = _split(target)
    module = _from_file(Path(place), place) if _is_file(place) else _from_module(place)
    spider = _choose(module, class_name or name, place)
    _check_name(spider, place)
    return spider


def spiders_in(path: Path) -> list[type[Spider]]:
    """All the spiders of a file, for listings. Raises SpiderError where it cannot be loaded."""
    found = _candidates(_from_file(path, str(path)))
    for spider in found:
        _check_name(spider, str(path))
    return found


def _split(target: str) -> tuple[str, str]:
    place, colon, class_name = target.rpartition(":")
    return (place, class_name) if colon and re.fullmatch(r"[^\W\d]\w*", class_name) else (target, "")


def _is_file(place: str) -> bool:
    """A path, or a module's dotted name. A name that is neither is taken for a path when that exists."""
    return place.endswith(".py") or "/" in place or "\\" in place or not _dotted(place) or Path(place).exists()


def _dotted(place: str) -> bool:
    return all(part.isidentifier() for part in place.split("."))


# -- reading the module


def _from_file(path: Path, shown: str) -> ModuleType:
    source = _read(path, shown)
    path = path.absolute()
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SpiderError(syntax_error(error, shown)) from None
    except ValueError as error:  # a NUL byte
        raise SpiderError(f"{shown}: is no Python text: {error}") from None
    module = _new_module(path)
    _end_of_path(_root_of(path))
    try:
        exec(code, vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise SpiderError(failed_import(error, str(path), shown)) from None
    return module


def _read(path: Path, shown: str) -> bytes:
    try:
        if path.is_dir():
            raise SpiderError(f"{shown} is a directory: name one spider's file in it (`crawler list {shown}`)")
        if path.suffix != ".py":
            raise SpiderError(f"{shown} is no Python file: a spider's file ends in .py{_near(path)}")
        return path.read_bytes()
    except FileNotFoundError:
        raise SpiderError(f"{shown}: there is no such file{_near(path)}") from None
    except OSError as error:
        raise SpiderError(f"{shown}: cannot be read: {error.strerror}") from None


def _near(path: Path) -> str:
    """A file that was probably meant: beside the path, or in spiders/."""
    here = [*path.parent.glob("*.py"), *Path("spiders").glob("*.py")]
    names = {str(found): found for found in here}
    by_stem = {found.stem: name for name, found in names.items()}
    close = difflib.get_close_matches(path.stem, by_stem, 1)
    return f"; did you mean {by_stem[close[0]]}?" if close else ""


def _new_module(path: Path) -> ModuleType:
    """An empty module for the file, registered so that annotations and dataclasses find their names.

    In a package its name is the dotted one, so that `from .items import Book` works; else it has a
    name that nothing else can have.
    """
    root = _root_of(path)
    digest = hashlib.blake2b(str(path).encode(), digest_size=4).hexdigest()
    name, package = f"_spider_{re.sub(r'[^0-9a-zA-Z_]', '_', path.stem)}_{digest}", ""
    if root != path.parent:
        package = ".".join(path.parent.relative_to(root).parts)
        _end_of_path(root)
        _import_package(package, path)
        name = f"{package}.{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # the suffix is .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    return module


def _import_package(package: str, path: Path) -> None:
    try:
        importlib.import_module(package)
    except (Exception, SystemExit) as error:
        init = str(path.parent / "__init__.py")
        raise SpiderError(failed_import(error, init, init)) from None


def _root_of(path: Path) -> Path:
    """The directory that imports begin at: above the packages that the file is in."""
    root = path.parent
    while (root / "__init__.py").exists() and root.name.isidentifier() and root != root.parent:
        root = root.parent
    return root


def _end_of_path(directory: Path) -> None:
    if str(directory) not in sys.path:
        sys.path.append(str(directory))


def _from_module(name: str) -> ModuleType:
    _end_of_path(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise SpiderError(
                f"{name}: there is no such file or module{_near(Path(name + '.py'))}"
                if _near(Path(name + ".py"))
                else f"{name}: there is no such file or module: name a file (spiders/books.py) or module:Class"
            ) from None
        path = _file_of(name)
        raise SpiderError(failed_import(error, path, Path(path).name or name)) from None
    except SyntaxError as error:
        raise SpiderError(syntax_error(error, error.filename or name)) from None
    except (Exception, SystemExit) as error:
        path = _file_of(name)
        raise SpiderError(failed_import(error, path, Path(path).name or name)) from None


def _file_of(module: str) -> str:
    """Where a module that failed to load stands; "" where a package above it failed already."""
    try:
        spec = importlib.util.find_spec(module)
    except (Exception, SystemExit):
        return ""
    return spec.origin or "" if spec is not None else ""


# -- finding the class


def _candidates(module: ModuleType) -> list[type[Spider]]:
    """The spiders that a module defines; one that only others build on, and has no name, is none.

    A module that defines none may have imported its spider: then those count.
    """
    from crawler.spider import Spider

    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Spider)]
    classes = list(dict.fromkeys(classes))
    own = [found for found in classes if found.__module__ == module.__name__]
    found = own or [found for found in classes if not found.__module__.startswith("crawler.")]
    bases = {base for spider in found for base in spider.__mro__[1:]}
    return [spider for spider in found if spider.name or spider not in bases]


def _choose(module: ModuleType, wanted: str, place: str) -> type[Spider]:
    from crawler.spider import Spider

    if wanted:
        value = getattr(module, wanted, None)
        if isinstance(value, type) and issubclass(value, Spider):
            return value
        found = _candidates(module)
        by_name = [spider for spider in found if spider.name == wanted]
        if by_name:
            return by_name[0]
        if value is not None:
            raise SpiderError(f"{place}:{wanted} is no spider: it must be a class that inherits from crawler.Spider")
        names = [spider.__name__ for spider in found]
        close = difflib.get_close_matches(wanted, names, 1) or names
        hint = f"; did you mean {close[0]}?" if len(close) == 1 else f"; it has {', '.join(names)}" if names else ""
        raise SpiderError(f"{place} has no class {wanted}{hint}")
    found = _candidates(module)
    if not found:
        raise SpiderError(f"{place} has no spider: write a class that inherits from crawler.Spider")
    if len(found) > 1:
        listed = ", ".join(spider.__name__ for spider in found)
        raise SpiderError(f"{place} has {len(found)} spiders ({listed}): say which, {place}:{found[0].__name__}")
    return found[0]


def _check_name(spider: type[Spider], place: str) -> None:
    """A name becomes a directory, a table of config.toml and a word of the log."""
    name: object = spider.name
    where = f"{place}: {spider.__name__}"
    if not isinstance(name, str):
        raise SpiderError(f"{where}.name is {name!r:.80}: it must be a text")
    if not name:
        raise SpiderError(f'{where} has no name: write name = "{_plain(spider.__name__)}" in the class')
    if not re.fullmatch(r"\w[\w.-]{0,99}", name) or name.endswith("."):
        raise SpiderError(
            f"{where}.name = {name!r:.120}: it names a directory, so at most 100 letters, digits, '_', '-', '.'"
        )


def _plain(class_name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name.removesuffix("Spider") or class_name)
    return words.lower()
