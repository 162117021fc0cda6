"""`Request`: what to ask for and which method of the spider gets the answer.

A request is made about thirty times a page and most of them are thrown away as known, so it is
small: five slots, and one `Options` struct for everything unusual, shared by all requests of one
`follow_all`. Callbacks are names with keyword arguments, never functions, so that a request can be
stored and read by another process.
"""

from __future__ import annotations

import base64
import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, cast
from urllib.parse import urlencode

import msgspec
from multidict import CIMultiDict, CIMultiDictProxy
from typing_extensions import Unpack
from yarl import URL

from crawler.binding import bind, encode_kwargs
from crawler.roots import PRESETS
from crawler.urls import absolute

if TYPE_CHECKING:
    from crawler.errors import FetchError
    from crawler.spider import Result

__all__ = ["CommonArgs", "Hop", "Options", "Request", "RequestArgs"]

_Callback = Callable[[Any], "Result"]
_Errback = Callable[["Request", "FetchError"], "Result"]


class CommonArgs(TypedDict, total=False):
    """The words that say how a request is sent; the same wherever one is made.

    Seconds for `timeout`; `auth` is a (user, password) pair for Basic or the header's value;
    `retry` is a number of retries, True (retry although the method is not idempotent) or False;
    `redirects` is a number of hops, True (the setting's) or False. `scope` makes the request a seed
    of its own in that respect: what it leads to stays on its page, prefix, host or domain.
    """

    method: str
    params: Mapping[str, Any] | Sequence[tuple[str, Any]] | str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    body: bytes | str
    json: object
    auth: tuple[str, str] | str
    session: str
    proxy: str | None
    priority: int
    unique: bool
    key: str
    scope: Literal["page", "prefix", "host", "domain", "any"]
    timeout: float
    retry: bool | int
    redirects: bool | int
    accept_status: Sequence[int]
    errback: _Errback


class RequestArgs(CommonArgs, total=False):
    """`CommonArgs` and the fields of a form, sent as application/x-www-form-urlencoded."""

    form: Mapping[str, Any] | Sequence[tuple[str, Any]]


