"""Connections: kept alive, gone stale, dirty, TLS, proxies, and a clean end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from fetch_servers import limits, reset

from crawler import errors
from crawler.fetch import AiohttpFetcher
from crawler.request import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


async def test_a_connection_is_used_again(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(OK, keep=True)
    for _ in range(5):
        response = await fetch(Request(server.url))
        assert response.body == b"hello" and response.ip == "127.0.0.1"
    assert (server.connections, len(server.asked)) == (1, 5)


async def test_an_ipv6_address(fetch: AiohttpFetcher) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()

    try:
        server = await asyncio.start_server(answer, "::1", 0)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    port = server.sockets[0].getsockname()[1]
    response = await fetch(Request(f"http://[::1]:{port}/"))
    assert (response.body, response.ip) == (b"hello", "::1")
    server.close()
    with pytest.raises(errors.ConnectFailed, match=rf"no answer from \[::1\]:{port}: connection refused"):
        await fetch(Request(f"http://[::1]:{port}/"))


def closes_as_the_next_request_comes(serve: Any) -> Any:
    """One answer a connection, kept open; the second request on it finds it closed or reset."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = holder[0]
        await server.read_head(reader)
        writer.write(OK)
        await writer.drain()
        await reader.read(1)
        reset(writer) if server.connections % 2 else writer.close()

    holder: list[Any] = []

    async def start() -> Any:
        holder.append(await serve(handler))
        return holder[0]

    return start()


