"""What servers do wrong on the wire, and that each ends as a whole page or as one clear failure."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fetch_servers import limits, reset

from crawler import errors
from crawler.fetch import AiohttpFetcher
from crawler.request import Request

OK = b"HTTP/1.1 200 OK\r\n"
FIVE = b"Content-Length: 5\r\n\r\nhello"


DELIVERED = {
    "no reason phrase": b"HTTP/1.1 200\r\n" + FIVE,
    "an empty reason": b"HTTP/1.1 200 \r\n" + FIVE,
    "a reason in Latin-1": b"HTTP/1.1 200 Tr\xe8s bien\r\n" + FIVE,
    "a header in UTF-8": OK + "X-Name: Žluťoučký\r\n".encode() + FIVE,
    "a header in Latin-1": OK + b"X-Name: caf\xe9\r\n" + FIVE,
    "a header of 9 KB": OK + b"Link: " + b"x" * 9000 + b"\r\n" + FIVE,
    "a header of 60 KB": OK + b"Content-Security-Policy: " + b"x" * 60_000 + b"\r\n" + FIVE,
    "500 headers": OK + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + FIVE,
    "a body that ends with the connection": OK + b"\r\nhello",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "chunk extensions and a trailer": OK
    + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0;last\r\nX-Trailer: 1\r\n\r\n",
    "100 and 103 unasked": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + FIVE,
    "more body than its length says": OK + FIVE + b"and more",
}


@pytest.mark.parametrize("name", DELIVERED)
async def test_a_page_is_delivered(name: str, serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(DELIVERED[name])
    response = await fetch(Request(server.url))
    assert (response.status, response.body) == (200, b"hello")


REFUSED = {
    "random bytes": (b"\x8f\x02\xff\x00\x99" * 30, errors.BadResponse),
    "a body without a status line": (b"<html>hello</html>\r\n\r\n", errors.BadResponse),
    "a status that is no number": (b"HTTP/1.1 abc\r\n\r\n", errors.BadResponse),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\n" + FIVE, errors.BadResponse),
    "nothing at all": (b"", errors.BadResponse),
    "half of the headers": (OK + b"Content-Le", errors.BadResponse),
    "two different lengths": (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", errors.BadResponse),
    "fewer bytes than the length says": (OK + b"Content-Length: 50\r\n\r\nhello", errors.BadResponse),
    "a chunk size of ZZ": (OK + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n", errors.BadResponse),
    "a chunk size of 17 F's": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"F" * 17 + b"\r\nhello\r\n0\r\n\r\n",
        errors.BadResponse,
    ),
    "a chunk cut short": (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello", errors.BadResponse),
    "no last chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", errors.BadResponse),
    "101 unasked": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", errors.BadResponse),
    "a header of 1 MB": (OK + b"X: " + b"x" * 1_000_000 + b"\r\n" + FIVE, errors.TooLarge),
    "10,000 headers": (OK + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + FIVE, errors.TooLarge),
    "a length of a terabyte": (OK + b"Content-Length: 1099511627776\r\n\r\nhello", errors.TooLarge),
    "a body over the limit": (OK + b"\r\n" + b"x" * 2_000_000, errors.TooLarge),
    "chunks over the limit": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n"
        + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 20 + b"0\r\n\r\n",
        errors.TooLarge,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_a_failure_says_what_happened(name: str, serve: Any, fetch: AiohttpFetcher) -> None:
    answer, kind = REFUSED[name]
    server = await serve(answer)
    with pytest.raises(errors.FetchError) as caught:
        await fetch(Request(server.url))
    error = caught.value
    assert type(error) is kind
    assert error.request is not None and error.request.url == server.url
    assert error.phase in ("headers", "body") and error.seconds >= 0
    assert error.message and error.message.isprintable() and "\\n" not in error.message
    assert "aiohttp" not in error.message and len(error.message) < 250


SURVIVED = {
    "a header line without a colon": OK + b"nonsense\r\n" + FIVE,
    "a space before the colon": OK + b"X-A : b\r\n" + FIVE,
    "an empty header name": OK + b": b\r\n" + FIVE,
    "NUL in a value": OK + b"X-A: a\0b\r\n" + FIVE,
    "a folded header": OK + b"X-A: a\r\n b\r\n" + FIVE,
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "a version unheard of": b"HTTP/7.3 200 OK\r\n" + FIVE,
    "the same length twice": OK + b"Content-Length: 5\r\n" + FIVE,
    "a negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "a length in words": OK + b"Content-Length: five\r\n\r\nhello",
    "length and chunks": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "a transfer coding unheard of": OK + b"Transfer-Encoding: zip\r\n\r\nhello",
    "204 with a body": b"HTTP/1.1 204 No Content\r\n" + FIVE,
    "304 with a body": b"HTTP/1.1 304 Not Modified\r\n" + FIVE,
    "304 unasked": b"HTTP/1.1 304 Not Modified\r\n\r\n",
}


@pytest.mark.parametrize("name", SURVIVED)
async def test_a_verdict_either_way_and_the_next_page_is_unharmed(name: str, serve: Any, site: Any) -> None:
    server = await serve(SURVIVED[name], keep=True)
    site.pages["/"] = "good"
    async with AiohttpFetcher(limits(timeout_sock_read=0.3)) as fetch:
        for _ in range(2):
            try:
                response = await fetch(Request(server.url))
            except errors.FetchError as error:
                assert error.message.isprintable()
            else:
                assert response.body in (b"hello", b"")
        assert (await fetch(Request(site.url))).body == b"good"


@pytest.mark.parametrize(
    "when", ["before the answer", "amid the headers", "amid a body with a length", "amid a body without"]
)
async def test_a_reset(when: str, serve: Any, fetch: AiohttpFetcher) -> None:
    begin = {
        "before the answer": b"",
        "amid the headers": OK + b"Content-Len",
        "amid a body with a length": OK + b"Content-Length: 50\r\n\r\nhello",
        "amid a body without": OK + b"\r\nhello",
    }[when]

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_head(reader)
        writer.write(begin)
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)

    server = await serve(handler)
    with pytest.raises(errors.BadResponse) as caught:
        await fetch(Request(server.url))
    assert "connection reset" in caught.value.message
    assert len(server.asked) == 1, "a fresh connection that breaks is not tried again here"


async def test_connection_refused_names_the_place(fetch: AiohttpFetcher, serve: Any) -> None:
    server = await serve(b"")
    await server.stop()
    with pytest.raises(errors.ConnectFailed) as caught:
        await fetch(Request(server.url))
    assert caught.value.message == f"no answer from 127.0.0.1:{server.port}: connection refused"
    assert caught.value.phase == "connect"


@pytest.mark.parametrize("url", ["http://" + "a" * 70 + ".example/", "http://no-such-name.invalid/"])
async def test_a_name_without_an_address(url: str, fetch: AiohttpFetcher) -> None:
    with pytest.raises(errors.DNSFailed) as caught:
        await fetch(Request(url))
    assert caught.value.phase == "dns" and url[7:20] in caught.value.message


async def test_port_zero(fetch: AiohttpFetcher) -> None:
    with pytest.raises(errors.ConnectFailed) as caught:
        await fetch(Request("http://127.0.0.1:0/"))
    assert "127.0.0.1:0" in caught.value.message


async def test_control_characters_of_the_wire_are_escaped(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(b"HTTP/1.1 \x1b[31mred\x07\r\n\r\n")
    with pytest.raises(errors.BadResponse) as caught:
        await fetch(Request(server.url))
    assert caught.value.message.isprintable()


# -- time

SLOW = {
    "nothing at all": ([], 10.0, "no byte came for 0.3 s", "headers"),
    "headers byte by byte": ([bytes([byte]) for byte in OK + b"X: " + b"y" * 30], 0.6, "within 0.6 s", "headers"),
    "a body that stops": ([OK + b"Content-Length: 50\r\n\r\nhello"], 10.0, "no byte came for 0.3 s (5 bytes", "body"),
    "a body byte by byte": ([OK + b"Content-Length: 99\r\n\r\n"] + [b"x"] * 98, 0.6, "complete within 0.6 s", "body"),
    "endless 100 Continue": ([b"HTTP/1.1 100 Continue\r\n\r\n"] * 200, 0.6, "within 0.6 s", "headers"),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
async def test_a_slow_server_ends_at_a_limit(name: str, serve: Any) -> None:
    pieces, total, words, phase = SLOW[name]

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_head(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        await asyncio.sleep(30)

    server = await serve(handler)
    async with AiohttpFetcher(limits(timeout=total, timeout_sock_read=0.3)) as fetch:
        with pytest.raises(errors.TimedOut) as caught:
            await fetch(Request(server.url))
    assert words in caught.value.message and caught.value.phase == phase


async def test_a_flood_of_100_continue_ends_too(serve: Any) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_head(reader)
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
            await writer.drain()

    server = await serve(handler)
    async with AiohttpFetcher(limits(timeout=0.5)) as fetch:
        with pytest.raises(errors.TimedOut):
            await fetch(Request(server.url))


async def test_a_request_has_a_timeout_of_its_own(serve: Any, fetch: AiohttpFetcher) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    server = await serve(handler)
    with pytest.raises(errors.TimedOut, match=r"within 0\.2 s"):
        await fetch(Request(server.url, timeout=0.2))


async def test_an_endless_body_is_left_at_the_limit(serve: Any, fetch: AiohttpFetcher) -> None:
    sent = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await server.read_head(reader)
        writer.write(OK + b"\r\n")
        while True:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    server = await serve(handler)
    with pytest.raises(errors.TooLarge):
        await fetch(Request(server.url))
    assert sent < 32 << 20
    response = await fetch(Request(server.url), max_body=500_000, cut=True)
    assert response.body == b"x" * 500_000
