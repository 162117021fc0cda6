"""URLs as browsers write them: the WHATWG URL Standard (https://url.spec.whatwg.org/), parsed by ada.

Every URL that moves through a crawl is a plain `str` that went through `absolute` or `join` once. From
then on its shape is known (lower-case scheme and host, no default port, a path that begins with "/"),
and the little readers at the end of this file rely on it: they cut strings and parse nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, cast

import can_ada

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

__all__ = [
    "Joiner",
    "absolute",
    "hostname",
    "in_domains",
    "join",
    "mask",
    "origin",
    "registrable_domain",
    "scheduling_host",
    "without_fragment",
]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_SPECIAL: Final = frozenset({"http", "https", "ws", "wss", "ftp", "file"})
_EDGES: Final = "".join(map(chr, range(0x21)))  # C0 controls and space: cut off at both ends
_TABS: Final = str.maketrans("", "", "\t\n\r")  # removed wherever they stand
_SLASHES: Final = "/\\"
_HOST_AND_PORT: Final = re.compile(r"(?:[\w\-]+(?:\.[\w\-]+)+|localhost):\d{1,5}(?:[/?#]|$)", re.ASCII)


def _parse(text: str) -> str:
    """The serialised form of an absolute URL. Raises ValueError without a helpful word."""
    try:
        return str(can_ada.parse(text))
    except TypeError:  # a lone surrogate, which the Standard reads as U+FFFD and ada cannot be given
        return str(can_ada.parse(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")))


# -- absolute and joined URLs


def absolute(url: str) -> str:
    """The URL as a browser writes it. Schemes that are not fetched are returned as they parse.

    Raises ValueError saying what is wrong: no scheme, no host, a port or host that cannot be.
    """
    # "shop.example:8080/x" is, to the Standard, a URL of the scheme "shop.example". Nobody means that.
    if _HOST_AND_PORT.match(url) is None:
        try:
            return _parse(url)
        except ValueError:
            pass
    raise ValueError(_what_is_wrong(url))


def _what_is_wrong(url: str) -> str:
    text = url.strip(_EDGES)
    shown = f"{text[:200]!r}"
    if not text:
        return "the URL is empty: write one like https://books.example/"
    scheme = _SCHEME.match(text)
    if scheme is None or _HOST_AND_PORT.match(text):
        bare = text.lstrip(_SLASHES)
        path = not bare or (text[0] in _SLASHES and text[1] not in _SLASHES)
        return f"{shown} has no scheme: write https://" + (" and the host before it" if path else bare[:200])
    authority = re.split(r"[/\\?#]", text[scheme.end() :].lstrip(_SLASHES), maxsplit=1)[0]
    host, colon, port = authority.rpartition("@")[2].rpartition(":")
    if not authority or (colon and not host):
        return f"{shown} has no host: write it as {scheme[1].lower()}://host/path"
    if colon and "]" not in port and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        return f"{shown} is not a URL: {port!r} is no port (0 to 65535)"
    return f"{shown} is not a URL: no browser takes {authority[:100]!r} as a host"


# Nothing in a plain href is special to the parser but "/", and no segment of its path begins with a dot ("..",
# ".", "%2e"). A colon would be read as a scheme, but for one behind a slash at the front; two slashes there as a host.
_FIRST: Final = r"[A-Za-z0-9_~\-]"
_PATH: Final = r"A-Za-z0-9_~.\-!$&()*+,;=@"
_BEHIND: Final = rf"[{_PATH}/%:?#]*+"  # a query, a fragment
_PLAIN_HREF: Final = re.compile(rf"/?{_FIRST}(?:[{_PATH}]++|/(?!\.)|%(?!2[eE]))*+(?:[?#]{_BEHIND})?")

# Plain hrefs, or a query or fragment alone, one a line in a text that has no "/." and no "%2e".
_PLAIN_LINES: Final = re.compile(rf"(?:(?:{_FIRST}[{_PATH}/%]*+(?:[?#]{_BEHIND})?|(?:/(?!/)|[?#]){_BEHIND})\n)*+")
# URLs that are written as a browser writes them. The last label is no number, so the host is no address.
_URL_LINES: Final = re.compile(rf"(?:https?://(?:(?!xn--)[a-z0-9\-]++\.)*+[a-z]++/{_BEHIND}\n)*+")
_DOT_ESCAPE: Final = re.compile("%2[eE]")
_FETCHED: Final = ("http://", "https://")


class Joiner:
    """Resolves the links of one page: the work on the base is done once for all of them.

    Making one raises ValueError when the base is no absolute URL.
    """

    __slots__ = (
        "_directory",
        "_document",
        "_file",
        "_http",
        "_opaque",
        "_root",
        "_scheme",
        "_special",
        "_within",
        "url",
    )

    def __init__(self, base: str) -> None:
        try:
            self.url = url = _parse(base)
        except ValueError:
            raise ValueError(f"{base[:200]!r} is no absolute URL to resolve links on") from None
        self._document, _, _ = url.partition("#")
        self._file = path_of = self._document.partition("?")[0]
        self._scheme = scheme = path_of.partition(":")[0]
        after = len(scheme) + 1
        self._special = scheme in _SPECIAL
        if path_of.startswith("//", after):
            slash = path_of.find("/", after + 2)
            after = slash if slash >= 0 else len(path_of)
        self._root, path = path_of[:after], path_of[after:]
        self._opaque = self._root[-1] == ":" and path[:1] != "/" and not self._special
        self._within = path[: path.rfind("/") + 1] or "/"
        self._directory = self._root + self._within
        self._http = scheme in ("http", "https")

    def join(self, href: str) -> str:
        """The absolute URL of a link on this page. Raises ValueError for what no browser resolves.

        Plain paths, nine links in ten, are put together as text: 0.4 µs against 1.1 for `resolve`
        (benchmarks/links.py); tests/test_urls.py holds both to the same answers.
        """
        if self._http:
            if _PLAIN_HREF.fullmatch(href) is not None:
                return (self._root if href[0] == "/" else self._directory) + href
            if href.startswith(_FETCHED):
                return self._parsed(href, href)
        return self.resolve(href)

    def join_all(self, hrefs: Sequence[str]) -> list[str]:
        """The distinct http and https URLs of some hrefs, in their order; what no browser resolves is left out.

        Plain hrefs that stand together are told by one look at all of them: 10 µs for 30, and 17 with `join` and a
        dict; 15 against 36 where all begin with "../", 12 against 22 for whole URLs.
        """
        count, lines = len(hrefs), hrefs
        text = "\n".join(("", *hrefs, ""))
        told = self._http and text.count("\n") == count + 1  # else a href has a line break in it
        if told and "\n." in text:
            text = self._without_dots(text)
            lines = text.split("\n")[1:-1]
        told = told and "/." not in text and ("%" not in text or _DOT_ESCAPE.search(text) is None)
        bases, directory = {"/": self._root, "#": self._document, "?": self._file}, self._directory
        urls: list[str] = []
        at, done = 1, 0
        while done < count:
            href = hrefs[done]
            absolute = href.startswith(_FETCHED)
            if told:
                plain = _URL_LINES if absolute else _PLAIN_LINES
                end = cast("re.Match[str]", plain.match(text, at)).end()
                if end > at:
                    some = lines[done : done + text.count("\n", at, end)]
                    urls += some if absolute else [bases.get(line[0], directory) + line for line in some]
                    at, done = end, done + len(some)
                    continue
                at += len(lines[done]) + 1
            done += 1
            try:
                url = _parse(href) if absolute else self.join(href)
            except ValueError:
                continue
            if url.startswith(_FETCHED):
                urls.append(url)
        return list(dict.fromkeys(urls))

    def _without_dots(self, text: str) -> str:
        """Lines of hrefs; those that begin with "./" or "../", as a static site's do, as they would be from the root.

        So is "../" at most eight times. A line may come to begin with "//": it is no plain one then.
        """
        path = self._within
        text = text.replace("\n./../", "\n../")
        ways = [("./", path)]
        for up in range(1, 9):
            dots = up * "../"
            if "\n" + dots not in text:
                break
            path = path[: path.rfind("/", 0, -1) + 1] or "/"
            ways.append((dots, path))
        for dots, path in reversed(ways):
            text = text.replace("\n" + dots, "\n" + path)
        return text

    def resolve(self, href: str) -> str:
        """`join` without its short cut: the basic URL parser with a base (§4.4), by rewriting.

        ada's Python binding takes no base, so the states that look at the base are here: each puts
        the part of the base that the Standard would copy in front of the reference, as text, and the
        parser does the rest (dot segments, backslashes, encoding) on the whole.
        """
        reference = href.strip(_EDGES)
        if "\t" in reference or "\n" in reference or "\r" in reference:
            reference = reference.translate(_TABS)  # 2 µs, so only where there is need
        scheme = _SCHEME.match(reference)
        if scheme is not None:
            same = scheme[1].lower() == self._scheme and self._special and self._scheme != "file"
            rest = reference[scheme.end() :]
            if not same or rest[:2] == "//":
                return self._parsed(reference, href)
            reference = rest  # "https:page.html" on an https page is relative: an old habit of browsers
        first = reference[:1]
        if self._opaque and first != "#":
            raise ValueError(f"{href[:200]!r} cannot be resolved on {self.url[:200]}")
        if not reference or first == "#":
            return self._parsed(self._document + reference, href)
        if first == "?":
            return self._parsed(self._file + reference, href)
        slashes = _SLASHES if self._special else "/"
        if first in slashes:
            host = reference[1:2] and reference[1] in slashes
            return self._parsed((self._scheme + ":" if host else self._root) + reference, href)
        return self._parsed(self._directory + reference, href)

    def _parsed(self, text: str, href: str) -> str:
        try:
            return _parse(text)
        except ValueError:
            raise ValueError(f"no browser resolves {href[:200]!r} on {self.url[:200]}") from None


def join(base: str, href: str) -> str:
    """The absolute URL that a browser makes of `href` on the page `base`.

    Raises ValueError for what no browser resolves, and for a base that is not absolute.
    """
    return _joiner(base).join(href)


_joiner: Final = functools.lru_cache(maxsize=256)(Joiner)


# -- readers of URLs that are absolute already


def _authority(url: str) -> str:
    """host, or host:port, without user and password; "" for a URL that has none (mailto:)."""
    parts = url.split("/", 3)
    if len(parts) < 3 or parts[1]:
        return ""
    authority = parts[2]
    return authority.rpartition("@")[2] if "@" in authority else authority


def scheduling_host(url: str) -> str:
    """The unit of politeness: hostname, and ":port" unless that is 80 or 443.

    So http and https on their default ports are one host. About 0.3 µs.
    """
    authority = _authority(url)
    if authority[-3:] == ":80":
        return authority[:-3]
    if authority[-4:] == ":443":
        return authority[:-4]
    return authority


def hostname(url: str) -> str:
    """The host without its port; an IPv6 address keeps its brackets. "" where a URL has no host."""
    authority = _authority(url)
    if ":" not in authority or authority[-1] == "]":
        return authority
    return authority.rpartition(":")[0]


def origin(url: str) -> str:
    """Scheme, host and port: "https://x.example:8443". "null" for a URL without a host, as in browsers."""
    authority = _authority(url)
    return f"{url.partition(':')[0]}://{authority}" if authority else "null"


def without_fragment(url: str) -> str:
    """What is sent of a URL."""
    return url.partition("#")[0]


_PASSWORD: Final = re.compile(r"^(\s*[A-Za-z][A-Za-z0-9+.\-]*:[/\\]*[^/\\?#@:]*):[^/\\?#]*@")


def mask(url: str) -> str:
    """The URL with its password, if any, replaced by ***: for logs and reports."""
    return _PASSWORD.sub(r"\1:***@", url, count=1) if "@" in url else url


# -- domains


@functools.lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # 40 ms to read its list: only crawls that ask pay

    return PublicSuffixList(accept_unknown=False)


@functools.lru_cache(maxsize=65536)
def registrable_domain(host: str) -> str:
    """What somebody registered: "books.co.uk" for "www.shop.books.co.uk" (publicsuffix.org).

    Addresses, public suffixes themselves and names under no known suffix are returned as they are;
    a port is cut off.
    """
    name = host.lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    name = name.partition(":")[0].rstrip(".")
    found: str | None = None if name.rpartition(".")[2].isdigit() else _suffixes().privatesuffix(name)
    return found or name


@functools.lru_cache(maxsize=4096)
def _ascii_domain(domain: str) -> str:
    name = domain.strip().strip(".").lower()
    return name if name.isascii() else can_ada.idna_encode(name).decode() or name


def in_domains(host: str, domains: Iterable[str]) -> bool:
    """Whether the host is one of the domains or under one. Domains may be written in any script."""
    host = host.rstrip(".")
    for domain in domains:
        name = _ascii_domain(domain)
        if name and (host == name or (host.endswith(name) and host[-len(name) - 1] == ".")):
            return True
    return False
