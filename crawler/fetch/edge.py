"""The edge between the network and us: every failure becomes one `FetchError` with one sentence.

Below it are some forty exception classes of aiohttp, ssl, socket, asyncio, yarl and idna, some with an
empty message, some with a dump of the wire. Above it is the tree of `crawler.errors`. What is no failure
of the network (an AttributeError, a KeyError, a cancellation) is not caught here: `NETWORK` says what is.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import ClientTimeout
from aiohttp.http_exceptions import LineTooLong, TransferEncodingError

from crawler.errors import (
    BadResponse,
    ConnectFailed,
    DNSFailed,
    FetchError,
    Refused,
    TimedOut,
    TLSFailed,
    TooLarge,
)
from crawler.fetch.decode import Broken

if TYPE_CHECKING:
    from crawler.fetch.wire import Attempt
    from crawler.request import Request

__all__ = ["NETWORK", "OverLimit", "Place", "failure", "one_line"]

NETWORK: Final = (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError, LookupError)
"""What may come out of a call into aiohttp because of a URL, a network or a server.

OSError includes ssl.SSLError and the timeouts; ValueError includes UnicodeError. LookupError is what
codecs raise for a name they do not know; its subclasses KeyError and IndexError are bugs, to be raised
as they are.
"""


class OverLimit(Exception):
    """The body is larger than allowed: `limit` bytes; `announced` is its Content-Length, 0 if none."""

    def __init__(self, limit: int, announced: int = 0) -> None:
        super().__init__(limit, announced)
        self.limit = limit
        self.announced = announced


def failure(error: Exception, request: Request, attempt: Attempt, timeout: ClientTimeout) -> FetchError:
    """Our error for what ended an attempt."""
    kind, message = _judge(error, Place(request.url), attempt, timeout)
    return kind(one_line(message), request=request, phase=_phase(kind, attempt), seconds=attempt.seconds)


class Place:
    """The server of a URL, by host and port."""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        self.secure = scheme == "https"
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
        host, colon, port = authority.rpartition(":")
        if not colon or authority.endswith("]"):
            host, port = authority, ""
        self.host = host.strip("[]")
        self.port = port or ("443" if self.secure else "80")
        self.server = f"{host}:{self.port}"

    def __str__(self) -> str:
        return self.server


_Verdict = tuple[type[FetchError], str]


def _phase(kind: type[FetchError], attempt: Attempt) -> str:
    return "dns" if kind is DNSFailed else "tls" if kind is TLSFailed else attempt.phase


def _judge(error: Exception, place: Place, attempt: Attempt, timeout: ClientTimeout) -> _Verdict:
    """The order matters: aiohttp's classes inherit from one another and from OSError and ValueError."""
    match error:
        case Broken():
            return BadResponse, f"the body from {place} {error}"
        case OverLimit():
            return TooLarge, _too_large(error)
        case aiohttp.ClientHttpProxyError():
            return ConnectFailed, f"the proxy refused to connect to {place}: status {error.status}"
        case aiohttp.ClientProxyConnectionError():
            proxy = f"{error.host}:{error.port}"
            return ConnectFailed, f"no answer from the proxy {proxy}: {_words(error.os_error)}"
        case aiohttp.InvalidURL():
            return Refused, f"the URL cannot be asked: {error.description or 'it has no usable host'}"
        case aiohttp.NonHttpUrlClientError():
            return Refused, "the URL cannot be asked: only http and https are fetched"
        case aiohttp.ClientConnectorDNSError():
            return DNSFailed, _no_address(error.os_error, error.host)
        case aiohttp.ClientConnectorCertificateError():
            return TLSFailed, _certificate(error.certificate_error, place)
        case ssl.SSLError():
            return _tls(error, place, attempt)
        case asyncio.TimeoutError():
            return TimedOut, _late(error, place, attempt, timeout)
        case aiohttp.ClientConnectorError() if attempt.phase == "tls":
            return TLSFailed, f"no TLS answer from {place}: {_words(error.os_error)}"
        case aiohttp.ClientConnectorError():
            return ConnectFailed, f"no answer from {place}: {_words(error.os_error)}"
        case aiohttp.ClientPayloadError():
            return _cut_short(error, place, attempt)
        case aiohttp.ClientResponseError():
            return _not_http(error, place)
        case UnicodeError() if attempt.phase == "dns" and not attempt.reused:
            return DNSFailed, f"{place.host} cannot be looked up: it is no host name"
        case aiohttp.ClientConnectionError() | OSError():
            return _broken_off(error, place, attempt)
        case ValueError() | LookupError() if attempt.phase not in ("headers", "body"):
            return Refused, f"the request to {place} cannot be sent: {error or type(error).__name__}"
        case _:
            return BadResponse, f"{place} gave an answer that cannot be read: {type(error).__name__}"


