"""`SitemapSpider`: a spider that begins with sitemaps."""

from __future__ import annotations

from crawler.spider import Spider

__all__ = ["SitemapSpider"]


class SitemapSpider(Spider):
    """A spider whose pages are those that sitemaps name.

        class Shop(SitemapSpider):
            sitemap_urls = ["https://shop.example/robots.txt"]

            def entry(self, entry: SitemapEntry) -> Request | None:
                return Request(entry.loc, self.parse_book) if "/book/" in entry.loc else None

    A URL of `sitemap_urls` is a sitemap, an index of sitemaps, a feed, a list of URLs, or a robots.txt, which
    means the sitemaps that it names. Any `Spider` may set `sitemap_urls`, beside its `start_urls`.
    """
