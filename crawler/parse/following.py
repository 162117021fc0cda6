"""From a link to a request: what a page hands down to what it leads to."""

from __future__ import annotations

from collections import UserList
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import parsel
from lxml import etree
from yarl import URL

from crawler.binding import bind
from crawler.request import PLAIN, Options, Request, make, make_options, with_params

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crawler.parse.fast import Fast
    from crawler.urls import Joiner

__all__ = ["Links", "Target", "link_of", "retarget"]

# Elements that are links when they have an address; one without is simply no link.
_LINKING: Final = frozenset(
    {"a", "area", "audio", "base", "embed", "frame", "iframe", "image", "img", "input", "link", "script", "source"}
    | {"track", "video"}
)


def _inherited(parent: Request) -> Options:
    """The options of a request that a page makes without saying more: its session and its proxy."""
    options = parent._options
    if not options.session and options.proxy is None:
        return PLAIN
    return Options(session=options.session, proxy=options.proxy)


class Target:
    """What all requests of one `follow_all` have in common, checked and made once."""

    __slots__ = ("args", "depth", "kwargs", "name", "options", "params", "parent")

    def __init__(self, parent: Request, callback: Any, args: dict[str, Any]) -> None:
        self.parent = parent
        self.args = args
        self.name, self.kwargs = bind(callback)
        self.depth = parent._depth + 1
        self.params = args.get("params")
        options = _inherited(parent)
        if args:
            own = make_options(args)
            heir = {name: getattr(options, name) for name in ("session", "proxy") if name not in args}
            options = msgspec.structs.replace(own, **heir)
        self.options = options

    def request(self, url: str) -> Request:
        """A request for an absolute URL."""
        if self.params:
            url = with_params(url, self.params)
        return make(url, self.name, self.kwargs, self.options, self.depth)

    def links(self, urls: list[str]) -> Links:
        """`request` for each, made when it is looked at."""
        return Links.lazy(self, [with_params(url, self.params) for url in urls] if self.params else urls)

    def requests(self, urls: Iterable[str]) -> list[Request]:
        """A request for each of some absolute URLs, which have `params` already."""
        name, kwargs, options, depth = self.name, self.kwargs, self.options, self.depth
        return [make(url, name, kwargs, options, depth) for url in urls]

    def mixed(self, links: Iterable[object], joiner: Joiner, called: bool) -> Links:
        """Requests for links, one for each distinct URL, and for Requests among them, which are all kept."""
        requests: dict[object, Request] = {}
        for link in links:
            if isinstance(link, Request):
                requests[object()] = retarget(link, self, called)
            elif (href := link_of(link)) is not None:
                for url in joiner.join_all((href,)):
                    if url not in requests:
                        requests[url] = self.request(url)
        return Links(requests.values())


class Links(UserList[Request]):
    """A list of requests for the links of a page, which are made when somebody looks at one.

    Nearly all of them lead to known pages, which the crawl can tell by the URL: thirty requests that nobody
    looks at would cost as much as finding the thirty links.
    """

    @classmethod
    def lazy(cls, target: Target, urls: list[str]) -> Links:
        """Requests to come, for distinct absolute URLs."""
        links = cls.__new__(cls)
        links.target, links.urls = target, urls
        return links

    urls: list[str] | None = None
    """Where they lead, while there are no requests yet; None from then on."""
    target: Target

    def __getattr__(self, name: str) -> list[Request]:  # `data` is all of a UserList, and is not there yet
        if name != "data" or self.urls is None:
            raise AttributeError(name)
        self.data: list[Request] = self.target.requests(self.urls)
        self.urls = None
        return self.data

    def __len__(self) -> int:
        return len(self.data if self.urls is None else self.urls)

    def __copy__(self) -> Links:
        return self.copy()


def retarget(request: Request, target: Target, called: bool) -> Request:
    """A copy of a request as made from the target's page: its own words win over what is inherited.

    `called`: the target's callback takes the place of the request's.
    """
    copy = request.replace(**target.args) if target.args else request._copy()
    options = copy._options
    heir = _inherited(target.parent)
    changes: Mapping[str, Any] = {
        name: getattr(heir, name)
        for name, unset in (("session", ""), ("proxy", None))
        if getattr(options, name) == unset and name not in target.args and getattr(heir, name) != unset
    }
    if changes:
        copy._options = msgspec.structs.replace(options, **changes)
    if called:
        copy._callback, copy._kwargs = target.name, target.kwargs
    copy._depth = target.depth
    return copy


def link_of(link: object, query: str = "") -> str | None:
    """The address in a link: a str, a URL, a selection or an element of lxml's; None for a link without.

    Raises ValueError for an element that cannot be one (a `<li>`), TypeError for anything else.
    """
    if isinstance(link, parsel.Selector):
        link = link.root
    elif hasattr(link, "node"):  # of `response.fast`
        element = cast("Fast", link)
        return _address(element.attrib, element.tag, query)
    if isinstance(link, str):
        return link
    if isinstance(link, etree._Element):
        return _address(link, link.tag if isinstance(link.tag, str) else "comment", query)
    if isinstance(link, URL):
        return str(link)
    if isinstance(link, list):
        raise TypeError("follow() takes one link: use follow_all() for a list, or take one of it ([0])")
    raise TypeError(f"a link is a str, a URL, a selected element or a Request, not {link!r:.100}")


def _address(attributes: Any, tag: str, query: str) -> str | None:
    """href or src; None for an element that is a link without one. Raises ValueError for no link at all."""
    address: str | None = attributes.get("href")
    if address is None:
        address = attributes.get("src")
    if address is None and tag.rpartition("}")[2] not in _LINKING:
        asked = f"{query!r} selects" if query else "this is"
        hint = f": did you mean {query + ' a'!r}?" if query else ""
        raise ValueError(f"{asked} <{tag}>, which has neither href nor src{hint}")
    return address
