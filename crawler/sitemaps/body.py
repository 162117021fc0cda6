"""The text of a sitemap's body, piece by piece: unzipped where it is gzip, whatever it was sent as.

A few kilobytes of gzip can stand for gigabytes, so nothing is unzipped whole and nothing beyond a limit: what
is held is the body as it came and one piece.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Final

from crawler.fetch.decode import Broken, Decoder
from crawler.parse.charset import BOMS, declared_encoding
from crawler.parse.codecs import decode_as

__all__ = ["SitemapText"]

_PIECE: Final = 64 * 1024
_FED: Final = 4 * 1024  # packed bytes unzipped in one step: 4 MB at the very most
_MAGIC: Final = b"\x1f\x8b\x08"
_LAYERS: Final = 2  # a .gz file that was zipped once more for the way and not declared so
_UNICODE: Final = {"utf-8": "utf-8", "utf-16be": "utf-16-be", "utf-16le": "utf-16-le"}


class SitemapText:
    """Iterate once over it. `limit` in bytes, unzipped; `content_type` is the header's value.

    `cut` says, at the end, why there is no more of it: the end of a sentence that begins with "it"; "" for
    a body that was read whole. A piece may be empty: whoever reads gives others a turn between two.
    """

    def __init__(self, body: bytes, content_type: str, limit: int) -> None:
        self.cut = ""
        self._body = body
        self._type = content_type
        self._limit = limit

    def __iter__(self) -> Iterator[str]:
        pieces = _sliced(self._body)
        for _ in range(_LAYERS):
            first = next(pieces, b"")
            if not first.startswith(_MAGIC):
                pieces = _chained(first, pieces)
                break
            pieces = self._gunzipped(_chained(first, pieces))
        return self._decoded(self._limited(pieces))

    def _gunzipped(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        decoder = Decoder(("gzip",), self._limit)
        held = b""
        try:
            for piece in pieces:
                for start in range(0, len(piece), _FED):
                    held += decoder.feed(piece[start : start + _FED])
                    if len(held) >= _PIECE or decoder.over:
                        yield from _sliced(held)
                        held = b""
                    if decoder.over:
                        self._over()
                        return
                yield held
                held = b""
            decoder.finish()
        except Broken:
            yield held
            self.cut = self.cut or "is broken gzip"

    def _limited(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        left = self._limit
        for piece in pieces:
            yield piece[:left]
            left -= len(piece)
            if left < 0:
                self._over()
                return

    def _over(self) -> None:
        self.cut = f"is larger than sitemap_bytes = {self._limit}"

    def _decoded(self, pieces: Iterator[bytes]) -> Iterator[str]:
        head = b""
        for piece in pieces:
            head += piece
            if len(head) >= 1024:
                break
        bom, encoding = next(((bom, name) for bom, name in BOMS if head.startswith(bom)), (b"", ""))
        encoding = encoding or declared_encoding(head, self._type) or "utf-8"
        pieces = _chained(head[len(bom) :], pieces)
        if encoding in _UNICODE:
            decoder = codecs.getincrementaldecoder(_UNICODE[encoding])("replace")
            for piece in pieces:
                yield decoder.decode(piece)
            yield decoder.decode(b"", True)
            return
        rest = b""
        for piece in pieces:  # no character of these encodings ends in one of the two bytes
            rest += piece
            end = max(rest.rfind(b">"), rest.rfind(b"\n")) + 1 or len(rest)
            yield decode_as(rest[:end], encoding)
            rest = rest[end:]
        yield decode_as(rest, encoding)


def _sliced(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
