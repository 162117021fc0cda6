"""`python -m crawler`: the same door as the command `crawler`."""

import os
import sys

if sys.path and sys.path[0] == os.getcwd():  # noqa: PTH109  # os is loaded already, pathlib would load more
    # `python -m` puts the working directory first: a json.py or asyncio.py that lies there would be
    # taken for Python's own. What a spider needs from there is found at the end of the path.
    del sys.path[0]

from crawler.cli import main

if __name__ == "__main__":
    sys.exit(main())
