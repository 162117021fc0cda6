"""The practice site: a small web that is the same every time, to learn, to show and to test on.

    async with DemoSite(products=50) as site:      # in this event loop
        site.url, site.truth().books, site.hits
    with DemoServer(latency=0.05) as server:       # in a thread of its own
        server.url

`serve(host, port)` is `crawler demo`. Each part of the site is an `Area` in a module of its own.
"""

from __future__ import annotations

from crawler.demo.serve import serve
from crawler.demo.server import DEFAULT_PORT, DemoServer, DemoSite, SiteOptions
from crawler.demo.truth import TrueAuthor, TrueBook, TrueQuote, Truth

__all__ = [
    "DEFAULT_PORT",
    "DemoServer",
    "DemoSite",
    "SiteOptions",
    "TrueAuthor",
    "TrueBook",
    "TrueQuote",
    "Truth",
    "serve",
]
