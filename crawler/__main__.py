"""The command `crawler`, also as `python -m crawler`."""

import os
import signal
import sys

if sys.path and sys.path[0] == os.getcwd():  # noqa: PTH109  # os is loaded already, pathlib would load more
    # `python -m` puts the working directory first: a json.py or asyncio.py that lies there would be
    # taken for Python's own. What a spider needs from there is found at the end of the path.
    del sys.path[0]

from collections.abc import Sequence
from types import FrameType


def main(argv: Sequence[str] | None = None) -> int:
    """The whole life of the process: one command, and no traceback for whoever presses Ctrl-C twice.

    `argv` without the program's name, by default the process's. Returns the exit code.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as `nohup` and a shell's `&` leave it
        signal.signal(signal.SIGINT, _interrupt_once)
    try:
        from crawler.cli import main as command

        return command(argv)
    except KeyboardInterrupt:  # outside of what says "interrupted" itself
        return 130


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """The first Ctrl-C is an exception; a second one, while that is on its way out, ends the process by the signal.

    A crawl has handlers of its own while it runs: after those the state on disk is whole.
    """
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
