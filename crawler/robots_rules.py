"""The rules of a robots.txt for one crawler: RFC 9309, §2.1 and §2.2.

Read line by line, with the mistakes that Google's parser forgives as well (no colon, misspelt
"disallow"). Compiled so that a verdict stays cheap for whatever a site serves: plain prefixes are
looked up by length, wildcard rules by three characters that a path must have for them to match, and a
wildcard rule is matched in one pass, without backtracking. An ordinary file costs 1 to 5 µs a URL, 500
KiB of wildcard rules 15 to 50 (benchmarks/robots.py).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final
from urllib.parse import quote

__all__ = ["ALLOW_ALL", "Rules", "parse", "product_token"]

_KINDS: Final = {
    "user-agent": "agent",
    "useragent": "agent",
    "user agent": "agent",
    "allow": "allow",
    "disallow": "disallow",
    "dissallow": "disallow",
    "dissalow": "disallow",
    "disalow": "disallow",
    "diasllow": "disallow",
    "disallaw": "disallow",
    "crawl-delay": "delay",
    "crawldelay": "delay",
    "crawl delay": "delay",
    "request-rate": "delay",
}
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+")
_RATE: Final = re.compile(r"(\d{1,9})\s*/\s*(\d{1,9})\s*([smhd]?)(?:\s.*)?", re.IGNORECASE)
"""Of Request-rate: pages, and a time in which they may be asked for. What may follow is a time of the day."""
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def product_token(user_agent: str) -> str:
    """The name that robots.txt calls a crawler by: "crawler" of "crawler/0.1 (+https://…)"."""
    found = _TOKEN.match(user_agent.strip())
    return found[0].lower() if found else ""


class Rules:
    """What a crawler may fetch, and its Crawl-delay or Request-rate as seconds between two requests (None where none
    was said)."""

    __slots__ = ("_by_gram", "_lengths", "_plain", "_short", "_wild", "count", "delay")

    def __init__(self, rules: dict[str, bool], delay: float | None = None) -> None:
        self.delay = delay
        self.count = len(rules)
        self._plain = {pattern: allow for pattern, allow in rules.items() if "*" not in pattern and pattern[-1] != "$"}
        self._lengths = sorted({len(pattern) for pattern in self._plain}, reverse=True)
        wild = [(pattern, allow) for pattern, allow in rules.items() if pattern not in self._plain]
        wild.sort(key=lambda rule: (-len(rule[0]), not rule[1]))  # the most specific first; of two, the one that allows
        self._wild = [_Wild(pattern, allow) for pattern, allow in wild]
        self._short: list[int] = []  # wildcard rules without three literal characters in a row
        self._by_gram: dict[str, list[int]] = {}
        self._index()

    def allows(self, path: str) -> bool:
        """Whether path and query, as in the URL, may be fetched: the most specific rule says, of two
        equally specific ones the one that allows; no rule allows. robots.txt itself always may be."""
        if not self.count or path == "/robots.txt":
            return True
        path = _normal(path.partition("#")[0], "") or "/"
        length, allow = 0, True
        for n in self._lengths:
            if n <= len(path) and (verdict := self._plain.get(path[:n])) is not None:
                length, allow = n, verdict
                break
        for number in self._candidates(path):
            rule = self._wild[number]
            if rule.length < length or (rule.length == length and allow):
                break
            if rule.matches(path):
                return rule.allow
        return allow

    def deciding(self, path: str) -> tuple[str, bool] | None:
        """The rule behind `allows`, for people: its pattern, as normalised, and whether it allows; None where
        none matches. It asks every rule: `allows` is the quick way to the same verdict."""
        if path == "/robots.txt":
            return None
        path = _normal(path.partition("#")[0], "") or "/"
        found = [(pattern, allow) for pattern, allow in self._plain.items() if path.startswith(pattern)]
        found += [(rule.pattern, rule.allow) for rule in self._wild if rule.matches(path)]
        return max(found, key=lambda rule: (len(rule[0]), rule[1]), default=None)

    def _index(self) -> None:
        """Files each wildcard rule under its rarest three characters."""
        grams = [{part[i : i + 3] for part in rule.parts for i in range(len(part) - 2)} for rule in self._wild]
        common = Counter(gram for of_rule in grams for gram in of_rule)
        for number, of_rule in enumerate(grams):
            if of_rule:
                rarest = min(of_rule, key=lambda gram: (common[gram], gram))
                self._by_gram.setdefault(rarest, []).append(number)
            else:
                self._short.append(number)

    def _candidates(self, path: str) -> list[int]:
        """Wildcard rules that may match, the most specific first."""
        if len(self._wild) <= 8:
            return list(range(len(self._wild)))
        found = list(self._short)
        by_gram = self._by_gram
        for gram in {path[i : i + 3] for i in range(len(path) - 2)}:
            if gram in by_gram:
                found += by_gram[gram]
        found.sort()
        return found


class _Wild:
    """A rule with "*" (any characters) or a final "$" (end of the URL)."""

    __slots__ = ("allow", "anchored", "length", "parts", "pattern")

    def __init__(self, pattern: str, allow: bool) -> None:
        self.pattern = pattern
        self.length = len(pattern)
        self.allow = allow
        self.anchored = pattern[-1] == "$"
        self.parts = pattern.removesuffix("$").split("*")

    def matches(self, path: str) -> bool:
        """One pass: the leftmost place for each part leaves the most room for those after it."""
        first, *rest = self.parts
        if not path.startswith(first):
            return False
        at = len(first)
        if not rest:
            return at == len(path) or not self.anchored
        last = rest.pop()
        for part in rest:
            at = path.find(part, at)
            if at < 0:
                return False
            at += len(part)
        if self.anchored:
            return len(path) - len(last) >= at and path.endswith(last)
        return path.find(last, at) >= 0


ALLOW_ALL: Final = Rules({})


def parse(text: str, token: str) -> Rules:
    """The rules for the crawler with this product token: those of all groups that name it, else those
    of all groups for "*". Lines of other kinds neither begin nor end a group; a Crawl-delay or
    Request-rate, which the RFC does not know, is for the names right before it even where the group goes on with
    others."""
    groups = {"own": _Group(), "*": _Group()}
    members: set[str] = set()  # of the current group, as far as they matter here
    latest: set[str] = set()  # those of them named since the last other line
    before = ""
    for raw in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = raw.partition("#")[0].strip(" \t\v\f\0")
        kind, value = _directive(line) if line else ("", "")
        if not kind:
            continue
        if kind == "agent":
            if before in ("allow", "disallow"):
                members = set()
            if before != "agent":
                latest = set()
            who = "*" if value.split(None, 1)[:1] == ["*"] else "own" if product_token(value) == token else ""
            members.add(who)
            latest.add(who)
            if who:
                groups[who].named = True
        elif kind == "delay":
            for who in latest - {""}:
                groups[who].wait(value)
        else:
            latest = members
            for who in members - {""}:
                groups[who].add(value, kind == "allow")
        # A delay between two names leaves the group open, one after a rule does not.
        if kind != "delay" or before == "agent":
            before = kind
    group = groups["own"] if groups["own"].named else groups["*"]
    return Rules(group.rules, group.delay) if group.rules or group.delay is not None else ALLOW_ALL


class _Group:
    def __init__(self) -> None:
        self.named = False
        self.rules: dict[str, bool] = {}
        self.delay: float | None = None

    def add(self, value: str, allow: bool) -> None:
        if value:
            pattern = _normal(value, "*")
            self.rules[pattern] = self.rules.get(pattern, False) or allow

    def wait(self, value: str) -> None:
        rate = _RATE.fullmatch(value)
        try:
            seconds = int(rate[2]) * _UNITS[rate[3].lower()] / int(rate[1]) if rate is not None else float(value)
        except (ValueError, ZeroDivisionError):
            return
        if math.isfinite(seconds) and seconds >= 0:
            self.delay = max(self.delay or 0.0, seconds)


def _directive(line: str) -> tuple[str, str]:
    """(kind, value); kind is "" for a line that says nothing here."""
    key, colon, value = line.partition(":")
    kind = _KINDS.get(key.strip().lower(), "") if colon else ""
    if kind or colon:
        return kind, value.strip()
    words = line.split()
    return (_KINDS.get(words[0].lower(), ""), words[1]) if len(words) == 2 else ("", "")


# -- one spelling for paths and patterns

_UNRESERVED: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PLAIN: Final = re.compile(r"[A-Za-z0-9\-._~/?=&:;,+@!'()\[\]]*")
_SAFE: Final = "%/?=&:;,+@!'()[]"
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")


def _spelled(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def _normal(text: str, kept: str) -> str:
    """RFC 9309 §2.2.2: escapes of unreserved characters undone, what is outside of ASCII escaped.

    "*" and "$" are escaped in paths, so that a rule can mean them by %2A and %24; in patterns (`kept`
    is "*") they keep their meaning, "$" at the end only.
    """
    if _PLAIN.fullmatch(text):
        return text
    anchor = ""
    if kept:
        text = re.sub(r"\*\*+", "*", text)
        if text.endswith("$"):
            text, anchor = text[:-1], "$"
    return quote(_ESCAPE.sub(_spelled, text), safe=_SAFE + kept, errors="replace") + anchor