# -- before the request


_NO_NAME: Final = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def _no_address(error: OSError, host: str) -> str:
    if error.errno == socket.EAI_AGAIN:
        return f"no answer from the name servers for {host}"
    if error.errno in _NO_NAME:
        return f"{host} has no address: the name is not known"
    return f"{host} has no address: {_words(error)}"


_ERRNO: Final = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.ENETUNREACH: "no route to its network",
    errno.EHOSTUNREACH: "no route to it",
    errno.ETIMEDOUT: "it did not react",
    errno.EADDRNOTAVAIL: "no such address, or no free local port",
    errno.EMFILE: "this process has too many files open (ulimit -n)",
    errno.ENFILE: "this machine has too many files open",
}


def _words(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if number in _ERRNO:
        return _ERRNO[number]
    if isinstance(error, socket.gaierror):
        return str(error.strerror or "the look-up failed").lower()
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    if isinstance(error, ConnectionResetError):
        return "connection reset"
    if isinstance(error, ConnectionError):
        return "connection closed"
    return "none of its addresses could be connected"


# OpenSSL's X509_V_ERR_* numbers (x509_vfy.h): stable, unlike its words.
_CERTIFICATE: Final = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "is signed by an authority that is not trusted here",
    20: "is signed by an authority that is not trusted here",
    21: "is signed by an authority that is not trusted here",
    23: "has been revoked",
}
_WRONG_NAME: Final = {62, 64}


def _certificate(error: Exception, place: Place) -> str:
    code = getattr(error, "verify_code", 0)
    if code in _WRONG_NAME:
        return f"the certificate of {place} is for another host, not for {place.host}"
    if code in _CERTIFICATE:
        return f"the certificate of {place} {_CERTIFICATE[code]}"
    return f"the certificate of {place} is refused: {getattr(error, 'verify_message', '') or 'it is not valid'}"


_NOT_TLS: Final = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG",
                   "RECORD_LAYER_FAILURE"}  # fmt: skip
_OLD_TLS: Final = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "DH_KEY_TOO_SMALL",
                   "UNSAFE_LEGACY_RENEGOTIATION_DISABLED", "WRONG_SIGNATURE_TYPE"}  # fmt: skip


