"""A plant nursery to crawl: static pages, the same bytes every time, and the truth about each of them.

A page is about 8 KB and has exactly 30 `<a href>`: 6 of a menu that every page has, 21 to its children in a
tree (up to 3; so each page can be reached from "/") and to any other pages, and 3 of those a second time. They
are written as people write them: from the root, relative, with "../", with a fragment. A crawl finds one new
page a page on average; the other 29 links are known.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import random
import shutil
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Final

__all__ = ["CHILDREN", "LINKS", "Plant", "generate", "path_of", "prepared", "read_truth"]

LINKS: Final = 30
MENU: Final = 6
CHILDREN: Final = 3
TWICE: Final = 3

_KINDS: Final = ("herb", "tree", "rose", "fern")
_PLACES: Final = ("shade", "sun", "wall", "pond", "pot", "rock", "meadow", "hedge")
_BEDS: Final = tuple(f"{kind}-{place}" for kind in _KINDS for place in _PLACES)
_FIRST: Final = ("alpine", "bitter", "common", "dwarf", "early", "false", "giant", "hardy", "late", "moss")
_SECOND: Final = ("aster", "birch", "clover", "daphne", "elder", "fescue", "gentian", "hazel", "iris", "jasmine")
_TAGS: Final = ("annual", "perennial", "evergreen", "fragrant", "native", "bee-friendly", "edible", "café au lait")
_PHRASES: Final = (
    "keep the soil moist", "cut back after the last frost", "sow under glass", "divide in autumn", "it likes company",
    "mulch with bark", "grows to about a metre", "white petals", "plant out when nights are mild", "light shade",
    "water deeply", "well weeded", "yellow in late summer", "on sandy ground", "on clay too", "once a year",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plant:
    """What is to be read from one page. `price` is in euros."""

    path: str
    title: str
    price: float
    tags: list[str]


def path_of(n: int) -> str:
    """Where page n is; 0 is the home page."""
    if n == 0:
        return "/"
    return f"/beds/{_BEDS[n % len(_BEDS)]}/{_FIRST[n % 10]}-{_SECOND[n // 10 % 10]}-{n}.html"


def _plant(n: int, rng: random.Random) -> Plant:
    title = f"{_FIRST[n % 10].capitalize()} {_SECOND[n // 10 % 10]} “{n}” & friends"
    return Plant(path_of(n), title, rng.randrange(150, 90_000) / 100, rng.sample(_TAGS, rng.randint(1, 5)))


def _targets(n: int, pages: int, rng: random.Random) -> list[int]:
    menu = [m % pages for m in range(MENU)]
    children = [m for m in range(CHILDREN * n + 1, CHILDREN * n + CHILDREN + 1) if m < pages]
    return menu + children + [rng.randrange(pages) for _ in range(LINKS - MENU - TWICE - len(children))]


def _written(source: int, target: int, style: int) -> str:
    """A link as one of the forms that are seen in the wild."""
    path = path_of(target)
    if style < 4:
        return path
    if style == 4:
        return f"{path}#care"
    relative = posixpath.relpath(path, posixpath.dirname(path_of(source)))
    if path == "/":
        return "./" if relative == "." else relative + "/"
    return relative + ("#top" if style == 9 else "")


def _page(n: int, plant: Plant, hrefs: list[str], texts: list[str]) -> str:
    title = escape(plant.title)
    menu = "".join(
        f'\n      <li class="entry"><a href="{href}">Bed {i}</a></li>' for i, href in enumerate(hrefs[:MENU])
    )
    beside = "\n".join(
        f'    <figure class="beside"><figcaption><a class="to" href="{href}">Neighbour {i}</a>'
        f"<small>row {i * 7 % 13}, plot {n % 89}</small></figcaption></figure>"
        for i, href in enumerate(hrefs[MENU:-TWICE])
    )
    again = ", ".join(f'<a rel="next" href="{href}">again {i}</a>' for i, href in enumerate(hrefs[-TWICE:]))
    care = "\n".join(f"    <p>{text}</p>" for text in texts)
    tags = "".join(f'<span class="tag">{escape(tag)}</span>' for tag in plant.tags)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n  <meta charset="utf-8">\n  <title>{title} — nursery</title>\n'
        f'  <meta name="description" content="{title}: plot {n}">\n  <link rel="icon" href="data:,">\n</head>\n<body>\n'
        f"  <nav>\n    <ul>{menu}\n    </ul>\n  </nav>\n"
        f'  <article>\n    <h1>{title}</h1>\n    <p>In stock, <span class="price">{plant.price:.2f}</span> euros.</p>\n'
        f'    <div class="tags">{tags}</div>\n{care}\n  </article>\n'
        f"  <aside>\n{beside}\n  </aside>\n  <footer>See {again}. Page {n}.</footer>\n</body>\n</html>\n"
    )


def generate(directory: Path, pages: int, seed: int = 7) -> None:
    """Writes `directory`/www (what a server serves), truth.jsonl (a `Plant` a line) and paths.txt (one a line).

    20,000 pages take 5 s and 240 MB of disk.
    """
    rng = random.Random(seed)
    texts = [", ".join(rng.choices(_PHRASES, k=23)).capitalize() + "." for _ in range(300)]
    www = directory / "www"
    for bed in _BEDS:
        (www / "beds" / bed).mkdir(parents=True, exist_ok=True)
    plants = []
    for n in range(pages):
        plant = _plant(n, rng)
        hrefs = [_written(n, target, rng.randrange(10)) for target in _targets(n, pages, rng)]
        hrefs += hrefs[-TWICE:]
        file = www / (plant.path.lstrip("/") or "index.html")
        file.write_text(_page(n, plant, hrefs, rng.sample(texts, 8)), encoding="utf-8")
        plants.append(plant)
    (www / "robots.txt").write_text("User-agent: *\nDisallow: /private/\n")
    (directory / "paths.txt").write_text("".join(f"{plant.path}\n" for plant in plants))
    lines = (json.dumps(asdict(plant), ensure_ascii=False) + "\n" for plant in plants)
    (directory / "truth.jsonl").write_text("".join(lines), encoding="utf-8")


def prepared(work: Path, pages: int) -> Path:
    """The directory of a site of so many pages under `work`, made when it is not there as this file would make it."""
    directory = work / f"site-{pages}"
    stamp, version = directory / "made-by", hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != version:
        shutil.rmtree(directory, ignore_errors=True)
        generate(directory, pages)
        stamp.write_text(version)
    return directory


def read_truth(directory: Path) -> dict[str, Plant]:
    """The plants by their paths."""
    with (directory / "truth.jsonl").open(encoding="utf-8") as lines:
        plants = [Plant(**json.loads(line)) for line in lines]
    return {plant.path: plant for plant in plants}
