"""A spider's file becomes its class; what is wrong with the file is one message with the user's line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.errors import SpiderError
from crawler.loading import load, spiders_in

GOOD = "from crawler import Spider\n\nclass Books(Spider):\n    name = 'books'\n"


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has an import path and a module table of its own."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def write(path: str, text: str = GOOD) -> str:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "form", ["spiders/books.py", "./spiders/books.py", "{}/spiders/books.py", "spiders/books.py:Books"]
)
def test_a_file_is_loaded(tmp_path: Path, form: str) -> None:
    write("spiders/books.py")
    spider = load(form.format(tmp_path))
    assert (spider.__name__, spider.name) == ("Books", "books")


def test_a_module_is_loaded() -> None:
    write("shop/__init__.py", "")
    write("shop/spiders.py", GOOD + "class More(Books):\n    name = 'more'\n")
    assert load("shop.spiders:More").name == "more"


@pytest.mark.parametrize("name", ["json", "asyncio", "crawler", "typing", "aiohttp", "site", "my-spider", "1st"])
def test_a_file_named_like_a_module_shadows_nothing(name: str) -> None:
    write(
        f"{name}.py",
        "import json, asyncio, crawler, typing, aiohttp, dataclasses\n" + GOOD + "NAMES = json.dumps({})\n",
    )
    known = sys.modules.get(name)
    assert load(f"{name}.py").name == "books"
    assert sys.modules.get(name) is known
    assert json.loads("{}") == {}


def test_modules_beside_the_spider_can_be_imported() -> None:
    write("spiders/shop_items.py", "NAME = 'beside'\n")
    write("spiders/json.py", "raise RuntimeError('shadowed')\n")
    write("spiders/books.py", "import json\nfrom shop_items import NAME\n" + GOOD.replace("'books'", "NAME"))
    assert load("spiders/books.py").name == "beside"


def test_relative_imports_work_in_a_package() -> None:
    write("myshop/__init__.py", "")
    write("myshop/items.py", "NAME = 'relative'\n")
    write("myshop/spiders/__init__.py", "")
    write("myshop/spiders/books.py", "from ..items import NAME\n" + GOOD.replace("'books'", "NAME"))
    assert load("myshop/spiders/books.py").name == "relative"


def test_dataclasses_and_annotations_find_their_module() -> None:
    write(
        "books.py",
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom datetime import date\n"
        "from crawler import Spider\n@dataclass\nclass Book:\n    day: date\n"
        "class Books(Spider):\n    name = 'books'\n    day: date = date(2000, 1, 1)\n",
    )
    assert str(load("books.py")(day="2026-01-31").day) == "2026-01-31"  # type: ignore[attr-defined]


def test_a_nameless_base_is_no_spider_of_its_own() -> None:
    base = "from crawler import Spider\nclass Base(Spider):\n    pass\nclass Books(Base):\n    name = 'books'\n"
    write("books.py", base)
    assert load("books.py").__name__ == "Books"
    write("base_of_books.py")
    write("again.py", "from base_of_books import Books\n")
    assert load("again.py").__name__ == "Books"  # imported, and the only one


def test_one_of_several_is_chosen_by_class_or_name() -> None:
    write("two.py", GOOD + "class More(Spider):\n    name = 'more'\n")
    assert load("two.py:More").name == load("two.py:more").name == load("two.py", "more").name == "more"
    assert [spider.name for spider in spiders_in(Path("two.py"))] == ["books", "more"]


def test_a_changed_file_is_read_again() -> None:
    write("books.py")
    assert load("books.py").name == "books"
    write("books.py", GOOD.replace("'books'", "'other'"))
    assert load("books.py").name == "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", "books.py:1: invalid syntax: def f(:"),
        ("x = 1\n  y = 2\n", "books.py:2: unexpected indent: y = 2"),
        (
            GOOD + "    async def parse(self, response):\n        yield from response.follow_all('a')\n",
            "books.py:6: `yield from` does not work in an async method (Python has no such thing): yield the list "
            "itself, `yield response.follow_all(…)`, or write `async for x in …: yield x`: "
            "yield from response.follow_all('a')",
        ),
        (GOOD + "    async def f(self):\n        yield 1\n        return 2\n", "books.py:7: a method that yields"),
        (GOOD + "    def parse(self, r):\n        await self.fetch('x')\n", "books.py:6: `await` works in an"),
        ("x = 1\0\n", "books.py"),
        ("import nowhere_to_be_found\n", "books.py:1: ModuleNotFoundError: No module named 'nowhere_to_be_found': "),
        ("from crawler import Spidr\n", "books.py:1: ImportError: cannot import name 'Spidr'"),
        ("x = 1\ny = 1 / 0\n", "books.py:2: ZeroDivisionError: division by zero: y = 1 / 0"),
        ("def f():\n    return {}['k']\nf()\n", "books.py:2: KeyError: 'k': return {}['k']"),
        ("import sys\nsys.exit(3)\n", "books.py:2: the file ends the program while it is loaded (SystemExit)"),
        ("import json\njson.loads('{')\n", "books.py:2: JSONDecodeError"),
        ("x = 1\n", "books.py has no spider: write a class that inherits from crawler.Spider"),
        ("from crawler import Spider\n", "books.py has no spider"),
        (
            GOOD + "class More(Spider):\n    name = 'more'\n",
            "books.py has 2 spiders (Books, More): say which, books.py:Books",
        ),
        (GOOD.replace("'books'", "''"), 'books.py: Books has no name: write name = "books" in the class'),
        (GOOD.replace("'books'", "'a/b'"), "books.py: Books.name = 'a/b': it names a directory"),
        (GOOD.replace("'books'", "'..'"), "books.py: Books.name = '..': it names a directory"),
        (GOOD.replace("'books'", "3"), "books.py: Books.name is 3: it must be a text"),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_line_with_the_users_line(text: str, message: str) -> None:
    write("books.py", text)
    with pytest.raises(SpiderError) as caught:
        load("books.py")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "importlib" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_broken_module_beside_the_spider_is_named_too() -> None:
    write("helping.py", "x = 1\nboom()\n")
    write("books.py", "import helping\n" + GOOD)
    with pytest.raises(SpiderError, match=r"^books\.py:1 \(in helping\.py:2\): NameError: name 'boom' .*: boom\(\)$"):
        load("books.py")
    write("helping2.py", "def f(:\n")
    write("books.py", "import helping2\n" + GOOD)
    with pytest.raises(SpiderError, match=r"helping2\.py:1: invalid syntax"):
        load("books.py")


def test_a_broken_module_target_is_named() -> None:
    write("shopping.py", "import json\nboom()\n")
    with pytest.raises(SpiderError, match=r"shopping(\.py)?:2: NameError: name 'boom' is not defined: boom\(\)"):
        load("shopping:Books")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("none.py", "none.py: there is no such file"),
        ("spiders/bok.py", "spiders/bok.py: there is no such file; did you mean spiders/books.py?"),
        ("books.py", "books.py: there is no such file; did you mean spiders/books.py?"),
        ("spiders", "spiders is a directory: name one spider's file in it"),
        ("notes.txt", "notes.txt is no Python file: a spider's file ends in .py"),
        ("nomodule:Books", "nomodule: there is no such file or module"),
        ("no.module.at.all", "no.module.at.all: there is no such file or module"),
        ("spiders/books.py:Bookz", "spiders/books.py has no class Bookz; did you mean Books?"),
        ("spiders/books.py:Spider.x", "spiders/books.py:Spider.x is no Python file"),
        ("spiders/books.py:NUMBER", "spiders/books.py:NUMBER is no spider"),
        ("https://example.com/", "https://example.com/ is no Python file"),
        ("", ""),
    ],
)
def test_a_target_that_is_none(target: str, message: str) -> None:
    write("spiders/books.py", GOOD + "NUMBER = 3\n")
    write("notes.txt")
    with pytest.raises(SpiderError) as caught:
        load(target)
    assert str(caught.value).startswith(message)


def test_a_file_that_cannot_be_read() -> None:
    with pytest.raises(SpiderError, match=r"\.py: cannot be read: File name too long"):
        load("b" * 300 + ".py")