def _tls(error: ssl.SSLError, place: Place, attempt: Attempt) -> _Verdict:
    # aiohttp's own SSL errors have OpenSSL's behind them, and not its attributes.
    found = next((link for link in _chain(error) if getattr(link, "reason", None)), error)
    reason = getattr(found, "reason", None) or ""
    if attempt.phase not in ("dns", "connect", "tls"):
        return BadResponse, f"the TLS connection to {place} broke: {_reason(reason)}"
    if reason in _NOT_TLS:
        return TLSFailed, f"{place} does not speak TLS: this may be an http: address"
    if reason in _OLD_TLS:
        return TLSFailed, f"{place} speaks only TLS that is too old to be safe ({_reason(reason)})"
    if isinstance(found, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TLSFailed, f"no TLS answer from {place}: connection closed"
    return TLSFailed, f"no TLS with {place}: {_reason(reason)}"


def _reason(reason: str) -> str:
    return reason.lower().replace("_", " ") or "the handshake failed"


# -- time


def _late(error: Exception, place: Place, attempt: Attempt, timeout: ClientTimeout) -> str:
    total = _seconds(timeout.total)
    if attempt.phase in ("dns", "connect", "tls"):
        limits = [timeout.total, timeout.connect]
        if attempt.phase != "dns":
            limits.append(timeout.sock_connect)
        limit = _seconds(min(seconds for seconds in limits if seconds))
        if attempt.phase == "dns":
            return f"no connection to {place} within {limit}: its name was still being looked up, or none was free"
        if attempt.phase == "tls":
            return f"no TLS answer from {place} within {limit}"
        return f"no answer from {place} within {limit}: it takes no connection"
    silent = isinstance(error, aiohttp.SocketTimeoutError)
    if attempt.phase == "body":
        limit = f"no byte came for {_seconds(timeout.sock_read)}" if silent else f"not complete within {total}"
        return f"the body from {place} was cut short: {limit} ({attempt.received} bytes came)"
    if silent:
        return f"no answer from {place}: connected, but no byte came for {_seconds(timeout.sock_read)}"
    return f"no answer from {place} within {total}: connected, but its headers did not end"


def _seconds(seconds: float | None) -> str:
    return f"{seconds:g} s" if seconds else "any time"


# -- the answer


def _too_large(error: OverLimit) -> str:
    limit = f"more than max_body allows ({error.limit} bytes)"
    return f"the body is announced with {error.announced} bytes, {limit}" if error.announced else f"the body is {limit}"


def _cut_short(error: Exception, place: Place, attempt: Attempt) -> _Verdict:
    came = f"({attempt.received} bytes came)"
    for link in _chain(error):
        if isinstance(link, LineTooLong):
            return TooLarge, f"the trailers from {place} are larger than 64 KiB"
        if isinstance(link, TransferEncodingError) and "Not enough data" not in str(link):
            return BadResponse, f"the body from {place} is not chunked as HTTP says {came}"
    return BadResponse, f"the body from {place} was cut short: {_how(error, attempt)} {came}"


# The beginning of a TLS record (RFC 8446 §5.1: alert or handshake, version 3.x), as it stands in the
# parser's excerpt of what it could not read.
_TLS_RECORD: Final = re.compile(r"(?:\\x15|\\x16|\x15|\x16)(?:\\x03|\x03)")


def _not_http(error: aiohttp.ClientResponseError, place: Place) -> _Verdict:
    for link in _chain(error):
        text = str(link)
        if isinstance(link, LineTooLong) or "Too many" in text:
            return TooLarge, f"the headers from {place} are larger than 64 KiB a line, or more than 1000"
        if not place.secure and _TLS_RECORD.search(text):
            return BadResponse, f"{place} speaks TLS: this may be an https: address"
    return BadResponse, f"{place} did not answer in HTTP{_excerpt(error.message)}"


def _excerpt(message: str) -> str:
    """What the parser did not like: the beginning of its report, without the bytes behind it."""
    first = re.split(r"[:\n]", message.strip(), maxsplit=1)[0].strip()
    return f" ({first[:100]})" if first else ""


def _broken_off(error: Exception, place: Place, attempt: Attempt) -> _Verdict:
    if attempt.phase == "body":
        return (
            BadResponse,
            f"the body from {place} was cut short: {_how(error, attempt)} ({attempt.received} bytes came)",
        )
    if attempt.phase == "tls":
        return TLSFailed, f"no TLS answer from {place}: {_how(error, attempt)}"
    if attempt.phase == "headers":
        return BadResponse, f"{_how(error, attempt)} by {place} before its headers were complete"
    return ConnectFailed, f"no answer from {place}: {_how(error, attempt)}"


def _how(error: Exception, attempt: Attempt) -> str:
    links = [*_chain(error), *_chain(attempt.lost)]
    return (
        "connection reset"
        if any(isinstance(link, OSError) and link.errno == errno.ECONNRESET for link in links)
        else "connection closed"
    )


# -- text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it was raised from."""
    link = error
    for _ in range(10):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(message: str) -> str:
    """One line that no terminal obeys: control characters, direction marks and lone surrogates escaped."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), message)[:500]
