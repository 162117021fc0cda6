"""The look of the practice site: one HTML frame, a little CSS, and the small pieces that pages share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["crumbs", "document", "linked_list", "pager"]

_CSS = (
    "body{font:16px/1.5 Georgia,serif;color:#2b2a27;background:#faf8f3;margin:0 auto;max-width:60rem;padding:0 1rem}"
    "h1,h2,nav,footer,.price,.stock{font-family:system-ui,sans-serif}h1{font-weight:600;margin:.6em 0 .3em}"
    "a{color:#8a3b12}nav{padding:.8rem 0;border-bottom:1px solid #ddd5c4;font-size:.9rem}nav a{margin-right:1rem}"
    "footer{margin:3rem 0 1rem;color:#8b8677;font-size:.8rem}.breadcrumb,.pager{list-style:none;padding:0;"
    "display:flex;gap:.8rem;font-size:.85rem}.shelf{display:grid;gap:1rem;"
    "grid-template-columns:repeat(auto-fill,minmax(13rem,1fr))}.book,.quote{background:#fff;padding:.8rem 1rem;"
    "border:1px solid #e7e0d0;border-radius:6px}.book h3{margin:.2rem 0;font-size:1rem}.price{font-weight:600}"
    ".stock{color:#3d7a46;font-size:.85rem}.stock.none{color:#a33}.rating{color:#d08b1d}.quote{margin:1rem 0}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;border-bottom:1px solid #e7e0d0;text-align:left}"
)
_MENU = '<a href="/"><b>Practice site</b></a><a href="/books/">Bookstore</a><a href="/quotes/">Quotes</a>'


def document(title: str, main: str, *, lang: str = "en", head: str = "") -> str:
    """A whole HTML page. `title` is text, `main` and `head` are HTML."""
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<head>{head}\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_CSS}</style>\n</head>\n'
        f"<body>\n<nav>{_MENU}</nav>\n<main>\n{main}\n</main>\n"
        "<footer>A place to practise: nothing here is for sale, nobody here is real.</footer>\n</body>\n</html>\n"
    )


def crumbs(*steps: tuple[str, str], here: str) -> str:
    """The way down to this page: (href, text) of each step, then the page's own name."""
    links = "".join(f'<li><a href="{escape(href)}">{escape(text)}</a></li>' for href, text in steps)
    return f'<ul class="breadcrumb">{links}<li class="active">{escape(here)}</li></ul>'


def pager(number: int, pages: int, hrefs: tuple[str, str]) -> str:
    """Previous and next page; `hrefs` are theirs, each left out where there is no such page."""
    before, after = (escape(href) for href in hrefs)
    previous = f'<li class="previous"><a href="{before}">previous</a></li>' if number > 1 else ""
    following = f'<li class="next"><a href="{after}">next</a></li>' if number < pages else ""
    return f'<ul class="pager">{previous}<li class="current">Page {number} of {pages}</li>{following}</ul>'


def linked_list(links: Iterable[tuple[str, str]] | Sequence[tuple[str, str]], kind: str = "links") -> str:
    """A list of links: (href, text) each."""
    lines = "\n".join(f'<li><a href="{escape(href)}">{escape(text)}</a></li>' for href, text in links)
    return f'<ul class="{kind}">\n{lines}\n</ul>'
