"""URLs as browsers write them: the WHATWG URL Standard (https://url.spec.whatwg.org/), parsed by ada.

Every URL that moves through a crawl is a plain `str` that went through `absolute` or `join` once. From
then on its shape is known (lower-case scheme and host, no default port, a path that begins with "/"),
and the little readers at the end of this file rely on it: they cut strings and parse nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from fnmatch import translate
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import can_ada
import msgspec

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

    from crawler.settings import Settings

__all__ = [
    "CanonicalRules",
    "Joiner",
    "absolute",
    "canonical",
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


# Nothing in such a href is special to the parser but "/", and no segment of its path begins with a dot
# ("..", ".", "%2e"). A colon would be read as a scheme; two slashes at the front as a host.
_PLAIN_HREF: Final = re.compile(
    r"/?[A-Za-z0-9_~\-]"
    r"(?:[A-Za-z0-9_~.\-!$&()*+,;=@]++|/(?!\.)|%(?!2[eE]))*+"
    r"(?:\?[A-Za-z0-9_~.\-=&+%,;:/@!$()*?]*+)?"
    r"(?:#[A-Za-z0-9_~.\-=&+%,;:/@!$()*?]*+)?"
)


class Joiner:
    """Resolves the links of one page: the work on the base is done once for all of them.

    Making one raises ValueError when the base is no absolute URL.
    """

    __slots__ = ("_directory", "_document", "_opaque", "_plain", "_root", "_scheme", "_special", "url")

    def __init__(self, base: str) -> None:
        try:
            self.url = url = _parse(base)
        except ValueError:
            raise ValueError(f"{base[:200]!r} is no absolute URL to resolve links on") from None
        self._document, _, _ = url.partition("#")
        path_of = self._document.partition("?")[0]
        self._scheme = scheme = path_of.partition(":")[0]
        after = len(scheme) + 1
        self._special = scheme in _SPECIAL
        if path_of.startswith("//", after):
            slash = path_of.find("/", after + 2)
            after = slash if slash >= 0 else len(path_of)
        self._root, path = path_of[:after], path_of[after:]
        self._opaque = self._root[-1] == ":" and path[:1] != "/" and not self._special
        self._directory = self._root + (path[: path.rfind("/") + 1] or "/")
        self._plain = scheme in ("http", "https")

    def join(self, href: str) -> str:
        """The absolute URL of a link on this page. Raises ValueError for what no browser resolves.

        Plain paths, nine links in ten, are put together as text: 0.65 µs against 2.0 for `resolve`
        (benchmarks/links.py); tests/test_urls.py holds both to the same answers.
        """
        if self._plain:
            if _PLAIN_HREF.fullmatch(href) is not None:
                return (self._root if href[0] == "/" else self._directory) + href
            if href[:3] == "../":
                return self._join_above(href)
        return self.resolve(href)

    def _join_above(self, href: str) -> str:
        """`join` of a path that begins with one or more "../", as static sites write all their links."""
        rest, directory, root = href, self._directory[:-1], len(self._root)
        while rest[:3] == "../":
            rest = rest[3:]
            directory = directory[: max(directory.rfind("/"), root)]
        if rest[:1] != "/" and _PLAIN_HREF.fullmatch(rest) is not None:
            return f"{directory}/{rest}"
        return self.resolve(href)

    def resolve(self, href: str) -> str:
        """`join` without its short cut: the basic URL parser with a base (§4.4), by rewriting.

        ada's Python binding takes no base, so the states that look at the base are here: each puts
        the part of the base that the Standard would copy in front of the reference, as text, and the
        parser does the rest (dot segments, backslashes, encoding) on the whole.
        """
        reference = href.strip(_EDGES).translate(_TABS)
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
            return self._parsed(self._document.partition("?")[0] + reference, href)
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


# -- canonical URLs: what makes two addresses one page


@dataclass(frozen=True, slots=True)
class CanonicalRules:
    """Which differences between URLs make no difference to the page (settings `canonical_*`).

    `drop_query` are shell patterns for names of query parameters. `fragment` is "drop", "hashbang"
    (only #! counts) or "keep". The rules are part of every fingerprint: a run stores them.
    """

    sort_query: bool = True
    drop_query: tuple[str, ...] = ()
    fragment: str = "drop"
    trailing_slash: bool = False
    scheme: bool = False
    _dropped: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.drop_query:
            pattern = re.compile("|".join(translate(name) for name in self.drop_query))
            object.__setattr__(self, "_dropped", pattern)

    @classmethod
    def from_settings(cls, settings: Settings) -> CanonicalRules:
        """The rules of a crawl."""
        return cls(
            sort_query=settings.canonical_sort_query,
            drop_query=tuple(settings.canonical_drop_query),
            fragment=settings.canonical_fragment,
            trailing_slash=settings.canonical_trailing_slash,
            scheme=settings.canonical_scheme,
        )

    def as_dict(self) -> dict[str, Any]:
        """The rules as plain data, to be stored and compared."""
        rules = asdict(self) | {"drop_query": list(self.drop_query)}  # as it comes back from JSON
        del rules["_dropped"]
        return rules

    def digest(self) -> str:
        """16 hex digits that differ when a rule does (the order of `drop_query` is no rule)."""
        rules = self.as_dict() | {"drop_query": sorted(set(self.drop_query))}
        return blake2b(msgspec.json.encode(rules, order="sorted"), digest_size=8).hexdigest()


_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_STRAY: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def _normal_escapes(text: str) -> str:
    if _STRAY.search(text) is not None:  # "%%41a": to decode the second would make an escape of the first
        return _ESCAPE.sub(lambda escape: escape[0].upper(), text)
    return _ESCAPE.sub(_normal_escape, text)


def _normal_escape(escape: re.Match[str]) -> str:
    byte = int(escape[0][1:], 16)
    return chr(byte) if byte in _UNRESERVED else escape[0].upper()


def canonical(url: str, rules: CanonicalRules) -> str:
    """The one form of all URLs that are the same page by the rules: for fingerprints, never to be sent.

    Beyond what the WHATWG form settles (case of host, default port, dot segments): RFC 3986 §6.2.2
    escapes (upper-case hex, unreserved characters decoded), an empty query or fragment dropped, and
    the rules. `url` comes from `absolute` or `join`. canonical(canonical(u)) == canonical(u).
    """
    if (
        "%" not in url
        and "?" not in url
        and "#" not in url
        and not (rules.trailing_slash and url[-1:] == "/")
        and not (rules.scheme and url[:5] == "http:")
    ):
        return url
    rest, _, fragment = url.partition("#")
    path, _, query = rest.partition("?")
    if "%" in path:
        path = _normal_escapes(path)
    if rules.scheme and path.startswith("http:"):
        # A port that is the default of the other scheme goes as well: the parser knows.
        path = _parse("https:" + path[5:])
    if rules.trailing_slash and path.endswith("/"):
        root = path.find("/", path.find("://") + 3)
        path = path[: root + 1] + path[root + 1 :].rstrip("/")
    if query:
        query = _canonical_query(query, rules)
    if rules.fragment == "drop" or (rules.fragment == "hashbang" and not fragment.startswith("!")):
        fragment = ""
    elif "%" in fragment:
        fragment = _normal_escapes(fragment)
    return path + ("?" + query if query else "") + ("#" + fragment if fragment else "")


def _canonical_query(query: str, rules: CanonicalRules) -> str:
    if "%" in query:
        query = _normal_escapes(query)
    dropped = rules._dropped
    if not rules.sort_query and dropped is None:
        return query
    pairs = [pair for pair in query.split("&") if pair]
    if dropped is not None:
        pairs = [pair for pair in pairs if dropped.match(unquote_plus(pair.partition("=")[0])) is None]
    if rules.sort_query and len(pairs) > 1:
        pairs.sort(key=lambda pair: pair.partition("=")[0])  # stable: the values of one name keep their order
    return "&".join(pairs)


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
