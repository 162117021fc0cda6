"""What goes out and what comes back: URL, headers, cookies, credentials, bodies."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest
from aiohttp import web
from fetch_servers import limits
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from crawler import errors
from crawler.fetch import AiohttpFetcher
from crawler.fetch.cookies import Cookies
from crawler.request import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def sent(head: bytes) -> dict[str, str]:
    """The header fields of a request head."""
    return dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)


TARGETS = {
    "/": "/",
    "/a%2Fb": "/a%2Fb",
    "/%zz%7e~": "/%zz%7e~",
    "//twice//": "//twice//",
    "/a?": "/a?",
    "/a??": "/a??",
    "/a?b=c?": "/a?b=c?",
    "/a?b=1%3A2&c=|[]&d=%2B+": "/a?b=1%3A2&c=|[]&d=%2B+",
    "/a/../b/./c": "/b/c",
    "/ž?ž": "/%C5%BE?%C5%BE",
    "/a#fragment": "/a",
    "/a?#fragment": "/a?",
    "/a;b=c,d:e@f!$&'()*": "/a;b=c,d:e@f!$&'()*",
}


@pytest.mark.parametrize("path", TARGETS)
async def test_the_url_goes_out_as_browsers_write_it(path: str, serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(OK)
    request = Request(server.url.rstrip("/") + path)
    response = await fetch(request)
    assert server.asked[0].split(b" ")[1].decode() == TARGETS[path]
    assert (response.url, response.request) == (request.url, request)
    assert sent(server.asked[0])["Host"] == f"127.0.0.1:{server.port}"


async def test_the_usual_headers(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(OK)
    response = await fetch(Request(server.url))
    fields = sent(server.asked[0])
    assert fields["User-Agent"].startswith("crawler/")
    assert fields["Accept-Encoding"] == "gzip, deflate, br, zstd"
    assert "text/html" in fields["Accept"]
    assert dict(response.request_headers) == fields
    assert response.reason == "OK" and response.elapsed > 0


async def test_headers_of_the_settings_and_of_the_request(serve: Any) -> None:
    server = await serve(OK)
    chosen = limits(user_agent="mine/2", headers={"accept": "text/plain", "X-Both": "settings"})
    async with AiohttpFetcher(chosen) as fetch:
        await fetch(Request(server.url, headers={"x-both": "request", "X-Own": "own"}))
    fields = {name.lower(): value for name, value in sent(server.asked[0]).items()}
    assert fields["user-agent"] == "mine/2" and fields["accept"] == "text/plain"
    assert fields["x-both"] == "request" and fields["x-own"] == "own"


async def test_a_header_that_cannot_be_sent(serve: Any) -> None:
    server = await serve(OK, keep=True)
    async with AiohttpFetcher(limits(headers={"X-Two": "a\r\nX-Forged: b"})) as fetch:
        for _ in range(2):
            with pytest.raises(errors.Refused, match="cannot be sent"):
                await fetch(Request(server.url))
    assert server.asked == []


async def test_credentials(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(OK, keep=True)
    inside = server.url.replace("//", "//us%40er:p%C3%A4ss@")
    await fetch(Request(server.url, auth=("user", "pass")))
    await fetch(Request(server.url, auth="Bearer token"))
    await fetch(Request(inside))
    await fetch(Request(inside, auth="Bearer token"))
    assert [sent(head)["Authorization"] for head in server.asked] == [
        "Basic dXNlcjpwYXNz", "Bearer token", "Basic dXNAZXI6cMOkc3M=", "Bearer token",
    ]  # fmt: skip
    assert all(b"@" not in head for head in server.asked)


@pytest.mark.parametrize("size", [0, 5, 2_000_000])
async def test_a_post(size: int, site: Any, fetch: AiohttpFetcher) -> None:
    site.pages["/"] = "ok"
    assert (await fetch(Request(site.url, method="POST", body=b"x" * size))).status == 200
    method, _, fields, body = site.requests[0]
    assert (method, fields["Content-Length"], body) == ("POST", str(size), b"x" * size)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 404, 500])
async def test_statuses_are_not_judged_and_redirects_not_followed(
    status: int, site: Any, fetch: AiohttpFetcher
) -> None:
    site.pages["/"] = lambda _: web.Response(status=status, headers={"Location": "/next"}, text="words")
    response = await fetch(Request(site.url))
    assert (response.status, response.body, response.headers["location"]) == (status, b"words", "/next")
    assert site.hits["/next"] == 0


async def test_response_headers_stay_as_received(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n")
    response = await fetch(Request(server.url))
    assert response.headers.getall("X-A") == ["1", "2"]


# -- cookies


async def cookies_after(serve: Any, fetch: AiohttpFetcher, *lines: str, path: str = "") -> str:
    """The Cookie header of a second request, after an answer with these Set-Cookie lines."""
    fields = "".join(f"Set-Cookie: {line}\r\n" for line in lines).encode()
    server = await serve(b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 0\r\n\r\n", keep=True)
    await fetch(Request(server.url))
    await fetch(Request(server.url + path))
    assert "Cookie" not in sent(server.asked[0])
    return sent(server.asked[1]).get("Cookie", "")


COOKIES = {
    "plain": (["a=1", "b=2; Path=/"], "a=1; b=2"),
    "a quoted value": (['a="x y"'], 'a="x y"'),
    "equals signs": (["a=b=c=="], "a=b=c=="),
    "commas and spaces": (["a=x, y"], "a=x, y"),
    "no name": (["just words"], "just words"),
    "an odd name": (["a[b]@=1"], "a[b]@=1"),
    "UTF-8": (["a=ž"], "a=ž"),
    "a control character": (["a=1\x07", "b=2"], "b=2"),
    "the last of a name": (["a=1", "a=2"], "a=2"),
    "another path": (["a=1; Path=/elsewhere"], ""),
    "gone already": (
        ["a=1; Max-Age=0", "b=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "c=3; expires=Fri, 02-Jan-1998 00:00:00 GMT"],
        "",
    ),
    "secure, and we are not": (["a=1; Secure"], ""),
    "another host": (["a=1; Domain=shop.example"], ""),
    "a bad date": (["a=1; Expires=yesterday"], "a=1"),
    "prefixes that ask for TLS": (["__Host-a=1; Path=/; Secure", "__Secure-b=2; Secure"], ""),
}


@pytest.mark.parametrize("name", COOKIES)
async def test_cookies_come_back_as_they_were_set(name: str, serve: Any, fetch: AiohttpFetcher) -> None:
    lines, expected = COOKIES[name]
    assert await cookies_after(serve, fetch, *lines) == expected


async def test_a_session_is_a_jar_of_its_own(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nSet-Cookie: id=1\r\nContent-Length: 0\r\n\r\n", keep=True)
    for session in ("", "anna", "anna", ""):
        await fetch(Request(server.url, session=session))
    assert [b"Cookie: id=1" in head for head in server.asked] == [False, False, True, True]


async def test_cookies_of_settings_and_request(serve: Any) -> None:
    server = await serve(OK, keep=True)
    chosen = limits(cookies={"consent": "yes", "shared": "settings"}, headers={"Cookie": "raw=1"})
    async with AiohttpFetcher(chosen, seed_domains={"127.0.0.1"}) as fetch:
        await fetch(Request(server.url, cookies={"shared": "request"}))
        fetch.seed_domains = {"books.example"}
        await fetch(Request(server.url, cookies={"own": "1"}))
        fetch.seed_domains = None
        await fetch(Request(server.url))
    assert [sent(head)["Cookie"] for head in server.asked] == [
        "raw=1; consent=yes; shared=request", "raw=1; own=1", "raw=1; consent=yes; shared=settings",
    ]  # fmt: skip


async def test_200_large_cookies_do_not_swell_the_request(serve: Any, fetch: AiohttpFetcher) -> None:
    header = await cookies_after(serve, fetch, *(f"c{n}={'x' * 4000}" for n in range(200)))
    assert 4000 < len(header) < 16_000


async def test_a_cookie_for_a_public_suffix() -> None:
    cookies = Cookies({})
    for line in ("a=1; Domain=co.uk", "b=2; Domain=.books.co.uk", "c=3; Domain=uk", "d=4; domain=intranet"):
        cookies.store("", URL("https://www.books.co.uk/"), [line])
    assert cookies.header("", URL("https://shop.co.uk/")) == ""
    assert cookies.header("", URL("https://www.books.co.uk/")) == "b=2"
    cookies.store("own", URL("https://github.io/"), ["e=5; Domain=github.io"])
    assert cookies.header("own", URL("https://github.io/")) == "e=5"
    assert cookies.header("own", URL("https://you.github.io/")) == ""
    cookies.store("inner", URL("https://a.corp.internal/"), ["f=6; Domain=corp.internal"])
    assert cookies.header("inner", URL("https://b.corp.internal/")) == "f=6"


@given(
    lines=st.lists(st.text(max_size=60) | st.from_regex(r"[a-z]=.; (expires|max-age|domain|path)=.{0,30}"), max_size=4)
)
@settings(max_examples=300, deadline=None)
def test_any_set_cookie_is_kept_or_left(lines: list[str]) -> None:
    async def store() -> str:
        cookies = Cookies({})
        cookies.store("", URL("https://a.books.example/x/y"), lines)
        return cookies.header("", URL("https://a.books.example/x/y"))

    header = asyncio.run(store())
    assert not set(header) & {"\r", "\n", "\0"}


# -- many at once


async def test_limits_leave_room_for_robots(site: Any) -> None:
    """More at once than `concurrency_per_host` wait for nothing but a connection, and all arrive."""

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.01)
        return web.Response(text="ok")

    site.pages["/"] = slow
    async with AiohttpFetcher(limits(concurrency=4, concurrency_per_host=2)) as fetch:
        pages = await asyncio.gather(*(fetch(Request(site.url)) for _ in range(20)))
    assert {page.body for page in pages} == {b"ok"} and site.peak == 4


async def test_a_dead_name_server_holds_up_nobody(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Semaphore(0), threading.Event()
    real = socket.getaddrinfo

    def slow(host: Any, *args: Any) -> Any:
        if host.endswith(b".dead.example"):
            asked.release()
            answer.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "again")
        return real(host, *args)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    site.pages["/"] = "ok"
    async with AiohttpFetcher(limits()) as fetch:
        dead = [asyncio.create_task(fetch(Request(f"http://n{n}.dead.example/"))) for n in range(30)]
        for _ in dead:
            await asyncio.to_thread(asked.acquire)
        assert (await fetch(Request(site.url.replace("127.0.0.1", "localhost")))).body == b"ok"
        answer.set()
        ended = await asyncio.gather(*dead, return_exceptions=True)
    assert {str(error) for error in ended if isinstance(error, errors.DNSFailed)} == {
        f"no answer from the name servers for n{n}.dead.example" for n in range(30)
    }
