"""Every way of saying "not here, there"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from crawler.demo.layout import document, linked_list
from crawler.demo.pages import Page, redirect

__all__ = ["Redirects"]

_CHAIN = re.compile(r"/redirects/chain/(\d{1,3})", re.ASCII)
_STATUSES = (301, 302, 303, 307, 308)
_LINKS = (
    *((str(status), f"{status} to the arrival") for status in _STATUSES),
    ("relative", "a relative Location"),
    ("absolute", "an absolute Location"),
    ("fragment", "a Location with a fragment"),
    ("refresh", "a meta refresh"),
    ("chain/5", "a chain of 5"),
    ("chain/25", "a chain of 25, longer than most will go"),
    ("loop", "a loop of two"),
    ("self", "a page that leads to itself"),
    ("nowhere", "a 302 without a Location"),
    ("lost", "a 302 to a page that is not there"),
)


class Redirects:
    """The area /redirects/. All that arrive, arrive at /redirects/arrival.html."""

    path = "/redirects/"
    title = "Redirects"
    about = "301, 302, 303, 307, 308, relative, a chain, a meta refresh; and those that lead nowhere, such as a loop."

    def paths(self) -> Iterable[str]:
        """The list and the arrival."""
        return (self.path, "/redirects/arrival.html")

    def page(self, path: str, query: Mapping[str, str], base: str) -> Page | None:
        """The list, the arrival, or a redirect."""
        name = path.removeprefix(self.path)
        if not name:
            return Page(document(self.title, f"<h1>Redirects</h1>\n{linked_list(_LINKS)}").encode())
        if name == "arrival.html":
            main = '<h1>Arrival</h1>\n<p id="here">You have arrived. <a href="./">Once more?</a></p>'
            return Page(document("Arrival", main).encode())
        if name == "refresh":
            head = '<meta http-equiv="refresh" content="0; url=arrival.html">'
            return Page(document("One moment", "<h1>One moment</h1>", head=head).encode())
        if name == "nowhere":
            return Page(b"", 302)
        if match := _CHAIN.fullmatch(path):
            left = int(match[1])
            return redirect(f"/redirects/chain/{left - 1}" if left > 1 else "/redirects/arrival.html")
        if name.isascii() and name.isdigit() and int(name) in _STATUSES:
            return redirect("/redirects/arrival.html", int(name))
        locations = {
            "relative": "./arrival.html",
            "absolute": f"{base}/redirects/arrival.html",
            "fragment": "/redirects/arrival.html#here",
            "loop": "/redirects/pool",
            "pool": "/redirects/loop",
            "self": "/redirects/self",
            "lost": "/redirects/not-here.html",
        }
        return redirect(locations[name]) if name in locations else None
