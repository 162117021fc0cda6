"""Runs on disk: which directory, whose lock, what identity, what went on before."""

from crawler.runs.directory import RunDirectory, find, newest
from crawler.runs.identity import Identity
from crawler.runs.lock import Lock

__all__ = ["Identity", "Lock", "RunDirectory", "find", "newest"]
