"""Commands to a run: adding and dropping requests, in a crawl that is under way or in a store at rest."""

from crawler.orders.live import Orders

__all__ = ["Orders"]
