"""Item pipelines: what happens to an item between the callback and the log."""

from crawler.pipelines.chain import Chain, Context, Pipeline

__all__ = ["Chain", "Context", "Pipeline"]
