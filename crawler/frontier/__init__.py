"""The stores of requests: what is known, what is pending, what became of each page."""

from crawler.frontier.fingerprint import Fingerprinter
from crawler.frontier.memory import MemoryFrontier
from crawler.frontier.sqlite import Meta, SQLiteFrontier, read_meta

__all__ = ["Fingerprinter", "MemoryFrontier", "Meta", "SQLiteFrontier", "read_meta"]