async def test_all_pages_arrive_from_a_server_that_closes_kept_connections(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await closes_as_the_next_request_comes(serve)
    for _ in range(20):
        assert (await fetch(Request(server.url))).body == b"hello"
    assert len(server.asked) == 20


async def test_many_at_once_from_a_server_that_closes_kept_connections(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await closes_as_the_next_request_comes(serve)
    for _ in range(3):
        pages = await asyncio.gather(*(fetch(Request(server.url)) for _ in range(6)))
        assert [page.body for page in pages] == [b"hello"] * 6


async def test_a_post_is_repeated_only_if_asked(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await closes_as_the_next_request_comes(serve)
    assert (await fetch(Request(server.url))).status == 200
    with pytest.raises(errors.BadResponse):
        await fetch(Request(server.url, body=b"x"))
    assert (await fetch(Request(server.url))).status == 200
    assert (await fetch(Request(server.url, body=b"x", retry=True))).status == 200


async def test_a_second_answer_nobody_asked_for_confuses_nothing(serve: Any, fetch: AiohttpFetcher) -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    told = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.read_head(reader)
            writer.write(OK)
            await writer.drain()
            await asyncio.sleep(0.02)  # the page is delivered and its connection given back
            writer.write(forged)
            await writer.drain()
            told.set()

    server = await serve(handler)
    for _ in range(3):
        assert (await fetch(Request(server.url))).body == b"hello"
        await told.wait()
        told.clear()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("answer", [OK + b"surplus", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"])
async def test_surplus_bytes_close_the_connection(answer: bytes, serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(answer, keep=True)
    for _ in range(3):
        assert (await fetch(Request(server.url))).body in (b"hello", b"")
    assert server.connections == 3


async def test_what_lies_in_the_pool_is_asked_for_a_head(site: Any, fetch: AiohttpFetcher) -> None:
    site.pages["/"] = "x" * 5000
    response = await fetch(Request(site.url, method="HEAD"), max_body=10)
    assert (response.body, response.headers["Content-Length"]) == (b"", "5000")


# -- TLS


async def test_a_trusted_certificate(serve: Any, trusted: Any) -> None:
    server = await serve(OK, tls=trusted.context("good"), keep=True)
    async with AiohttpFetcher(limits()) as fetch:
        assert (await fetch(Request(server.url))).body == b"hello"
        assert (await fetch(Request(server.url))).ip == "127.0.0.1"
    assert server.connections == 1


BAD_CERTIFICATES = {
    "other": "is for another host, not for 127.0.0.1",
    "expired": "has expired",
    "early": "is not valid yet",
    "self": "is self-signed",
}


@pytest.mark.parametrize("name", BAD_CERTIFICATES)
async def test_a_bad_certificate_is_refused(name: str, serve: Any, trusted: Any) -> None:
    server = await serve(OK, tls=trusted.context(name))
    async with AiohttpFetcher(limits()) as fetch:
        with pytest.raises(errors.TLSFailed) as caught:
            await fetch(Request(server.url))
    assert caught.value.message == f"the certificate of 127.0.0.1:{server.port} {BAD_CERTIFICATES[name]}"
    assert caught.value.phase == "tls" and server.asked == []


async def test_an_unknown_authority_is_refused(serve: Any, certificates: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(OK, tls=certificates.context("good"))
    with pytest.raises(errors.TLSFailed, match="authority that is not trusted"):
        await fetch(Request(server.url))


async def test_https_to_a_server_without_tls(serve: Any, fetch: AiohttpFetcher) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    server = await serve(handler)
    with pytest.raises(errors.TLSFailed, match=r"127\.0\.0\.1:\d+ does not speak TLS"):
        await fetch(Request(server.url.replace("http:", "https:")))


async def test_http_to_a_server_with_tls(serve: Any) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x15\x03\x01\x00\x02\x02\x46")  # what OpenSSL answers: alert, fatal
        await writer.drain()

    server = await serve(handler)
    async with AiohttpFetcher(limits()) as fetch:
        with pytest.raises(errors.BadResponse, match=r"127\.0\.0\.1:\d+ speaks TLS"):
            await fetch(Request(server.url))


async def test_a_handshake_never_answered(serve: Any) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    server = await serve(handler)
    async with AiohttpFetcher(limits(timeout_sock_connect=0.2)) as fetch:
        with pytest.raises(errors.TimedOut) as caught:
            await fetch(Request(server.url.replace("http:", "https:")))
    assert caught.value.message == f"no TLS answer from 127.0.0.1:{server.port} within 0.2 s"
    assert caught.value.phase == "tls"


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_handshake_dropped(how: str, serve: Any, fetch: AiohttpFetcher) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        reset(writer) if how == "reset" else writer.close()

    server = await serve(handler)
    with pytest.raises(errors.TLSFailed, match="no TLS answer from") as caught:
        await fetch(Request(server.url.replace("http:", "https:")))
    assert caught.value.phase == "tls"


# -- proxies


async def test_a_proxy_gets_the_whole_url_and_its_password(serve: Any, fetch: AiohttpFetcher) -> None:
    proxy = await serve(OK, keep=True)
    through = proxy.url.replace("127.0.0.1", "user:pass@127.0.0.1")
    assert (await fetch(Request("http://shop.example/a?b=%7e", proxy=through))).body == b"hello"
    assert proxy.asked[0].startswith(b"GET http://shop.example/a?b=%7e HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNz" in proxy.asked[0]
    async with AiohttpFetcher(limits(proxy=proxy.url)) as every:
        assert (await every(Request("http://shop.example/"))).body == b"hello"
        site = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        assert (await every(Request(site.url, proxy=""))).body == b"hi"


async def test_a_proxy_that_fails(serve: Any, fetch: AiohttpFetcher) -> None:
    proxy = await serve(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(errors.ConnectFailed, match=r"refused to connect to shop\.example:443: status 407"):
        await fetch(Request("https://shop.example/", proxy=proxy.url))
    await proxy.stop()
    with pytest.raises(
        errors.ConnectFailed, match=rf"no answer from the proxy 127\.0\.0\.1:{proxy.port}: connection ref"
    ):
        await fetch(Request("http://shop.example/", proxy=proxy.url.replace("//", "//user:secret@")))


async def test_a_proxy_without_an_address(fetch: AiohttpFetcher) -> None:
    with pytest.raises(errors.DNSFailed, match=r"^proxy\.invalid has no address"):
        await fetch(Request("http://shop.example/", proxy="http://proxy.invalid:3128"))


async def test_a_proxy_that_is_none() -> None:
    with pytest.raises(errors.SettingsError, match="is not the URL of an HTTP proxy"):
        AiohttpFetcher(limits(proxy="socks5://user:secret@127.0.0.1:1080"))
    async with AiohttpFetcher(limits()) as fetch:
        with pytest.raises(errors.Refused) as caught:
            await fetch(Request("http://shop.example/", proxy="socks5://user:secret@127.0.0.1:1080"))
    assert "secret" not in caught.value.message


# -- the end


async def test_a_cancelled_fetch_is_cancelled(serve: Any, fetch: AiohttpFetcher) -> None:
    begun = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await asyncio.sleep(30)

    server = await serve(handler)
    task = asyncio.create_task(fetch(Request(server.url)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_bug_is_not_dressed_as_a_failure_of_the_network(
    serve: Any, fetch: AiohttpFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve(OK)
    for bug in (AttributeError("ours"), KeyError("ours"), TypeError("ours")):

        def broken(*_: object, bug: Exception = bug) -> None:
            raise bug

        monkeypatch.setattr("crawler.fetch.session.whole_body", broken)
        with pytest.raises(type(bug)):
            await fetch(Request(server.url))


LOOPS = ["asyncio", "uvloop"]


@pytest.mark.parametrize("loop", LOOPS)
def test_every_way_out_is_clean(loop: str) -> None:
    """A process of its own, with every warning an error and no line on stderr."""
    pytest.importorskip(loop)
    script = textwrap.dedent(f"""
        import asyncio, {loop}
        from crawler.errors import FetchError
        from crawler.fetch import AiohttpFetcher
        from crawler.request import Request
        from crawler.settings import Settings

        SWITCHED = b"HTTP/1.1 101 Up\\r\\nUpgrade: x\\r\\nConnection: upgrade\\r\\n\\r\\n"
        LARGE = b"HTTP/1.1 200 OK\\r\\nContent-Length: 900000\\r\\n\\r\\n" + b"x" * 900000

        async def serve(reader, writer):
            try:
                while (line := (await reader.readuntil(b"\\r\\n\\r\\n"))[:20]):
                    if b"/good" in line: writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
                    elif b"/large" in line: writer.write(LARGE)
                    elif b"/cut" in line: writer.write(LARGE[:5000]); writer.close()
                    elif b"/101" in line: writer.write(SWITCHED)
                    elif b"/wait" in line: await asyncio.sleep(9)
                    await writer.drain()
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        async def main():
            asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine is no fault
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
            said = []
            async with AiohttpFetcher(Settings(max_body=1000_000)) as fetch:
                for _ in range(3):
                    for path, words in (
                        ("/good", {{}}), ("/large", {{}}), ("/large", {{"max_body": 1000}}), ("/cut", {{}}),
                        ("/101", {{}}), ("/large", {{"max_body": 1000, "cut": True}}),
                    ):
                        try:
                            said.append(len((await fetch(Request(url + path), **words)).body))
                        except FetchError as error:
                            said.append(error.kind)
                waiting = asyncio.create_task(fetch(Request(url + "/wait")))
                await asyncio.sleep(0.05)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
                idle = await fetch(Request(url + "/good"))
            server.close()
            print(said)

        {loop}.run(main(), debug={loop == "asyncio"})
    """)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout == str([2, 900000, "TooLarge", "BadResponse", "BadResponse", 1000] * 3) + "\n"
