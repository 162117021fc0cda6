"""Content codings: what is read, what is refused, and that no bomb goes off."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard
from fetch_servers import limits
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler import errors
from crawler.fetch import AiohttpFetcher
from crawler.fetch.decode import Broken, Decoder, codings, gunzip
from crawler.request import Request

PAGE = b"<html>" + b"".join(b"<p>%d" % n for n in range(3000)) + b"</html>"


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def answer(coding: str, body: bytes, chunk: int = 0) -> bytes:
    """An answer whose body has this Content-Encoding; chunked where `chunk` is a size."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n".encode()
    if not chunk:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    pieces = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    packed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + packed + b"0\r\n\r\n"


SKIPPABLE = b"\x5a\x2a\x4d\x18\x04\0\0\0abcd"
READ = {
    "gzip": ("gzip", gzip.compress(PAGE)),
    "GZip in capitals": ("GZip", gzip.compress(PAGE)),
    "x-gzip": ("x-gzip", gzip.compress(PAGE)),
    "gzip of several members": ("gzip", b"".join(map(gzip.compress, (PAGE[:99], b"", PAGE[99:])))),
    "gzip with garbage behind": ("gzip", gzip.compress(PAGE) + b"<!-- served in 3 ms -->"),
    "gzip with zeros behind": ("gzip", gzip.compress(PAGE) + b"\0" * 1000),
    "gzip with zeros between": ("gzip", gzip.compress(PAGE[:99]) + b"\0" * 9 + gzip.compress(PAGE[99:])),
    "gzip with half a magic number behind": ("gzip", gzip.compress(PAGE) + b"\x1f\x8b"),
    "deflate, zlib": ("deflate", zlib.compress(PAGE)),
    "deflate, bare": ("deflate", raw_deflate(PAGE)),
    "deflate with garbage behind": ("deflate", zlib.compress(PAGE) + b"more"),
    "br": ("br", brotli.compress(PAGE)),
    "zstd": ("zstd", zstandard.compress(PAGE)),
    "zstd of several frames": ("zstd", zstandard.compress(PAGE[:999]) + SKIPPABLE + zstandard.compress(PAGE[999:])),
    "zstd with garbage behind": ("zstd", zstandard.compress(PAGE) + b"more"),
    "two codings": ("gzip, br", brotli.compress(gzip.compress(PAGE))),
    "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(PAGE))),
    "three codings": ("deflate, gzip, zstd", zstandard.compress(gzip.compress(zlib.compress(PAGE)))),
    "identity": ("identity", PAGE),
    "identity beside gzip": ("identity, gzip", gzip.compress(PAGE)),
    "a charset where a coding should be": ("utf-8", PAGE),
    "nothing": ("", PAGE),
    "none": ("none", PAGE),
}  # fmt: skip


@pytest.mark.parametrize("chunk", [0, 1000, 7], ids=["at once", "in chunks", "in crumbs"])
@pytest.mark.parametrize("name", READ)
async def test_a_coding_is_undone(name: str, chunk: int, serve: Any, fetch: AiohttpFetcher) -> None:
    coding, body = READ[name]
    server = await serve(answer(coding, body, chunk))
    response = await fetch(Request(server.url))
    assert response.body == PAGE
    assert response.headers["Content-Encoding"] == coding, "headers stay as received"


