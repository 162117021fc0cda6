"""Where an output's bytes go: FILE.partial while the run goes on, FILE when it ended well.

FILE appears whole: it keeps its earlier content until `publish`, which renames (or appends). A file
in the run's own directory (`in_place`) grows under its own name.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from crawler.durable import sync_directory
from crawler.errors import SettingsError
from crawler.flock import FileLock
from crawler.outputs.append import Base, append_whole, record_base
from crawler.outputs.claim import claim
from crawler.outputs.failure import disk_error

__all__ = ["Destination"]


class Destination:
    """One output file. Blocking calls; the projection makes them in a thread.

    `base` is FILE as it was when the run began, where the run's output is appended to it.
    """

    def __init__(self, path: Path, *, in_place: bool = False) -> None:
        self.path = Path(os.path.realpath(path))  # a link is written through, not replaced
        self.in_place = in_place
        self.partial = self.path if in_place else self.path.with_name(self.path.name + ".partial")
        self.base: Base | None = None
        self._claim: FileLock | None = None
        self._published = ""

    @property
    def gzip(self) -> bool:
        """By its name."""
        return self.path.suffix.lower() == ".gz"

    def open(self, base: Base | None, *, append: bool) -> bool:
        """Makes the directory, takes the file against other runs, looks at what is appended to.

        Returns whether there is something to go on with. Raises AlreadyRunning, SettingsError, DiskError.
        """
        if self.path.is_dir():
            raise SettingsError(f"output {self.path} is a directory: name a file in it, as {self.path / 'items.jsonl'}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(self.path.parent, error, "make the directory") from None
        if not self.in_place:
            self._claim = claim(self.partial, self.path)
        if base is not None or append:
            self.base = base or record_base(self.path, gzip=self.gzip)
        try:
            return self.partial.stat().st_size > 0
        except OSError:
            return False

    def publish(self, skip: int) -> None:
        """Puts the finished partial file in FILE's place, or behind its content from byte `skip` on.

        Raises DiskError, StateError; FILE has its earlier content then.
        """
        if self.in_place:
            return
        if self.base is not None and (self.base.length or self.path.exists()):
            append_whole(self.path, self.base, self.partial, skip, gzip=self.gzip)
            self._published = "appended"
            return
        try:
            with contextlib.suppress(FileNotFoundError):
                self.partial.chmod(self.path.stat().st_mode & 0o7777)  # readers keep their rights
            self.partial.replace(self.path)
            self._published = "renamed"
            sync_directory(self.path.parent)
        except OSError as error:
            raise disk_error(self.path, error, f"rename {self.partial.name} to") from None

    def release(self) -> None:
        """Gives the file back. A partial file goes when it was appended, or when nothing is in it."""
        if self._claim is None:
            return
        with contextlib.suppress(OSError):  # what is left over is in nobody's way
            if self._published == "appended" or (not self._published and self.partial.stat().st_size == 0):
                self.partial.unlink()
        self._claim.release()
        self._claim = None
