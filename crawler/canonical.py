"""Canonical URLs: what makes two addresses one page, by the settings `canonical_*`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import translate
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import msgspec

from crawler.urls import absolute

if TYPE_CHECKING:
    from crawler.settings import Settings

__all__ = ["CanonicalRules", "canonical"]


@dataclass(frozen=True, slots=True)
class CanonicalRules:
    """Which differences between URLs make no difference to the page (settings `canonical_*`).

    `drop_query` are shell patterns for names of query parameters. `session_ids` are such patterns too, whatever
    the case of their letters, and are also dropped from paths (/a;jsessionid=1F). `fragment` is "drop", "hashbang"
    (only #! counts) or "keep". The rules are part of every fingerprint: a run stores them.
    """

    sort_query: bool = True
    drop_query: tuple[str, ...] = ()
    fragment: str = "drop"
    trailing_slash: bool = False
    scheme: bool = False
    session_ids: tuple[str, ...] = ()
    _dropped: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)
    _sessions: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)
    _stems: tuple[str, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        if self.drop_query:
            pattern = re.compile("|".join(translate(name) for name in self.drop_query))
            object.__setattr__(self, "_dropped", pattern)
        if self.session_ids:
            names = "|".join(
                name.replace(r"\*", "[^=&;/]*").replace(r"\?", "[^=&;/]") for name in map(re.escape, self.session_ids)
            )
            pattern = re.compile(rf"(?:(?<=[?&])|;)(?:{names})=[^&;/?]*&?", re.IGNORECASE)
            object.__setattr__(self, "_sessions", pattern)
            object.__setattr__(self, "_stems", _stems(self.session_ids))

    @classmethod
    def from_settings(cls, settings: Settings) -> CanonicalRules:
        """The rules of a crawl."""
        return cls(
            sort_query=settings.canonical_sort_query,
            drop_query=tuple(settings.canonical_drop_query),
            fragment=settings.canonical_fragment,
            trailing_slash=settings.canonical_trailing_slash,
            scheme=settings.canonical_scheme,
            session_ids=tuple(settings.canonical_session_ids),
        )

    def as_dict(self) -> dict[str, Any]:
        """The rules as plain data, to be stored and compared."""
        rules = asdict(self) | {"drop_query": list(self.drop_query)}  # as it comes back from JSON
        for name in ("_dropped", "_sessions", "_stems", "session_ids"):
            del rules[name]
        return rules | ({"session_ids": list(self.session_ids)} if self.session_ids else {})

    @classmethod
    def from_dict(cls, rules: Mapping[str, Any]) -> CanonicalRules:
        """What `as_dict` gave."""
        lists = {name: tuple(rules.get(name, ())) for name in ("drop_query", "session_ids")}
        return cls(**{**rules, **lists})

    def digest(self) -> str:
        """16 hex digits that differ when a rule does (the order of `drop_query` is no rule)."""
        rules = self.as_dict() | {"drop_query": sorted(set(self.drop_query))}
        return blake2b(msgspec.json.encode(rules, order="sorted"), digest_size=8).hexdigest()


def _stems(names: Sequence[str]) -> tuple[str, ...]:
    """Letters of which some stand in every text with one of the names: looked for first, at a tenth of the price."""
    stems = {max(re.split(r"[*?\[\]]", name.lower()), key=len) for name in names}
    return tuple(sorted(stem for stem in stems if not any(other in stem for other in stems - {stem})))


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
        and (";" not in url or not rules._stems)
        and not (rules.trailing_slash and url[-1:] == "/")
        and not (rules.scheme and url[:5] == "http:")
    ):
        return url
    rest, _, fragment = url.partition("#")
    if rules._sessions is not None and ("?" in rest or ";" in rest):
        lower = rest.lower()
        for stem in rules._stems:
            if stem in lower:
                rest = rules._sessions.sub("", rest).rstrip("&")
                break
    path, _, query = rest.partition("?")
    if "%" in path:
        path = _normal_escapes(path)
    if rules.scheme and path.startswith("http:"):
        # A port that is the default of the other scheme goes as well: the parser knows.
        path = absolute("https:" + path[5:])
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
    if dropped is None and (not rules.sort_query or "&" not in query):
        return query
    pairs = [pair for pair in query.split("&") if pair]
    if dropped is not None:
        pairs = [pair for pair in pairs if dropped.match(unquote_plus(pair.partition("=")[0])) is None]
    if rules.sort_query and len(pairs) > 1:
        pairs.sort(key=lambda pair: pair.partition("=")[0])  # stable: the values of one name keep their order
    return "&".join(pairs)
