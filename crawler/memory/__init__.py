"""Memory: what a crawl may use, what it does when that runs out, how freed memory is kept."""

from crawler.memory.malloc import keep_freed, release
from crawler.memory.watch import Watch, watching

__all__ = ["Watch", "keep_freed", "release", "watching"]
