"""Requests as they lie in a store: MessagePack arrays, never pickle.

    [url, callback, arguments, depth, options]

`arguments` are the callback's keyword arguments, MessagePack themselves and empty where there are
none, so that they are decoded by the callback's annotations and only when it is called. `options`
(`crawler.request.Options`, an array too) is left out for a plain GET. New members go at the end.
"""

from __future__ import annotations

import msgspec

from crawler.binding import encode_kwargs
from crawler.request import PLAIN, Options, Request, make

__all__ = ["Body", "decode_body", "encode_body", "freeze_arguments"]

NO_ARGUMENTS = b"\x80"
"""An empty map."""

_PRIORITIES = 1 << 31


class Body(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The stored members, for the decoder."""

    url: str
    callback: str
    arguments: bytes
    depth: int
    options: Options = PLAIN


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Body).decode


def freeze_arguments(request: Request) -> None:
    """Replaces the callback's arguments by their MessagePack, in place.

    Every store does so when it accepts a request: then the callback sees the same values (a tuple come
    back as a list) and the same moment of them, whether the request was ever on the disk or not.
    Raises TypeError naming the argument that cannot be stored.
    """
    kwargs = request._kwargs
    if not isinstance(kwargs, bytes):
        request._kwargs = encode_kwargs(kwargs) if kwargs else NO_ARGUMENTS


def encode_body(request: Request) -> bytes:
    """A frozen request as bytes. Raises ValueError for a priority that is no 32-bit number."""
    arguments = request._kwargs
    if arguments == NO_ARGUMENTS:
        arguments = b""
    options = request._options
    if options is PLAIN:
        return _encode((request._url, request._callback, arguments, request._depth))
    if not -_PRIORITIES <= options.priority < _PRIORITIES:
        raise ValueError(f"priority={options.priority}: between {-_PRIORITIES} and {_PRIORITIES - 1}")
    return _encode((request._url, request._callback, arguments, request._depth, options))


def decode_body(raw: bytes, tries: int = 0) -> Request:
    """The request that was stored. Raises msgspec.MsgspecError for bytes that are none."""
    body = _decode(raw)
    return make(body.url, body.callback, body.arguments or NO_ARGUMENTS, body.options, body.depth, tries)
