"""A real site: the tree of Debian's python3-doc, and the truth about it, read from the files.

527 pages, 51 MB: a table of contents of 2.6 MB, modules of half a megabyte, small ones by the hundred. The truth
is found without any crawler and any HTTP: lxml and `urllib.parse` over the files, from the first page on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from lxml import etree

from kit.series import Site

__all__ = ["DOCUMENTATION", "documentation"]

DOCUMENTATION: Final = Path("/usr/share/doc/python3-doc/html")
_HOST: Final = "documentation.example"


def documentation(work: Path) -> Site:
    """The site, its items (`title` and number of `links`) and the status of every path that is linked."""
    if not DOCUMENTATION.is_dir():
        sys.exit(f"{DOCUMENTATION} is missing: apt-get install python3-doc")
    truth: dict[str, dict[str, Any]] = {}
    asked: dict[str, int] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in asked:
            continue
        file = DOCUMENTATION / unquote(urlsplit(path).path).lstrip("/")
        if file.is_dir():
            file /= "index.html"
        asked[path] = 200 if file.is_file() else 404
        if file.suffix == ".html" and file.is_file():
            tree = etree.fromstring(file.read_bytes(), etree.HTMLParser(encoding="utf-8", huge_tree=True))
            hrefs: Any = tree.xpath("//a/@href")
            titles: Any = tree.xpath("//title/text()")
            truth[path] = {"title": titles[0].strip(), "links": len(hrefs)}
            waiting += [link for href in hrefs if (link := _on_site(path, href)) is not None]
    work.mkdir(parents=True, exist_ok=True)
    paths = work / "documentation-paths.txt"
    paths.write_text("".join(f"{path}\n" for path in sorted(asked)))
    return Site(DOCUMENTATION, paths, truth, asked)


def _on_site(path: str, href: str) -> str | None:
    """Where a link leads, as path and query; None when that is elsewhere."""
    try:
        url = urlsplit(urljoin(f"http://{_HOST}{path}", href))
    except ValueError:
        return None
    if url.scheme != "http" or url.netloc != _HOST:
        return None
    return (url.path or "/") + (f"?{url.query}" if url.query else "")
