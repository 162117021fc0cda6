"""What makes a run the same run: spider, arguments, fingerprint rules; and the spider's hash key."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from crawler.canonical import CanonicalRules
from crawler.errors import DiskError, StateError

__all__ = ["SCHEMA", "Identity", "code_digest", "hash_key", "is_file", "key_digest", "seeds_name", "target_of"]


SCHEMA = 1
"""Of run.json. One of a higher number was made by a newer version and is refused."""


class Identity(msgspec.Struct, frozen=True):
    """Stored as run.json when a run is made; a later process must match it to go on."""

    id: str
    spider: str
    args: dict[str, Any]
    created: float
    """Epoch seconds."""
    fingerprint_version: int
    canonical: dict[str, Any]
    """The canonicalisation settings: other ones mean other fingerprints, so another run."""
    code: str = ""
    """Digest of the spider's file."""
    seeds: str = ""
    """The list of URLs that took the place of the spider's seeds; empty: its own."""
    target: str = ""
    """Where the spider's class is, as `crawler run` takes it: FILE:Class or module:Class."""
    key: str = ""
    """Digest of the hash key: with another one every page would be a new one."""
    schema: int = SCHEMA

    @property
    def rules(self) -> CanonicalRules:
        """`canonical` as the fingerprints take it."""
        return CanonicalRules.from_dict(self.canonical)

    @property
    def digest(self) -> str:
        """Names (spider, arguments): runs with one digest continue each other."""
        return args_digest(self.args, self.seeds)


def seeds_name(urls: object) -> str:
    """What a list of URLs is known by: its file's path and content; "urls" for one that is no file."""
    if not is_file(urls):
        return "urls"
    path = Path(str(getattr(urls, "name", "")))
    with path.open("rb") as file:
        return f"{path.absolute()} {hashlib.file_digest(file, 'blake2b').hexdigest()[:16]}"


def is_file(urls: object) -> bool:
    """Whether a list of URLs comes from a file that can be read again: not from a pipe, whose reader it would rob."""
    return Path(str(getattr(urls, "name", "")) or ".").is_file()


def args_digest(args: Mapping[str, Any], seeds: str = "") -> str:
    """Twelve hexadecimal digits for a spider's arguments and seeds."""
    if seeds:
        args = {**args, "--urls": seeds}
    raw = msgspec.json.encode(dict(sorted(args.items())), enc_hook=str, order="deterministic")
    return hashlib.blake2b(raw, digest_size=6).hexdigest()


def hash_key(spider_dir: Path) -> bytes:
    """The spider's own random 32 bytes for its fingerprints, made once in `runs/<spider>/`.

    Raises StateError for a file that is not such a key, DiskError for one that cannot be read or made.
    """
    path = spider_dir / "hash.key"
    try:
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                _write_once(path, secrets.token_bytes(32))
        key = path.read_bytes()
    except OSError as error:
        raise DiskError(
            f"cannot read or make {path}: {error.strerror}; make room or rights, then run the same command again"
        ) from None
    if len(key) != 32:
        raise StateError(f"{path} is damaged ({len(key)} bytes, not 32): restore it, or move {spider_dir} away")
    return key


def key_digest(key: bytes) -> str:
    """What a run keeps of its hash key, to know it again. It tells nothing of the key."""
    return hashlib.blake2b(key, digest_size=8, person=b"crawler.key").hexdigest()


def _write_once(path: Path, content: bytes) -> None:
    """Whole or not at all, and never over another process's: link(2) refuses an existing name."""
    part = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if os.write(fd, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(fd)
        os.link(part, path)
    finally:
        os.close(fd)
        part.unlink(missing_ok=True)


def target_of(spider_class: type) -> str:
    """FILE:Class of a class that was defined in a file, module:Class of any other."""
    import inspect

    try:
        return f"{inspect.getfile(spider_class)}:{spider_class.__name__}"
    except (OSError, TypeError):
        return f"{spider_class.__module__}:{spider_class.__name__}"


def code_digest(spider_class: type) -> str:
    """A digest of the file that defines the spider; empty where there is none."""
    import inspect

    try:
        return hashlib.blake2b(Path(inspect.getfile(spider_class)).read_bytes(), digest_size=8).hexdigest()
    except (OSError, TypeError):
        return ""
