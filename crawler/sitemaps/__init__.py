"""Sitemaps as the beginning of a crawl: `sitemap_urls` of any spider, `SitemapSpider`.

`page.py` is a sitemap's page, `reading.py` its callback, `body.py` its text; what stands in it is read by
`crawler.parse.sitemaps`.
"""
