"""`Response`: a page as it came, and how to read it.

Nothing is read until it is asked for, and then once: charset, text, tree and base URL are kept. Making
one costs 1 µs; a crawl that only follows redirects pays for no parser.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import msgspec
import parsel
from lxml import etree
from multidict import CIMultiDict, CIMultiDictProxy
from typing_extensions import Unpack
from yarl import URL

from crawler.parse.charset import decode
from crawler.parse.codecs import decode_as, encoding_of_label
from crawler.parse.following import Links, Target, link_of, retarget
from crawler.parse.links import LARGE, base_of, hrefs_of, resolve_all, stream_hrefs
from crawler.parse.selectors import Selector, SelectorList, select
from crawler.parse.tree import Kind, is_xml, parse_tree
from crawler.request import Request, RequestArgs
from crawler.urls import Joiner

if TYPE_CHECKING:
    from crawler.parse.fast import Fast
    from crawler.spider import Result

    _Callback = Callable[[Any], Result]
    _Link = str | URL | parsel.Selector | Fast | Request

__all__ = ["Response"]

T = TypeVar("T")

_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
_FETCHED = ("http://", "https://")
_BASE = re.compile(rb"<[bB][aA][sS][eE]")


@functools.cache
def _fast_parser() -> Callable[[bytes, str], Fast]:
    """Imported when first wanted, which most spiders never do; and once: an import statement takes 2 µs."""
    from crawler.parse.fast import parse_fast

    return parse_fast


class Response:
    """What came for a request. Immutable.

    `headers` are as received, `body` is decoded from its content codings (gzip, br, …), `url` is where
    it came from. `elapsed` are seconds from sending to the end of the body; `history` the redirects on
    the way here, oldest first, without bodies; `ip` the address that answered, "" where unknown.
    """

    __slots__ = (
        "_body",
        "_elapsed",
        "_encoding",
        "_fast",
        "_headers",
        "_history",
        "_ip",
        "_joiner",
        "_reason",
        "_request",
        "_request_headers",
        "_selector",
        "_status",
        "_text",
        "_url",
    )

    def __init__(
        self,
        url: str,
        status: int,
        headers: CIMultiDictProxy[str],
        body: bytes,
        request: Request,
        *,
        reason: str = "",
        history: Sequence[Response] = (),
        elapsed: float = 0.0,
        request_headers: CIMultiDictProxy[str] | None = None,
        ip: str = "",
    ) -> None:
        self._url = url
        self._status = status
        self._headers = headers
        self._body = body
        self._request = request
        self._reason = reason
        self._history = history
        self._elapsed = elapsed
        self._request_headers = request_headers
        self._ip = ip
        self._encoding = ""
        self._text: str | None = None
        self._selector: Selector | None = None
        self._fast: Fast | None = None
        self._joiner: Joiner | None = None

    # -- as it came

    @property
    def url(self) -> str:
        """Where the page came from, absolute."""
        return self._url

    @property
    def yarl(self) -> URL:
        """The URL in parts."""
        return URL(self._url, encoded=True)

    @property
    def status(self) -> int:
        """The status code."""
        return self._status

    @property
    def reason(self) -> str:
        """The words behind the status code; "" where there were none."""
        return self._reason

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers as received; names in any case, a name may come more than once (`getall`)."""
        return self._headers

    @property
    def body(self) -> bytes:
        """The body without its content codings."""
        return self._body

    @property
    def request(self) -> Request:
        """What was asked for."""
        return self._request

    @property
    def request_headers(self) -> CIMultiDictProxy[str]:
        """The headers that were really sent; empty where the fetcher did not say."""
        return self._request_headers if self._request_headers is not None else _NO_HEADERS

    @property
    def elapsed(self) -> float:
        """Seconds from sending the request to the end of the body."""
        return self._elapsed

    @property
    def ip(self) -> str:
        """The address that answered, "" where unknown."""
        return self._ip

    @property
    def history(self) -> Sequence[Response]:
        """The redirects on the way here, oldest first: URL, status and headers; their bodies are not kept."""
        hops = self._request._options.history
        if self._history or not hops:
            return self._history
        self._history = tuple(
            Response(hop.url, hop.status, CIMultiDictProxy(CIMultiDict(hop.headers)), b"", self._request)
            for hop in hops
        )
        return self._history

    @property
    def cookies(self) -> Mapping[str, str]:
        """Name and value of every cookie that this answer sets, by RFC 6265 §5.2; the last of a name counts."""
        found: dict[str, str] = {}
        for line in self._headers.getall("Set-Cookie", ()):
            pair, _, _ = line.partition(";")
            name, equals, value = pair.partition("=")
            if equals and name.strip():
                found[name.strip()] = value.strip()
        return MappingProxyType(found)

    # -- as text and data

    @property
    def text(self) -> str:
        """The body as text: by byte order mark, header, `<meta>`, then detection, as browsers do.

        Bytes that are invalid in the encoding are U+FFFD; this never raises.
        """
        if self._text is None:
            self._text, self._encoding = decode(self._body, self._headers.get("Content-Type", ""))
        return self._text

    @property
    def encoding(self) -> str:
        """The encoding of `text`, by its name in the WHATWG Encoding Standard, in lower case."""
        if not self._encoding:
            _ = self.text
        return self._encoding

    def decode(self, encoding: str) -> str:
        """The body as text in an encoding of your choice, for pages that lie about theirs.

        Raises LookupError for an encoding that neither the web nor Python knows.
        """
        name = encoding_of_label(encoding)
        return decode_as(self._body, name) if name else self._body.decode(encoding, "replace")

    @overload
    def json(self) -> Any: ...

    @overload
    def json(self, type: type[T]) -> T: ...

    def json(self, type: Any = Any) -> Any:
        """The body as JSON, checked against a type: dataclass, msgspec Struct, attrs, pydantic, list[int] …

        Raises ValueError that names the page, its content type, what is wrong and how the body begins.
        """
        validate = getattr(type, "model_validate_json", None)  # a pydantic model reads its own
        read: Callable[[Any], Any] = validate or msgspec.json.Decoder(type).decode
        body: bytes | str = self._body.removeprefix(b"\xef\xbb\xbf")
        if not (self._body.isascii() or self.encoding == "utf-8"):
            body = self.text
        try:
            return read(body)
        except (msgspec.DecodeError, ValueError) as error:
            kind = self._headers.get("Content-Type", "no content type")
            begin = self.text[:80]
            what = f"is not {getattr(type, '__name__', type)}" if self._is_json() else "is no JSON"
            raise ValueError(f"{self._url} {what} ({kind}): {error}; it begins with {begin!r}") from None

    def _is_json(self) -> bool:
        try:
            msgspec.json.decode(self.text)
        except msgspec.DecodeError:
            return False
        return True

    def re(self, pattern: str | re.Pattern[str]) -> list[str]:
        """All matches of a regex in the text: group 1 where it has one group, all groups flattened
        where it has more, else the match."""
        found = re.findall(pattern, self.text)
        return [part for match in found for part in (match if isinstance(match, tuple) else (match,))]

    # -- as a tree

    def css(self, query: str) -> SelectorList:
        """What a CSS query selects, with parsel's `::text` and `::attr(name)`, and `.one()`.

        Raises ValueError for a query that is no CSS.
        """
        return self._tree().css(query)

    def xpath(self, query: str, namespaces: Mapping[str, str] | None = None, **variables: Any) -> SelectorList:
        """What an XPath selects. Raises ValueError for a query that is no XPath."""
        return self._tree().xpath(query, namespaces, **variables)

    def _tree(self) -> Selector:
        if self._selector is None:
            kind: Kind = "xml" if is_xml(self._headers.get("Content-Type", ""), self._body) else "html"
            root = parse_tree(self._utf8(), kind, self._url)
            self._selector = Selector(root=root, type=kind, url=self._url)
        return self._selector

    def _utf8(self) -> bytes:
        text = self.text
        if self._encoding == "utf-8" and "\ufffd" not in text:  # then it was valid, and need not be encoded again
            return self._body.removeprefix(b"\xef\xbb\xbf")
        # Plain ASCII is the same in every encoding but those that are not made of ASCII bytes.
        if self._body.isascii() and self._encoding[:6] not in ("utf-16", "iso-20"):
            return self._body
        return text.encode()

    @property
    def fast(self) -> Fast:
        """The page as lexbor reads it: CSS only, at half the cost (`crawler.parse.fast`).

        From then on `links()` and `follow_all("query")` of this page use that tree too, unless `css` or
        `xpath` was used before: a page is parsed once. XML is read as HTML.
        """
        self._fast = self._fast or _fast_parser()(self._utf8(), self._url)
        return self._fast

    # -- where it leads

    def follow(self, link: _Link, callback: _Callback | None = None, **args: Unpack[RequestArgs]) -> Request:
        """A request for a link of this page: relative to its `<base href>`, one deeper, in its session.

        A link is a str, a URL, a selected element (its href or src), a selected string, or a Request
        (whose URL is taken as it is). Session and proxy are this page's unless given. Without a
        callback the spider's `parse` gets the answer. A scheme that is not fetched makes a request
        too, which is skipped.

        Raises ValueError, naming the page, for what no browser resolves; TypeError for anything else.
        """
        target = Target(self._request, callback, cast("dict[str, Any]", args))
        if isinstance(link, Request):
            return retarget(link, target, callback is not None)
        href = link_of(link)
        if href is None:
            raise ValueError(f"{link!r:.200} on {self._url} is an element without href and src")
        return target.request(self._join().join(href))

    def follow_all(
        self, links: str | Iterable[_Link], callback: _Callback | None = None, **args: Unpack[RequestArgs]
    ) -> Links:
        """Requests for many links of this page, as `follow` makes them. A str is a CSS query.

        One request for each distinct absolute URL, in the order of the links; Requests among them are
        all kept. Links that no browser resolves, that have no address, or whose scheme is not http or
        https are left out. Raises ValueError when the query is no CSS, or selects elements that
        cannot be links ("li.next" for "li.next a").
        """
        target = Target(self._request, callback, cast("dict[str, Any]", args))
        if isinstance(links, str):
            found: Sequence[Any]
            if self._fast is not None and self._selector is None:
                found = self._fast.css(links)
            else:
                selector = self._tree()
                found = select(selector.root, links, cast("Kind", selector.type))
            hrefs = [href for link in found if (href := link_of(link, links)) is not None]
            return target.links(resolve_all(hrefs, self._join()))
        links = list(links)
        if any(isinstance(link, Request) for link in links):
            return target.mixed(links, self._join(), callback is not None)
        hrefs = [href for link in links if (href := link_of(link)) is not None]
        return target.links(resolve_all(hrefs, self._join()))

    def links(
        self,
        callback: _Callback | None = None,
        *,
        css: str = "",
        allow: str | Sequence[str] = (),
        deny: str | Sequence[str] = (),
        **args: Unpack[RequestArgs],
    ) -> Links:
        """Requests for all that `<a>` and `<area>` on this page lead to, one for each absolute URL.

        `css` restricts them to some regions of the page; `allow` and `deny` are regexes, one or
        several, that are searched in the absolute URL (deny wins). Left out are links that no browser
        resolves and schemes other than http and https. Raises ValueError for a query that is no CSS.
        """
        target = Target(self._request, callback, cast("dict[str, Any]", args))
        hrefs = self._hrefs(css)
        return target.links(resolve_all(hrefs, self._join(), allow, deny))

    def _hrefs(self, css: str) -> list[str]:
        if self._fast is not None and self._selector is None:
            return self._fast.hrefs(css)
        if not css and self._selector is None and len(self._body) > LARGE:
            content_type = self._headers.get("Content-Type", "")
            if not is_xml(content_type, self._body):
                hrefs, base = stream_hrefs(self._utf8())
                self._joiner = self._joiner or self._based(base)
                return hrefs
        selector = self._tree()
        kind = cast("Kind", selector.type)
        regions = select(selector.root, css, kind) if css else [selector.root]
        if any(isinstance(region, str) for region in regions):
            raise ValueError(f"links(css={css!r}) takes regions of the page: a query without ::text and ::attr")
        return hrefs_of(regions, kind)

    def _join(self) -> Joiner:
        """The page's base URL (HTML §2.4.1), found once."""
        if self._joiner is None:
            self._joiner = self._based(self._base_href())
        return self._joiner

    def _base_href(self) -> str | None:
        if self._selector is None:
            if self._fast is not None:
                return self._fast.base()
            # No tree yet: most pages, and all JSON, can be told to have no <base> without one.
            if _BASE.search(self._body if self.encoding[:6] != "utf-16" else self._utf8()) is None:
                return None
            if len(self._body) > LARGE:
                return stream_hrefs(self._utf8())[1]
        selector = self._tree()
        root = selector.root
        return base_of(root, cast("Kind", selector.type)) if isinstance(root, etree._Element) else None

    def _based(self, href: str | None) -> Joiner:
        page = Joiner(self._url)
        if href is None:
            return page
        try:
            base = page.join(href)
        except ValueError:
            return page
        return Joiner(base) if base.startswith(_FETCHED) else page

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._status} {self._url} {len(self._body)} bytes>"
