"""`python -m crawler.demo --port N`."""

from __future__ import annotations

import argparse
import sys

from crawler.demo.serve import serve
from crawler.errors import CrawlerError


def main() -> int:
    """Reads the arguments and serves; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m crawler.demo", description="Serve the practice site.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0: a free one (default: %(default)s)")
    parser.add_argument("--products", type=int, default=1000, help="books in the shop (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before an answer, on average")
    parser.add_argument("--flaky", type=float, default=0.0, help="share of pages that stumble at first, 0 to 1")
    parser.add_argument("--slow", type=float, default=1.0, help="seconds of the slow pages (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="another seed is another shop")
    options = vars(parser.parse_args())
    try:
        serve(options.pop("host"), options.pop("port"), **options)
    except CrawlerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
