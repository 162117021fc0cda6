"""Cookies: one jar for each session name, and the header that goes with a request.

aiohttp's own session has a single jar and writes values anew, so it is given none. Here Set-Cookie is
read as browsers read it (RFC 6265bis §5.6: any name and value, sent back as they came), and the rules
that aiohttp's jar leaves out are kept: no cookie for a whole public suffix, the `__Secure-` and `__Host-`
prefixes. What goes to which host and path until when, and how many are kept, is the jar's. A crawl that
meets no cookie has no jar and pays one look into an empty dict a page.

What was set is kept as it came (session, URL, header, time) and goes with the commit of the page that
brought it and not before, so that a login survives a kill and a page that is repeated sends what it sent
the first time: a later process reads the same headers again.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from http.cookies import CookieError, Morsel
from typing import Final

import msgspec
from aiohttp import CookieJar
from yarl import URL

from crawler.urls import registrable_domain

__all__ = ["GONE", "Cookies"]

GONE: Final = b""
"""Stands for a cookie that was deleted or has expired."""

_LONGEST: Final = 4096  # name and value, in bytes (RFC 6265bis §5.6)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_EPOCH: Final = re.compile(r"\b(?:19)?70\b")


class Cookies:
    """The cookies of a crawl. `everywhere` go to the hosts of these registrable domains (None: to all)."""

    def __init__(self, everywhere: Mapping[str, str], domains: Container[str] | None = None) -> None:
        self.domains = domains
        self._everywhere = dict(everywhere)
        self._jars: dict[str, CookieJar] = {}
        self._written: dict[str, float] = {}  # by key: when what is committed of it was set
        self._clock = 0.0
        self.keep: Callable[[dict[str, bytes]], None] = lambda records: None
        """Is told what an answer set, in the task that got it: records to be committed with its page."""

    def quiet(self, session: str) -> bool:
        """Whether `header` has nothing to add to a request without cookies of its own."""
        return not self._everywhere and session not in self._jars

    def header(self, session: str, url: URL, own: Iterable[tuple[str, str]] = ()) -> str:
        """The Cookie header, "" for none: the settings' cookies, the session's, the request's own;
        of one name the last of these is sent."""
        found: dict[str, str] = {}
        if self._everywhere and self._is_ours(url):
            found.update(self._everywhere)
        jar = self._jars.get(session)
        if jar is not None:
            found.update((name, morsel.value) for name, morsel in jar.filter_cookies(url).items())
        found.update(own)
        return "; ".join(f"{name}={value}" if name else value for name, value in found.items())

    def store(self, session: str, url: URL, headers: Sequence[str]) -> None:
        """Keeps what the Set-Cookie headers of an answer from `url` say, as far as it may say it."""
        kept = []
        records: dict[str, bytes] = {}
        now = self._clock = max(time.time(), self._clock + 1e-6)  # no two answers at one moment
        for header in headers:
            morsel = _read(header, url)
            if morsel is not None:
                kept.append((morsel.key, morsel))
                key = _key(session, url, morsel)
                records[key] = _encode(_Stored(session, str(url), header, now))
        if kept:
            self._jar(session).update_cookies(kept, url)
            self.keep(records)

    def committed(self, records: Mapping[str, bytes]) -> dict[str, bytes]:
        """What the commit of a page writes of its records: not what a later answer has replaced, whose page was
        committed before; `GONE` for a cookie that was deleted."""
        written: dict[str, bytes] = {}
        for key, raw in records.items():
            record = _decode(raw)
            if record.time >= self._written.get(key, 0.0):
                self._written[key] = record.time
                morsel = _read(record.header, URL(record.url, encoded=True))
                written[key] = raw if morsel is not None and _seconds(morsel, 0.0) > 0 else GONE
        return written

    def restore(self, stored: Mapping[str, bytes]) -> None:
        """Takes up what earlier processes recorded, without what has expired since. Raises
        msgspec.MsgspecError for bytes that are no such record."""
        now = time.time()
        for key, raw in stored.items():
            record = _decode(raw)
            url = URL(record.url, encoded=True)
            morsel = _read(record.header, url)
            left = _seconds(morsel, now - record.time) if morsel is not None else 0.0
            self._written[key] = record.time
            if morsel is None or left <= 0:
                self.keep({key: raw})  # its time is over: the next commit takes it off
                continue
            if morsel["max-age"]:
                morsel["max-age"] = str(int(left))
            self._jar(record.session).update_cookies([(morsel.key, morsel)], url)

    def _jar(self, session: str) -> CookieJar:
        jar = self._jars.get(session)
        if jar is None:
            # unsafe: hosts that are addresses have cookies too, as in browsers (and on loopback)
            jar = self._jars[session] = CookieJar(unsafe=True, quote_cookie=False)
        return jar

    def _is_ours(self, url: URL) -> bool:
        return self.domains is None or registrable_domain(url.host_subcomponent or "") in self.domains


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """A Set-Cookie header as it came: for which session, from where, at which epoch second."""

    session: str
    url: str
    header: str
    time: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


def _key(session: str, url: URL, morsel: Morsel[str]) -> str:
    """What tells one cookie from another: session, domain or host, path and name (RFC 6265 §5.3, 11)."""
    path = morsel["path"]
    if not path.startswith("/"):
        path = url.raw_path.rpartition("/")[0] or "/"  # the default path, §5.1.4
    return msgspec.json.encode([session, morsel["domain"] or f"={url.raw_host}", path, morsel.key]).decode()


def _seconds(morsel: Morsel[str], age: float) -> float:
    """How long a cookie of this age, in seconds, still lives by its Max-Age; endless where it has none that counts."""
    try:
        return int(morsel["max-age"]) - age
    except ValueError:
        return math.inf


def _read(header: str, url: URL) -> Morsel[str] | None:
    """One Set-Cookie header; None for one that may not be kept."""
    pair, *rest = header.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", pair
    name, value = name.strip(), value.strip()
    if _CONTROL.search(header) or not (name or value) or len(name) + len(value) > _LONGEST:
        return None
    attributes: dict[str, str] = {}
    for part in rest:
        key, _, text = part.partition("=")
        attributes[key.strip().lower()] = text.strip()
    domain = attributes.get("domain", "").lower().removeprefix(".").rstrip(".")
    safe = "secure" in attributes and url.scheme == "https"
    prefix = (name or value).lower()  # also of a nameless one, which a server would read as a name
    if prefix.startswith("__secure-") and not safe:
        return None
    if prefix.startswith("__host-") and not (safe and attributes.get("path") == "/" and not domain):
        return None
    if domain and _is_suffix(domain):
        # "Domain=co.uk" from books.co.uk would go to every shop of the country. From the very host that
        # is the suffix (github.io) it is a cookie of that host alone.
        if domain != url.raw_host:
            return None
        domain = ""
    expires, age = attributes.get("expires", ""), attributes.get("max-age", "")
    if not age and _EPOCH.search(expires):
        # How most servers delete a cookie: the first second of 1970, which aiohttp's jar takes for no date.
        expires, age = "", "0"
    morsel: Morsel[str] = Morsel()
    try:
        # Not `set()`: that refuses names which browsers take.
        morsel.__setstate__({"key": name, "value": value, "coded_value": value})  # type: ignore[attr-defined]
        morsel.update({"domain": domain, "path": attributes.get("path", ""), "expires": expires, "max-age": age})
    except CookieError:  # newer Pythons refuse a few characters more
        return None
    morsel["secure"] = "secure" in attributes
    return morsel


def _is_suffix(domain: str) -> bool:
    """Whether names under this one belong to different people: it is a public suffix, or has no dot."""
    return "." not in domain or registrable_domain(f"a.b.{domain}") == f"b.{domain}"