class Hop(msgspec.Struct, frozen=True, array_like=True):
    """One redirect on the way here: what its answer said."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()


class Options(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """All that is unusual about a request; one object serves a whole `follow_all`."""

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    auth: str = ""
    session: str = ""
    proxy: str | None = None
    priority: int = 0
    unique: bool = True
    key: str = ""
    timeout: float | None = None
    retry: bool | int | None = None
    redirects: bool | int = True
    accept_status: tuple[int, ...] | None = None
    errback: str = ""
    errback_kwargs: bytes = b""
    history: tuple[Hop, ...] = ()
    scope: str = ""
    """The preset that was named, or what `crawler.roots` carries from page to page."""


PLAIN = Options()
SITEMAP = "_sitemap"
"""The callback of sitemaps: a method that every `Spider` has."""
_OPTION_NAMES = frozenset(CommonArgs.__annotations__) | {"form"}
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_FOREIGN = {
    "meta": "arguments of the callback: functools.partial(self.parse_x, name=value)",
    "cb_kwargs": "functools.partial(self.parse_x, name=value)",
    "data": "form= for a form, body= for bytes, json= for JSON",
    "formdata": "form=",
    "dont_filter": "unique=False",
    "allow_redirects": "redirects=",
    "follow_redirects": "redirects=",
    "max_redirects": "redirects=",
    "verify": "the settings of TLS; there is no per-request switch",
    "ssl": "the settings of TLS; there is no per-request switch",
    "encoding": "response.decode(encoding)",
    "label": "the callback argument: Request(url, self.parse_x)",
    "user_data": "functools.partial(self.parse_x, name=value)",
    "unique_key": "key=",
    "sid": "session=",
    "query": "params=",
    "content": "body=",
}


class Request:
    """A page to fetch. Immutable; `replace` makes a changed copy.

    `url` is absolute, as a browser would write it (WHATWG URL Standard). `callback` is a method of
    the spider, or `functools.partial` of one with keyword arguments. The fingerprint is made of
    method, canonical URL, body, session and `key`.

    Raises `ValueError` for a URL that no browser resolves, `TypeError` for a wrong argument.
    """

    __slots__ = ("_callback", "_depth", "_kwargs", "_options", "_tries", "_url")

    def __init__(self, url: str | URL, callback: _Callback | None = None, **args: Unpack[RequestArgs]) -> None:
        text = absolute(str(url))
        options = make_options(cast("dict[str, Any]", args)) if args else PLAIN
        if args.get("params"):
            text = with_params(text, args["params"])
        name, kwargs = bind(callback)
        self._url = text
        self._callback = name
        self._kwargs: Mapping[str, Any] | bytes = kwargs
        self._depth = 0
        self._tries = 0
        self._options = options

    @property
    def url(self) -> str:
        """The absolute URL, without a fragment's effect on what is sent."""
        return self._url

    @property
    def yarl(self) -> URL:
        """The URL in parts."""
        return URL(self._url, encoded=True)

    @property
    def method(self) -> str:
        """GET unless told otherwise; POST where a body, form or JSON was given."""
        return self._options.method

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers asked for by the spider (the ones really sent: `Response.request_headers`)."""
        return CIMultiDictProxy(CIMultiDict(self._options.headers))

    @property
    def body(self) -> bytes | None:
        """The body to send, encoded."""
        return self._options.body

    @property
    def callback(self) -> str:
        """The name of the spider's method that gets the response; "" means `parse`."""
        return self._callback

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """The callback's arguments."""
        if isinstance(self._kwargs, bytes):
            decoded: dict[str, Any] = msgspec.msgpack.decode(self._kwargs)
            return decoded
        return self._kwargs

    @property
    def session(self) -> str:
        """The name of the session whose cookies go with this request."""
        return self._options.session

    @property
    def priority(self) -> int:
        """Higher goes first within its host."""
        return self._options.priority

    @property
    def depth(self) -> int:
        """How many links away from a seed."""
        return self._depth

    @property
    def tries(self) -> int:
        """How many attempts were made before this one."""
        return self._tries

    def replace(self, **args: Unpack[RequestArgs]) -> Self:
        """A copy with other arguments; headers are merged (a None value removes one)."""
        merged = dict(args)
        if "headers" in merged:
            headers = CIMultiDict(self._options.headers)
            for name, value in dict(args["headers"]).items():
                headers.popall(name, None)
                if value is not None:
                    headers[name] = value
            merged["headers"] = headers
        copy: Self = self._copy()
        changed = msgspec.structs.asdict(make_options(merged))
        given = {name: changed[name] for name in _fields_of(merged)}
        copy._options = msgspec.structs.replace(self._options, **given)
        if args.get("params"):
            copy._url = with_params(self._url, args["params"])
        return copy

    def _copy(self) -> Self:
        copy: Self = _new(type(self))
        copy._url, copy._callback, copy._kwargs = self._url, self._callback, self._kwargs
        copy._depth, copy._tries, copy._options = self._depth, self._tries, self._options
        return copy

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} {self._url}>"


_new = cast("Callable[[type[Any]], Any]", object.__new__)


def make(
    url: str,
    callback: str,
    kwargs: Mapping[str, Any] | bytes,
    options: Options,
    depth: int,
    tries: int = 0,
) -> Request:
    """A Request from parts that were checked before: `url` is absolute, `callback` a bound name.

    The hot path: 0.3 µs against 1.5 for `Request(...)` (benchmarks/micro.py).
    """
    request: Request = _new(Request)
    request._url = url
    request._callback = callback
    request._kwargs = kwargs
    request._depth = depth
    request._tries = tries
    request._options = options
    return request


