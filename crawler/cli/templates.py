"""The files that `crawler new` makes. What they contain is run, linted and type-checked by a test."""

from __future__ import annotations

from string import Template

__all__ = ["CONFIG", "GITIGNORE", "SPIDER"]

SPIDER = Template('''\
"""$name: follows the links of one site and takes each page's title."""

from dataclasses import dataclass

from crawler import Response, Spider, Yields


@dataclass
class Page:
    """One item; a CSV output has these columns."""

    url: str
    title: str


class $class_name(Spider):
    """Begins at start_urls and stays on allowed_domains, subdomains included."""

    name = "$name"
    start_urls = ["$url"]
    allowed_domains = ["$host"]

    async def parse(self, response: Response) -> Yields[Page]:
        """Gets every page: yields items and the requests for more pages."""
        yield Page(url=response.url, title=response.css("title::text").get("").strip())
        yield response.links()
''')

CONFIG = Template("""\
# Settings for all spiders here; `crawler settings` lists every one with its value and origin.
[crawler]
concurrency = 16
delay = 0.25

# [spiders.$name]
# max_pages = 1000
""")

GITIGNORE = """\
__pycache__/
/runs/
*.partial
"""
