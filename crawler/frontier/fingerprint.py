"""The page key: which requests are the same page.

A key is 16 bytes of BLAKE2b (RFC 7693), keyed with the spider's own random hash key: whoever writes
the links of a page chooses what is hashed, and with a key that he does not know he can neither make
two URLs collide nor tell from keys which pages were seen. A merely seeded hash (xxh3) would save about
8 µs a page of 30 links and give that up. The chance that any two of 10 million pages collide is 1e-25.

What is hashed, in this order, so that no two different requests give the same bytes:

    version, 1 byte | kind, 1 byte | method | body digest | session | key= | canonical URL

The texts before the URL are UTF-8 and stand behind their length (4 bytes, big endian); the URL is
the rest. The body's digest is 32 bytes of BLAKE2b, or nothing where there is no body or an empty
one. Callback, arguments, headers, priority and depth make no difference to the page.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from crawler.canonical import canonical
from crawler.request import PLAIN

if TYPE_CHECKING:
    from crawler.canonical import CanonicalRules
    from crawler.request import Options, Request

__all__ = ["VERSION", "Fingerprinter"]

VERSION = 1
"""Stored with a run: keys of another version mean other pages, so such a run is not gone on with."""

_HTTP, _CHILD, _HOP = b"h", b"c", b"r"


class Fingerprinter:
    """Makes page keys. `hash_key` is 16 to 64 random bytes, made once for a spider and kept.

    Raises ValueError for a hash key of another length.
    """

    __slots__ = ("_base", "_last", "_last_hash", "_plain", "_rules")

    def __init__(self, hash_key: bytes, rules: CanonicalRules) -> None:
        if not 16 <= len(hash_key) <= 64:
            raise ValueError(f"a hash key has 16 to 64 bytes, not {len(hash_key)}")
        self._rules = rules
        self._base = blake2b(bytes([VERSION]), digest_size=16, key=hash_key)
        self._plain = self._begin(PLAIN)
        self._last: Options = PLAIN
        self._last_hash = self._plain

    def of(self, request: Request) -> bytes:
        """The key of a request, 16 bytes.

        0.5 µs for a plain GET. The beginning of the bytes is hashed once for all plain requests, and once
        for the options that the links of one `follow_all` share.
        """
        options = request._options
        if options is PLAIN:
            digest = self._plain.copy()
        elif options is self._last:
            digest = self._last_hash.copy()
        else:
            self._last_hash = self._begin(options)
            self._last = options
            digest = self._last_hash.copy()
        digest.update(canonical(request._url, self._rules).encode())
        return digest.digest()

    def child(self, parent: bytes, ordinal: int) -> bytes:
        """The key of a `unique=False` request: the one that `parent` yielded as its `ordinal`-th.

        So a page that is repeated after a kill yields the same keys again. `parent` is empty for a
        seed, whose ordinal is its place in `start`.
        """
        return self._numbered(_CHILD, parent, ordinal)

    def hop(self, key: bytes, number: int) -> bytes:
        """The key of the `number`-th redirect after a request that is no unique GET.

        What a form redirects to must reach its callback even where that URL was seen before.
        """
        return self._numbered(_HOP, key, number)

    def _begin(self, options: Options) -> blake2b:
        body = blake2b(options.body, digest_size=32).digest() if options.body else b""
        digest = self._base.copy()
        digest.update(_HTTP)
        for part in (_bytes(options.method), body, _bytes(options.session), _bytes(options.key)):
            digest.update(len(part).to_bytes(4, "big"))
            digest.update(part)
        return digest

    def _numbered(self, kind: bytes, key: bytes, number: int) -> bytes:
        digest = self._base.copy()
        digest.update(kind)
        digest.update(number.to_bytes(8, "big"))
        digest.update(key)
        return digest.digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a name may come from a file system or a header
