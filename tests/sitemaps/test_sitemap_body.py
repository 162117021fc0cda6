"""The text of a sitemap's body: zipped or not, in any encoding, and never more of it than is allowed."""

from __future__ import annotations

import gzip
import zlib

import pytest

from crawler.sitemaps.body import SitemapText

LIMIT = 1_000_000


def read(body: bytes, content_type: str = "", limit: int = LIMIT) -> tuple[str, str]:
    text = SitemapText(body, content_type, limit)
    return "".join(text), text.cut


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_gzip_is_seen_whatever_it_is_called(layers: int) -> None:
    body = b"<urlset>" + b"<url/>" * 50_000
    for _ in range(layers):
        body = gzip.compress(body)
    assert read(body, "text/xml") == ("<urlset>" + "<url/>" * 50_000, "")


def test_members_in_a_row_and_what_stands_behind_them() -> None:
    assert read(gzip.compress(b"<a>") + gzip.compress(b"</a>") + b"\0\0\0 rubbish") == ("<a></a>", "")


def test_what_is_broken_is_read_until_there() -> None:
    noise = zlib.compress(b"", 0).join(b"%06d;" % (n * 7919 % 999_983) for n in range(40_000))
    packed = gzip.compress(noise)
    text, cut = read(packed[: len(packed) // 2])
    assert noise.decode("utf-8", "replace").startswith(text) and len(text) > 10_000
    assert cut == "is broken gzip"
    assert read(b"\x1f\x8b\x08 no gzip at all") == ("", "is broken gzip")


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_is_read_as_far_as_the_limit(layers: int) -> None:
    body = b" " * (16 * LIMIT)
    for _ in range(layers):
        body = gzip.compress(body)
    text = SitemapText(body, "", LIMIT)
    longest = size = 0
    for piece in text:
        longest, size = max(longest, len(piece)), size + len(piece)
    assert (size, text.cut) == (LIMIT, f"is larger than sitemap_bytes = {LIMIT}")
    assert longest <= 65_536


def test_a_bomb_of_empty_members_ends() -> None:
    inner = gzip.compress(b"") * (LIMIT // 10)  # zips to nothing, and unzips to nothing
    assert len(inner) > LIMIT
    text = SitemapText(gzip.compress(inner), "", LIMIT)
    assert "".join(text) == ""
    assert text.cut == f"is larger than sitemap_bytes = {LIMIT}"


@pytest.mark.parametrize(("size", "cut"), [(100, ""), (101, "is larger than sitemap_bytes = 100")])
def test_the_limit_itself_is_allowed(size: int, cut: str) -> None:
    for body in (b"x" * size, gzip.compress(b"x" * size)):
        assert read(body, limit=100) == ("x" * 100, cut)


@pytest.mark.parametrize(
    ("encoding", "declared", "content_type"),
    [
        ("utf-8", "", "text/xml"),
        ("utf-8-sig", "", "text/xml; charset=iso-8859-1"),
        ("utf-16", "", "text/xml"),
        ("utf-16-le", '<?xml version="1.0"?>', ""),
        ("windows-1251", '<?xml version="1.0" encoding="windows-1251"?>', "application/xml"),
        ("gb18030", "", "text/xml; charset=gb2312"),
        ("shift_jis", '<?xml version="1.0" encoding="Shift_JIS"?>', ""),
    ],
)
def test_encodings(encoding: str, declared: str, content_type: str) -> None:
    word = {"windows-1251": "книга", "utf-16": "книга"}.get(encoding, "本")
    text = declared + "<urlset>" + f"<loc>https://h.example/{word}</loc>" * 20_000
    assert read(text.encode(encoding), content_type, 10 * LIMIT) == (text, "")


def test_bytes_of_no_character_cost_themselves_only() -> None:
    assert read(b"<urlset><url>\xff</url>\xc3") == ("<urlset><url>\ufffd</url>\ufffd", "")


def test_empty() -> None:
    assert read(b"") == ("", "")
