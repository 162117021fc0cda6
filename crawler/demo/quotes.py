"""The quotes site: a hundred things that nobody ever said, by authors who never lived."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from random import Random

from crawler.demo.layout import crumbs, document, linked_list, pager
from crawler.demo.pages import Page
from crawler.demo.words import person, sentence, slug_of

__all__ = ["Author", "Quote", "Quotes"]

_AUTHORS, _QUOTES, _PER_PAGE = 15, 100, 10
_PAGE = re.compile(r"/quotes/(?:page/(\d{1,4})/)?", re.ASCII)
_TAG = re.compile(r"/quotes/tag/([a-z]+)/", re.ASCII)
_AUTHOR = re.compile(r"/quotes/author/([a-z-]+)/", re.ASCII)
_PLACES = ("Bergen", "Coimbra", "Dunedin", "Győr", "Lwów", "Málaga", "Nara", "Valparaíso")
_SUBJECTS = {
    "patience": ("Patience", "Waiting well", "A long queue"),
    "books": ("A good book", "An unread shelf", "The last chapter"),
    "work": ("A finished job", "Honest work", "The second draft"),
    "travel": ("A missed train", "The long road", "A borrowed map"),
    "friendship": ("An old friend", "A shared silence", "A kept promise"),
    "weather": ("A wet Sunday", "The first frost", "A change of wind"),
}
_CLAIMS = {
    "wisdom": ("teaches more than it tells", "answers the question you did not ask", "is wiser than its owner"),
    "humour": ("is cheaper than furniture and warmer", "never once returned my umbrella", "improves with cake"),
    "time": ("takes exactly as long as it takes", "is early for something else", "outlives every clock"),
    "courage": ("begins where the excuses end", "asks for boots, not speeches", "is half of being brave"),
}


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who is quoted. `born` is a date and a place, as it stands on the page."""

    name: str
    slug: str
    born: str
    about: str


@dataclass(frozen=True, slots=True)
class Quote:
    """A saying, who is said to have said it, and what it is about."""

    text: str
    author: Author
    tags: tuple[str, ...]


class Quotes:
    """The area /quotes/."""

    path = "/quotes/"
    title = "Quotes"
    about = "A hundred quotes in pages of ten, with authors and tags: a first thing to crawl."

    def __init__(self, seed: int) -> None:
        dice = Random(f"quotes {seed}")
        self.authors = _people(dice)
        self.quotes = _sayings(dice, self.authors)
        self._by_slug = {author.slug: author for author in self.authors}
        self._by_tag: dict[str, list[Quote]] = {}
        for quote in self.quotes:
            for tag in quote.tags:
                self._by_tag.setdefault(tag, []).append(quote)

    def paths(self) -> Iterable[str]:
        """The front page, the authors and the tags."""
        yield "/quotes/"
        yield from (f"/quotes/author/{slug}/" for slug in self._by_slug)
        yield from (f"/quotes/tag/{tag}/" for tag in self._by_tag)

    def page(self, path: str, query: Mapping[str, str], base: str) -> Page | None:
        """The page at a path below /quotes/."""
        if match := _PAGE.fullmatch(path):
            return self._list(int(match[1] or 1))
        if (match := _TAG.fullmatch(path)) and match[1] in self._by_tag:
            return self._tag(match[1])
        if (match := _AUTHOR.fullmatch(path)) and match[1] in self._by_slug:
            return self._author(self._by_slug[match[1]])
        return None

    def _list(self, number: int) -> Page | None:
        pages = -(-len(self.quotes) // _PER_PAGE)
        if not 1 <= number <= pages:
            return None
        shown = self.quotes[(number - 1) * _PER_PAGE : number * _PER_PAGE]
        tags = linked_list([(f"/quotes/tag/{tag}/", tag) for tag in sorted(self._by_tag)], "tags")
        hrefs = (f"/quotes/page/{number - 1}/", f"/quotes/page/{number + 1}/")
        return _html(
            "Quotes", f"<h1>Quotes</h1>\n{_quotes(shown)}\n{pager(number, pages, hrefs)}\n<h2>Tags</h2>\n{tags}"
        )

    def _tag(self, tag: str) -> Page:
        way = crumbs(("/quotes/", "Quotes"), here=tag)
        return _html(f"Quotes: {tag}", f"{way}\n<h1>Quotes about {tag}</h1>\n{_quotes(self._by_tag[tag])}")

    def _author(self, author: Author) -> Page:
        return _html(
            author.name,
            f'{crumbs(("/quotes/", "Quotes"), here=author.name)}\n<article class="author">\n'
            f'<h1>{escape(author.name)}</h1>\n<p>Born <span class="born">{escape(author.born)}</span></p>\n'
            f'<p class="about">{escape(author.about)}</p>\n</article>',
        )


def _html(title: str, main: str) -> Page:
    return Page(document(title, main).encode())


def _quotes(quotes: Sequence[Quote]) -> str:
    return "\n".join(
        f'<div class="quote"><p class="text">“{escape(quote.text)}”</p>\n'
        f'<p>by <span class="author">{escape(quote.author.name)}</span> '
        f'<a class="about" href="/quotes/author/{quote.author.slug}/">(about)</a></p>\n'
        f"{linked_list([(f'/quotes/tag/{tag}/', tag) for tag in quote.tags], 'tags')}</div>"
        for quote in quotes
    )


def _people(dice: Random) -> tuple[Author, ...]:
    people: dict[str, Author] = {}
    while len(people) < _AUTHORS:
        name = person(dice)
        born = f"{dice.randint(1, 28)}.{dice.randint(1, 12)}.{dice.randint(1820, 1960)} in {dice.choice(_PLACES)}"
        author = Author(name, slug_of(name), born, " ".join(sentence(dice) for _ in range(3)))
        people.setdefault(author.slug, author)
    return tuple(people.values())


def _sayings(dice: Random, authors: Sequence[Author]) -> tuple[Quote, ...]:
    """Every subject meets every claim; the hundred that the dice put first are kept, no two alike."""
    pairs = [
        (f"{subject} {claim}.", (about, said))
        for about, subjects in _SUBJECTS.items()
        for subject in subjects
        for said, claims in _CLAIMS.items()
        for claim in claims
    ]
    # Each author is quoted at least once, so that the site's links lead to all of them.
    voices = [*authors, *(dice.choice(authors) for _ in range(_QUOTES - len(authors)))]
    dice.shuffle(voices)
    return tuple(
        Quote(text, author, tags) for (text, tags), author in zip(dice.sample(pairs, _QUOTES), voices, strict=True)
    )
