"""`crawler demo`: the practice site, to play with."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["EXAMPLE", "demo"]

EXAMPLE = "Example: crawler demo --port 8000"


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; only this machine by default.")] = "127.0.0.1",
) -> None:
    """Serve the practice site until Ctrl-C.

    A shop with all that real sites do, and a page of quotes.
    """
    from crawler.demo import serve

    serve(host, port)
