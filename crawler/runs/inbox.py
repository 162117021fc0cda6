"""The inbox of a run: how commands reach a crawl that another process works on.

    runs/<spider>/<id>/inbox/       owner-only (0700), its files too (0600)
        <name>.cmd                  a command, for the crawl
        <name>.done                 its answer, for who gave it
        <name>.bad                  what could not be read, set aside
        .listening                  locked by the crawl while it listens

A command is there whole or not at all (temporary name, fsync, rename, fsync of the directory), as
MessagePack with a version. Names sort by the time they were given. The crawl answers after the
command's last commit, and then removes it: a kill in between repeats it, which changes nothing, since
adding goes by what is known and dropping by what is pending. A long list of URLs comes as many
commands, so that neither side ever holds more than one of them in memory.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from crawler.durable import write_whole
from crawler.errors import DiskError, StateError
from crawler.flock import FileLock, is_held

if TYPE_CHECKING:
    from crawler.runs.directory import RunDirectory

__all__ = ["MAX_BYTES", "MAX_URLS", "Add", "Answer", "Command", "Drop", "Inbox", "Unreadable", "parts"]

T = TypeVar("T")

MAX_URLS = 2_000
"""URLs of one command."""
MAX_BYTES = 1 << 20
"""Bytes of one command, about; what is four times larger is none."""
_VERSION = 1
_ANSWER_SECONDS = 86_400.0  # so long an answer waits for who asked


class Add(msgspec.Struct, frozen=True, tag_field="command", tag="add"):
    """Add requests for these URLs, as seeds. `callback` is a method of the spider; "" means `parse`."""

    urls: list[str]
    callback: str = ""
    priority: int = 0
    version: int = _VERSION


class Drop(msgspec.Struct, frozen=True, tag_field="command", tag="drop"):
    """Leave out the pending requests whose URL matches: a glob for the whole of it, or a regular expression."""

    pattern: str
    regex: bool = False
    version: int = _VERSION


Command = Add | Drop


class Answer(msgspec.Struct):
    """What became of a command. `error` refuses it as a whole, in one line; then nothing was changed."""

    added: int = 0
    known: int = 0
    """URLs that were known before: nothing was added for them."""
    refused: dict[str, int] = {}
    """URLs that a rule leaves out, by the rule."""
    details: dict[str, str] = {}
    """The first of each rule: what it said."""
    dropped: int = 0
    in_flight: int = 0
    """Requests that match but are being fetched at the moment: they finish."""
    error: str = ""
    version: int = _VERSION

    def refuse(self, rule: str, detail: str) -> None:
        """Counts a URL that a rule leaves out."""
        self.refused[rule] = self.refused.get(rule, 0) + 1
        self.details.setdefault(rule, detail)

    def add(self, other: Answer) -> None:
        """Takes up the answer to another part of the same work."""
        self.added += other.added
        self.known += other.known
        self.dropped += other.dropped
        self.in_flight += other.in_flight
        for rule, n in other.refused.items():
            self.refused[rule] = self.refused.get(rule, 0) + n
        self.details = {**other.details, **self.details}
        self.error = self.error or other.error


class Unreadable(Exception):
    """A file of the inbox that is no command of ours; the message says why."""


_decode = msgspec.msgpack.Decoder(Command).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode
_NAME = re.compile(r"[0-9]{19}-[0-9a-f]{8}")


def parts(urls: Iterator[str], callback: str = "", priority: int = 0) -> Iterator[Add]:
    """The commands that add these URLs, each of a size that an inbox takes. Draws no further than it must."""
    some: list[str] = []
    size = 0
    for url in urls:
        some.append(url)
        size += len(url.encode("utf-8", "surrogatepass"))
        if len(some) >= MAX_URLS or size >= MAX_BYTES:
            yield Add(some, callback, priority)
            some, size = [], 0
    if some:
        yield Add(some, callback, priority)


class Inbox:
    """The inbox of one run, for both sides. Making one touches no disk."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.path = run.path / "inbox"
        self._last = 0
        self._seen: int | None = None
        self._again = False

    # -- the side that gives commands

    def put(self, command: Command) -> str:
        """Lays a command in, durable; its name. Raises DiskError, and StateError for a directory that others
        may write to."""
        try:
            self._make()
            self._last = max(time.time_ns(), self._last + 1)
            name = f"{self._last:019d}-{secrets.token_hex(4)}"
            write_whole(self._command(name), msgspec.msgpack.encode(command), mode=0o600)
        except OSError as error:
            raise DiskError(f"cannot write in {self.path}: {error.strerror}; make room or rights") from None
        return name

    def take_answer(self, name: str) -> Answer | None:
        """The answer to a command, which is removed; None while there is none. Raises StateError for one
        that was set aside, as its reader could not read it."""
        path = self._answer(name)
        try:
            answer = _decode_answer(path.read_bytes())
        except FileNotFoundError:
            if self._aside(f"{name}.cmd").exists():
                raise StateError(
                    f"the crawl cannot read the command and has set it aside as {self._aside(f'{name}.cmd')}; "
                    "its log says why"
                ) from None
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StateError(f"the answer {path} cannot be read ({error})") from None
        path.unlink(missing_ok=True)
        return answer

    def withdraw(self, name: str) -> None:
        """Takes a command back that nobody has carried out. Only while nobody listens."""
        self._command(name).unlink(missing_ok=True)

    @property
    def is_heard(self) -> bool:
        """Whether a crawl listens."""
        try:
            return is_held(self.path / ".listening")
        except OSError:
            return False

    # -- the side that carries them out

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While this process reads the inbox. Raises DiskError and StateError as `put` does."""
        try:
            self._make()
            lock = FileLock(self.path / ".listening")
        except BlockingIOError:
            raise StateError(f"another process reads {self.path}") from None
        except OSError as error:
            raise DiskError(f"cannot make {self.path}: {error.strerror}") from None
        try:
            yield
        finally:
            lock.release()

    def changed(self) -> bool:
        """Whether there may be something new since the last call: one stat.

        After a change the next call says so once more: two changes within one tick of the file
        system's clock look like one.
        """
        try:
            now: int | None = self.path.stat().st_mtime_ns
        except OSError:
            now = None
        changed = now != self._seen
        self._seen = now
        look, self._again = changed or self._again, changed
        return look

    def waiting(self) -> list[str]:
        """The names of the commands that lie there, in the order in which they were given; finished ones are
        cleared away."""
        names = [file.removesuffix(".cmd") for file in self._files() if file.endswith(".cmd")]
        waiting = []
        for name in sorted(names):
            if self._answer(name).exists():  # a kill between the answer and this
                self.withdraw(name)
            else:
                waiting.append(name)
        return waiting

    def strangers(self) -> list[str]:
        """The names of files that nobody of us has put there."""
        return [file for file in self._files() if not file.endswith((".cmd", ".done", ".bad"))]

    def read(self, name: str) -> Command:
        """A command. Raises Unreadable for what is none, too large, another user's or of a newer version."""
        if not _NAME.fullmatch(name):
            raise Unreadable("its name is none of ours")
        command: Command
        try:
            command = _decode(_content(self._command(name)))
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from None
        except msgspec.MsgspecError as error:
            raise Unreadable(str(error)) from None
        if command.version > _VERSION:
            raise Unreadable(f"it is of a newer version of crawler (format {command.version})")
        return command

    def answer(self, name: str, answer: Answer) -> None:
        """Says what became of a command, which is removed. Raises OSError; then it is removed if that can be."""
        try:
            write_whole(self._answer(name), msgspec.msgpack.encode(answer), mode=0o600)
        finally:
            self._command(name).unlink(missing_ok=True)

    def set_aside(self, file: str) -> Path:
        """Renames a file that is no command, so that it is neither read again nor lost. Raises OSError."""
        aside = self._aside(file)
        (self.path / file).rename(aside)
        return aside

    def sweep(self) -> None:
        """Removes answers that nobody has come for in a day."""
        with contextlib.suppress(OSError):
            for file in self._files():
                path = self.path / file
                if file.endswith(".done") and time.time() - path.stat().st_mtime > _ANSWER_SECONDS:
                    path.unlink(missing_ok=True)

    # -- inside

    def _command(self, name: str) -> Path:
        return self.path / f"{name}.cmd"

    def _answer(self, name: str) -> Path:
        return self.path / f"{name}.done"

    def _aside(self, file: str) -> Path:
        return self.path / f"{file}.bad"

    def _files(self) -> list[str]:
        """All but what begins with a dot: the lock, and files that are being written."""
        try:
            return [entry.name for entry in os.scandir(self.path) if not entry.name.startswith(".")]
        except FileNotFoundError:
            return []

    def _make(self) -> None:
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(0o700)
        status = self.path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise StateError(
                f"{self.path} must be a directory of the crawl's own user that nobody else may write to: "
                "remove it, or give the command as that user"
            )


def _content(path: Path) -> bytes:
    """A file's content, if it is a plain file of our own and no larger than any command."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not hold us up
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("it is no plain file")
        if status.st_uid != os.geteuid():
            raise Unreadable("it is another user's")
        content = file.read(4 * MAX_BYTES + 1)
    if len(content) > 4 * MAX_BYTES:
        raise Unreadable(f"it is larger than {4 * MAX_BYTES:,} bytes")
    return content