def make_options(args: dict[str, Any]) -> Options:
    """Checks the words of a request and turns them into `Options`. Raises TypeError, ValueError."""
    unknown = args.keys() - _OPTION_NAMES
    if unknown:
        raise TypeError(_unknown_word(sorted(unknown)[0]))
    for word, value in args.items():
        _check_type(word, value)
    plain: dict[str, Any] = {
        name: args[name]
        for name in ("session", "proxy", "priority", "unique", "key", "scope", "timeout", "retry", "redirects")
        if name in args
    }
    body, content_type = _body(args)
    headers = [(name, _header(name, value)) for name, value in _pairs(args.get("headers", ()))]
    if content_type and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", content_type))
    if headers:
        plain["headers"] = tuple(headers)
    if body is not None:
        plain["body"] = body
    plain["method"] = str(args.get("method") or ("POST" if body is not None else "GET")).upper()
    if not plain["method"].isalpha():
        raise ValueError(f"method={args['method']!r} is not an HTTP method")
    if "cookies" in args:
        plain["cookies"] = tuple((str(name), str(value)) for name, value in args["cookies"].items())
    if "auth" in args:
        plain["auth"] = _auth(args["auth"])
    if "accept_status" in args:
        plain["accept_status"] = tuple(int(status) for status in args["accept_status"])
    if args.get("errback") is not None:
        name, kwargs = bind(args["errback"], "errback")
        plain["errback"] = name
        plain["errback_kwargs"] = encode_kwargs(kwargs) if kwargs else b""
    if "timeout" in args and not (isinstance(args["timeout"], int | float) and args["timeout"] > 0):
        raise ValueError(f"timeout={args['timeout']!r}: seconds, more than 0")
    if plain.get("scope", "any") not in PRESETS:
        raise ValueError(f"scope={args['scope']!r}: one of {', '.join(PRESETS)}")
    return Options(**plain)


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "method": ((str,), "a str"),
    "session": ((str,), "a str"),
    "scope": ((str,), "a str"),
    "key": ((str,), "a str"),
    "proxy": ((str, type(None)), "a URL as str, or None"),
    "priority": ((int,), "a whole number"),
    "unique": ((bool,), "True or False"),
    "timeout": ((int, float), "seconds, more than 0"),
    "retry": ((bool, int, type(None)), "True, False or a number of retries"),
    "redirects": ((bool, int), "True, False or a number of hops"),
    "accept_status": ((list, tuple, set, frozenset, range), "a list of statuses"),
    "body": ((bytes, bytearray, str, type(None)), "bytes or str"),
}
_BOOL_WORDS = frozenset({"unique", "retry", "redirects"})


def _check_type(word: str, value: object) -> None:
    kinds, meaning = _TYPES.get(word, ((object,), ""))
    wrong = not isinstance(value, kinds) or (isinstance(value, bool) and word in _TYPES and word not in _BOOL_WORDS)
    if not wrong and word in ("retry", "redirects", "priority") and isinstance(value, int):
        wrong = not (-(2**31) if word == "priority" else 0) <= value < 2**31
    if wrong:
        raise TypeError(f"{word}={value!r:.60}: it is {meaning}")


def _fields_of(args: Mapping[str, Any]) -> set[str]:
    fields = set(args) - {"params", "form", "json", "body"}
    if args.keys() & {"form", "json", "body"}:
        fields |= {"body", "method"}
        if args.keys() & {"form", "json"}:
            fields.add("headers")
    if "errback" in fields:
        fields.add("errback_kwargs")
    return fields


def _unknown_word(word: str) -> str:
    if word in _FOREIGN:
        return f"a request has no {word}=: here it is {_FOREIGN[word]}"
    near = difflib.get_close_matches(word, _OPTION_NAMES, 1)
    hint = f"; did you mean {near[0]}=?" if near else f"; it takes {', '.join(sorted(_OPTION_NAMES))}"
    return f"a request has no {word}={hint}"


def _pairs(given: Any) -> list[tuple[str, Any]]:
    return list(given.items()) if hasattr(given, "items") else list(given)


def _header(name: str, value: object) -> str:
    if name.lower() in _SECRET_HEADERS:
        raise ValueError(
            f"the header {name} is not stored with a request: use auth= or sign_in (cookies=, for cookies)"
        )
    if not isinstance(value, str):
        raise TypeError(f"headers: {name} is {value!r}, it must be a str")
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError(f"headers: the value of {name} has a line break or NUL in it")
    return value


def _auth(auth: tuple[str, str] | str) -> str:
    if isinstance(auth, str):
        return _header("auth", auth)
    user, password = auth
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _body(args: Mapping[str, Any]) -> tuple[bytes | None, str]:
    given = [name for name in ("body", "form", "json") if args.get(name) is not None]
    if len(given) > 1:
        raise TypeError(f"a request has one body: {' and '.join(name + '=' for name in given)} were both given")
    if not given:
        return None, ""
    if given == ["form"]:
        return urlencode(args["form"], doseq=True).encode(), "application/x-www-form-urlencoded"
    if given == ["json"]:
        return msgspec.json.encode(args["json"]), "application/json"
    body = args["body"]
    if isinstance(body, Path) or callable(body):
        raise TypeError("body= is bytes or str")
    return (body.encode(), "text/plain; charset=utf-8") if isinstance(body, str) else (bytes(body), "")


def with_params(url: str, params: Any) -> str:
    query = params if isinstance(params, str) else urlencode(params, doseq=True)
    head, mark, fragment = url.partition("#")
    joined = head + ("&" if "?" in head else "?") + query.lstrip("?&")
    return absolute(joined + mark + fragment)
