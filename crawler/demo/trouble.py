"""Pages that are slow, stumble, or fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crawler.demo.layout import document, linked_list
from crawler.demo.pages import Page

__all__ = ["Trouble"]

_LINKS = (
    ("slow.html", "takes its time"),
    ("flaky.html", "503 at first, then good"),
    ("gone.html", "410, gone"),
    ("missing.html", "404, never was"),
    ("broken.html", "500, always"),
)


class Trouble:
    """The area /trouble/. `slow` are the seconds that the slow page takes."""

    path = "/trouble/"
    title = "Trouble"
    about = "A slow page, one that stumbles at first, and some that fail for good."

    def __init__(self, slow: float) -> None:
        self._slow = slow

    def paths(self) -> Iterable[str]:
        """The list."""
        return (self.path,)

    def page(self, path: str, query: Mapping[str, str], base: str) -> Page | None:
        """The list, or a troubled page."""
        name = path.removeprefix(self.path)
        if not name:
            return Page(document(self.title, f"<h1>Trouble</h1>\n{linked_list(_LINKS)}").encode())
        if name == "slow.html":
            return Page(_body("Slow", "It took a while."), delay=self._slow)
        if name == "flaky.html":
            return Page(_body("Flaky", "Today it works."), flaky=True)
        if name == "gone.html":
            return Page(_body("Gone", "It was here once."), 410)
        if name == "broken.html":
            return Page(_body("Broken", "Something went wrong."), 500)
        return None


def _body(title: str, text: str) -> bytes:
    return document(title, f'<h1>{title}</h1>\n<p>{text} <a href="./">Back</a></p>').encode()