@pytest.mark.parametrize("coding", PACKERS)
async def test_an_empty_body_is_empty_whatever_its_coding(coding: str, serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(answer(coding, b""))
    assert (await fetch(Request(server.url))).body == b""


@pytest.mark.parametrize("chunk", [0, 1000])
@pytest.mark.parametrize("coding", PACKERS)
async def test_a_stream_cut_short_is_a_failure(coding: str, chunk: int, serve: Any, fetch: AiohttpFetcher) -> None:
    packed = PACKERS[coding](PAGE)
    server = await serve(answer(coding, packed[:-5], chunk))
    with pytest.raises(errors.BadResponse, match="was cut short") as caught:
        await fetch(Request(server.url))
    assert caught.value.phase == "body"


async def test_a_second_member_cut_short_is_a_failure(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(answer("gzip", gzip.compress(PAGE) + gzip.compress(PAGE)[:50]))
    with pytest.raises(errors.BadResponse, match="was cut short"):
        await fetch(Request(server.url))


REFUSED = {
    "not what it says": ("gzip", PAGE, "is not valid gzip, although its Content-Encoding says so"),
    "a wrong checksum": ("gzip", gzip.compress(PAGE)[:-8] + bytes(8), "is not valid gzip"),
    "a coding that nobody asked for": ("compress", PAGE, "is coded as compress, which was not asked for"),
    "four times over": ("gzip, gzip, gzip, gzip", PAGE, "is coded 4 times over; at most 3"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_coding_that_cannot_be_undone(name: str, serve: Any, fetch: AiohttpFetcher) -> None:
    coding, body, words = REFUSED[name]
    server = await serve(answer(coding, body))
    with pytest.raises(errors.BadResponse) as caught:
        await fetch(Request(server.url))
    assert words in caught.value.message


BOMB = b"\0" * (64 << 20)
BOMBS = {
    "gzip": gzip.compress(BOMB, 9),
    "deflate": zlib.compress(BOMB, 9),
    "br": brotli.compress(BOMB, quality=1),
    "zstd": zstandard.compress(BOMB),
    "gzip, gzip": gzip.compress(gzip.compress(BOMB, 9)),
    "br, zstd": zstandard.compress(brotli.compress(BOMB, quality=1)),
    "zstd, gzip": gzip.compress(zstandard.compress(b"\0" * (1 << 28))),
}


@pytest.mark.parametrize("coding", BOMBS)
async def test_a_bomb_does_not_go_off(coding: str, serve: Any) -> None:
    server = await serve(
        answer(coding, BOMBS[coding]),
    )
    async with AiohttpFetcher(limits(max_body=1 << 20)) as fetch:
        await fetch(Request(server.url), cut=True)
        tracemalloc.start()
        try:
            with pytest.raises(errors.TooLarge):
                await fetch(Request(server.url))
            response = await fetch(Request(server.url), max_body=1000, cut=True)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert response.body == b"\0" * 1000
    assert peak < 24 << 20


async def test_a_bomb_of_empty_members_ends_soon(serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(answer("gzip", gzip.compress(b"") * 50_000))
    assert (await fetch(Request(server.url))).body == b""


@pytest.mark.parametrize("coding", PACKERS)
async def test_the_limit_is_exact(coding: str, serve: Any, fetch: AiohttpFetcher) -> None:
    server = await serve(answer(coding, PACKERS[coding](PAGE)))
    size = len(PAGE)
    assert (await fetch(Request(server.url), max_body=size)).body == PAGE
    with pytest.raises(errors.TooLarge):
        await fetch(Request(server.url), max_body=size - 1)
    assert (await fetch(Request(server.url), max_body=size - 1, cut=True)).body == PAGE[:-1]


async def test_data_that_does_not_pack_is_not_refused_for_its_wrapping(serve: Any, fetch: AiohttpFetcher) -> None:
    import random

    noise = random.Random(1).randbytes(1 << 20)
    for coding, pack in PACKERS.items():
        server = await serve(answer(coding, pack(noise)))
        assert (await fetch(Request(server.url))).body == noise, coding


# -- the parts, against plain twins


@given(
    body=st.binary(max_size=5000),
    chain=st.lists(st.sampled_from(["gzip", "deflate", "br", "zstd"]), min_size=1, max_size=3),
    cuts=st.lists(st.integers(0, 6000), max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_any_chain_in_any_pieces_gives_back_the_body(body: bytes, chain: list[str], cuts: list[int]) -> None:
    packed = body
    for name in chain:
        packed = PACKERS[name](packed)
    decoder = Decoder(tuple(chain), len(body))
    ends = sorted({min(cut, len(packed)) for cut in cuts} | {len(packed)})
    decoded = b"".join(decoder.feed(packed[begin:end]) for begin, end in zip([0, *ends], ends, strict=False))
    decoder.finish()
    assert (decoded, decoder.over) == (body, False)


@given(
    noise=st.binary(max_size=300), name=st.sampled_from(["gzip", "deflate", "br", "zstd"]), where=st.integers(0, 200)
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_decoded_or_broken(noise: bytes, name: str, where: int) -> None:
    data = PACKERS[name](b"hello" * 50)[:where] + noise
    decoder = Decoder((name,), 1000)
    try:
        decoded = decoder.feed(data)
        decoder.finish()
    except Broken as error:
        assert str(error)
    else:
        assert len(decoded) < 200_000


def test_the_fast_way_is_the_careful_way() -> None:
    packed = gzip.compress(PAGE)
    assert gunzip(packed, len(PAGE)) == PAGE
    for other in (packed[:-1], packed + b"x", packed + packed, b"", b"plain"):
        assert gunzip(other, 10 * len(PAGE)) is None
    assert gunzip(packed, len(PAGE) - 1) is None


def test_names_of_codings() -> None:
    assert codings(["gzip", "br"]) == ("gzip", "br")
    assert codings([" X-GZIP ,, identity, zstd"]) == ("gzip", "zstd")
    assert codings(["text/html"]) == ()
    with pytest.raises(Broken):
        codings(["gzip, dcz"])
