"""The words that titles, descriptions, quotes and people are made of."""

# ruff: noqa: RUF001 - some titles are Russian

from __future__ import annotations

from random import Random
from unicodedata import normalize

__all__ = ["CATEGORIES", "FOREIGN", "person", "sentence", "slug_of", "title"]

CATEGORIES = (
    "Adventure", "Art", "Biography", "Children", "Cooking", "Crime", "Fantasy", "Gardening", "History", "Humour",
    "Music", "Nature", "Philosophy", "Poetry", "Romance", "Science", "Science Fiction", "Travel", "Young Adult",
)  # fmt: skip

_QUALITIES = (
    "Amber", "Borrowed", "Careful", "Crooked", "Distant", "Early", "Forgotten", "Gentle", "Hollow", "Idle", "Jealous",
    "Last", "Lucky", "Midnight", "Narrow", "Ordinary", "Patient", "Quiet", "Restless", "Secret", "Seventh", "Silver",
    "Stubborn", "Tall", "Uncertain", "Velvet", "Wandering", "Winter",
)  # fmt: skip
_THINGS = (
    "Almanac", "Archive", "Bakery", "Bell", "Bridge", "Cartographer", "Cellar", "Clockmaker", "Comet", "Compass",
    "Daughter", "Engine", "Ferry", "Garden", "Glacier", "Harbour", "Heron", "Kitchen", "Lantern", "Letter",
    "Lighthouse", "Map", "Mirror", "Mountain", "Orchard", "Piano", "Postman", "River", "Signal", "Stranger", "Summer",
    "Tailor", "Theatre", "Tide", "Umbrella", "Violin", "Window",
)  # fmt: skip
_PLACES = (
    "Ålesund", "Bath", "Coimbra", "Évora", "Galway", "Kraków", "Ljubljana", "Málaga", "Nîmes", "Oulu", "Perth",
    "Québec", "Reykjavík", "Siena", "Tromsø", "Utrecht", "Würzburg", "Zürich",
)  # fmt: skip
_TITLES = (
    "The {q} {a}", "{a} & {b}", "A {a} in {p}", "The {a} of {p}", "{q} {a}, {r} {b}", "The {a} Who Knew the {b}",
    "Notes on a {q} {a}", "Seven Days in {p}", "The {a}'s {b}", "Who Moved the “{a}”?", "{p}: The {q} Years",
)  # fmt: skip
_GIVEN = (
    "Ada", "Bruno", "Chidi", "Dorothea", "Emil", "Fatima", "Goran", "Hanne", "Ines", "Jun", "Katya", "Leif", "Mbali",
    "Noor", "Oskar", "Priya", "Quentin", "Rosa", "Søren", "Tomás", "Uma", "Viktor", "Wanda", "Yusuf", "Zoë",
)  # fmt: skip
_FAMILY = (
    "Abara", "Brandt", "Castellanos", "Duarte", "Eklund", "Ferrante", "Gruber", "Hallström", "Ito", "Jansen",
    "Kowalczyk", "Lindqvist", "Marchetti", "Novák", "O'Dowd", "Petit", "Quispe", "Rautio", "Silva", "Tanaka", "Ueda",
    "Varga", "Whitlock", "Yilmaz", "Zeman",
)  # fmt: skip
_WHO = ("A traveller", "The gardener", "An old friend", "The night clerk", "A retired captain", "Her youngest sister")
_DOES = ("discovers", "misplaces", "inherits", "refuses to sell", "cannot forget", "quietly repairs", "writes about")
_WHEN = ("before the first snow", "on the wrong train", "at the edge of town", "after forty years", "without a word")

_STROKES = str.maketrans("øł", "ol")  # what no decomposition takes apart

FOREIGN = {
    "ru": (
        ("Тихий", "Старый", "Северный", "Последний", "Золотой", "Далёкий", "Каменный", "Ночной"),
        ("город", "берег", "поезд", "мастер", "лес", "корабль", "вечер", "остров"),
        "{} {}",
    ),
    "ja": (
        ("雨", "月", "海", "夜", "冬", "森", "鏡", "庭"),
        ("手紙", "図書館", "旅人", "約束", "地図", "記憶", "カメラ", "ピアノ"),
        "{}の{}",
    ),
    "zh": (
        ("山", "河", "春", "风", "雪", "城", "茶", "梦"),
        ("故事", "诗人", "花园", "书店", "朋友", "远方", "钟声", "旅程"),
        "{}与{}",
    ),
}
"""By language: first words, second words, and how they make a title."""


def title(dice: Random, language: str = "en") -> str:
    """The title of a book."""
    if language != "en":
        first, second, pattern = FOREIGN[language]
        return pattern.format(dice.choice(first), dice.choice(second))
    q, r = dice.sample(_QUALITIES, 2)
    a, b = dice.sample(_THINGS, 2)
    return dice.choice(_TITLES).format(q=q, r=r, a=a, b=b, p=dice.choice(_PLACES))


def person(dice: Random) -> str:
    """The name of somebody who does not exist."""
    return f"{dice.choice(_GIVEN)} {dice.choice(_FAMILY)}"


def sentence(dice: Random) -> str:
    """A sentence of a blurb."""
    return (
        f"{dice.choice(_WHO)} {dice.choice(_DOES)} the {dice.choice(_QUALITIES).lower()} "
        f"{dice.choice(_THINGS).lower()} of {dice.choice(_PLACES)} {dice.choice(_WHEN)}."
    )


def slug_of(text: str) -> str:
    """A text as it stands in a URL: ASCII, accents left out; "book" where nothing is left of it."""
    letters = normalize("NFKD", text.lower().translate(_STROKES)).encode("ascii", "ignore").decode()
    plain = "".join(c if c.isalnum() else "-" for c in letters)
    return "-".join(part for part in plain.split("-") if part) or "book"
