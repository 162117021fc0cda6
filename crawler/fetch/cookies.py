"""Cookies: one jar for each session name, and the header that goes with a request.

aiohttp's own session has a single jar and quotes values anew, so it is given none: the header is
written here, with each value as the server sent it. On top of aiohttp's jar, which knows domains, paths
and dates, stand the rules that it leaves out: no cookie for a whole public suffix, the `__Secure-` and
`__Host-` prefixes (RFC 6265bis §4.1.3, §5.6). A crawl that meets no cookie has no jar and pays one
look into an empty dict a page.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from aiohttp import CookieJar
from yarl import URL

from crawler.urls import registrable_domain

__all__ = ["Cookies"]


class Cookies:
    """The cookies of a crawl. `everywhere` go to the hosts of these registrable domains (None: to all)."""

    def __init__(self, everywhere: Mapping[str, str], domains: Container[str] | None = None) -> None:
        self.domains = domains
        self._everywhere = dict(everywhere)
        self._jars: dict[str, CookieJar] = {}

    def header(self, session: str, url: URL, own: Iterable[tuple[str, str]] = ()) -> str:
        """The Cookie header, "" for none: the settings' cookies, the session's, the request's own;
        of one name the last of these is sent."""
        found: dict[str, str] = {}
        if self._everywhere and self._is_ours(url):
            found.update(self._everywhere)
        jar = self._jars.get(session)
        if jar is not None:
            found.update((name, morsel.coded_value) for name, morsel in jar.filter_cookies(url).items())
        found.update(own)
        return "; ".join(f"{name}={value}" for name, value in found.items())

    def quiet(self, session: str) -> bool:
        """Whether `header` has nothing to add to a request without cookies of its own."""
        return not self._everywhere and session not in self._jars

    def store(self, session: str, url: URL, headers: Sequence[str]) -> None:
        """Keeps what Set-Cookie headers of an answer from `url` say, as far as it may say it."""
        kept = [kept for header in headers if (kept := _admitted(header, url))]
        if not kept:
            return
        jar = self._jars.get(session)
        if jar is None:
            # unsafe: hosts that are addresses have cookies too, as in browsers (and on loopback)
            jar = self._jars[session] = CookieJar(unsafe=True, quote_cookie=False)
        jar.update_cookies_from_headers(kept, url)

    def _is_ours(self, url: URL) -> bool:
        return self.domains is None or registrable_domain(url.host_subcomponent or "") in self.domains


def _admitted(header: str, url: URL) -> str:
    """The header as far as it may be kept, "" for not at all."""
    parts = header.split(";")
    domain, secure, path = "", False, ""
    for attribute in parts[1:]:
        key, _, value = attribute.partition("=")
        match key.strip().lower():
            case "domain":
                domain = value.strip().lower().removeprefix(".").rstrip(".")
            case "path":
                path = value.strip()
            case "secure":
                secure = True
    prefix = parts[0].partition("=")[0].strip().lower()
    safe = secure and url.scheme == "https"
    if prefix.startswith("__secure-") and not safe:
        return ""
    if prefix.startswith("__host-") and not (safe and path == "/" and not domain):
        return ""
    if domain and _is_suffix(domain):
        # "Domain=co.uk" from books.co.uk would go to every shop of the country. From the very host that
        # is the suffix (github.io) it is a cookie of that host alone (RFC 6265 §5.3, step 5).
        if domain != url.raw_host:
            return ""
        return ";".join(part for part in parts if part.partition("=")[0].strip().lower() != "domain")
    return header


def _is_suffix(domain: str) -> bool:
    """Whether names under this one belong to different people: it is a public suffix, or has no dot."""
    return "." not in domain or registrable_domain(f"a.b.{domain}") == f"b.{domain}"
