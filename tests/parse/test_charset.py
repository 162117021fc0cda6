"""Bytes to text: the order of declarations, the labels, the decoders' corners, detection."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.parse.charset import declared_encoding, decode
from crawler.parse.codecs import LABELS, decode_as, encoding_of_label

SUITES = Path(os.environ.get("SUITES", Path(__file__).resolve().parents[3] / "shared" / "suites"))


def test_the_published_cases() -> None:
    file = SUITES / "charsets.json"
    if not file.exists():
        pytest.skip(f"the cases of html5lib and webencodings are not here ({file}); set SUITES to their folder")
    asked: Counter[str] = Counter()
    wrong = []
    for group, content_type, packed, expected in json.loads(file.read_text())["cases"]:
        body = re.sub(r"\{(\d+)\}", lambda pad: " " * int(pad[1]), packed).encode("latin-1")
        asked[group] += 1
        text, name = decode(body, content_type)
        if expected not in text:
            wrong.append((group, content_type, packed[:200], name))
    assert asked.keys() == {"html5lib", "label", "order"}
    assert wrong == []


@pytest.mark.parametrize(
    ("body", "content_type", "text", "name"),
    [
        (b"\xef\xbb\xbfcaf\xc3\xa9", "text/html; charset=windows-1252", "café", "utf-8"),
        (b"\xff\xfec\0a\0", "text/html; charset=utf-8", "ca", "utf-16le"),
        (b"\xfe\xff\0c\0a", "", "ca", "utf-16be"),
        (b"caf\xe9", "text/html; charset=iso-8859-1", "café", "windows-1252"),
        (b"caf\xe9", 'text/html; CHARSET = "latin1"', "café", "windows-1252"),
        (b"caf\xe9", "text/html; charset='latin1'", "café", "windows-1252"),
        (b"<meta charset=koi8-r>\xcb", "text/html; charset=utf-7", "<meta charset=koi8-r>к", "koi8-r"),
        (b"<meta charset=koi8-r>\xcb", "text/html; charset=latin1", "<meta charset=koi8-r>Ë", "windows-1252"),
        (b"<?xml version='1.0' encoding='koi8-r'?><a>\xcb</a>", "text/xml", None, "koi8-r"),
        (b"<?xml version='1.0' encoding='utf-16'?><a>\xc3\xa9</a>", "text/xml", None, "utf-8"),
        (b"<\0?\0x\0m\0l\0", "", "<?xml", "utf-16le"),
        (b"a\xffb", "text/plain; charset=utf-8", "a\ufffdb", "utf-8"),
        (b"", "", "", "utf-8"),
        (b"plain", "text/plain", "plain", "utf-8"),
    ],
)
def test_who_decides(body: bytes, content_type: str, text: str | None, name: str) -> None:
    got, encoding = decode(body, content_type)
    assert encoding == name
    if text is not None:
        assert got == text


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"<meta charset=koi8-r>", "koi8-r"),
        (b'<META\nCharset = "KOI8-R" >', "koi8-r"),
        (b"<meta charset = koi8-r/>", ""),  # "koi8-r/" is no label
        (b"<meta charset='koi8-r'/>", "koi8-r"),
        (b'<meta content="text/html; charset=koi8-r" http-equiv=Content-Type>', "koi8-r"),
        (b'<meta content="text/html; charset=koi8-r">', ""),
        (b"<metadata charset=koi8-r>", ""),
        (b"<!-- <meta charset=utf-8> --><meta charset=koi8-r>", "koi8-r"),
        (b"<!--><meta charset=koi8-r>", "koi8-r"),
        (b"<!-- <meta charset=koi8-r>", ""),
        (b'<p title="<meta charset=utf-8>"><meta charset=koi8-r>', "koi8-r"),
        (b"</p title='>'><meta charset=koi8-r>", "koi8-r"),
        (b"<!doctype html><?x ?><meta charset=koi8-r>", "koi8-r"),
        (b"<meta charset=nonsense><meta charset=koi8-r>", "koi8-r"),
        (b"<meta charset=utf-16be>", "utf-8"),
        (b"<meta charset=x-user-defined>", "windows-1252"),
        (b"<meta charset=koi8-r", ""),
        (b"<meta charset='koi8-r", ""),
        (b" " * 1010 + b"<meta charset=koi8-r>", ""),
    ],
)
def test_prescan(head: bytes, name: str) -> None:
    assert declared_encoding(head) == name


def test_labels_are_the_standards() -> None:
    assert len(LABELS) == 228
    assert len(set(LABELS.values())) == 40
    assert encoding_of_label(" \tISO-8859-1\n") == "windows-1252"
    for foreign in ("utf-7", "rot13", "idna", "utf_8_sig", "utf-32", "unicode_escape", "hex", "", "latin_1"):
        assert encoding_of_label(foreign) == "", foreign


@pytest.mark.parametrize("name", sorted(set(LABELS.values())))
@given(body=st.binary(max_size=40))
def test_no_bytes_raise_in_any_encoding(name: str, body: bytes) -> None:
    decode_as(body, name).encode()  # no surrogates either


def test_decode_as_takes_names_only() -> None:
    with pytest.raises(LookupError, match="'rot13' is no encoding"):
        decode_as(b"x", "rot13")


@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("windows-1252", b"\x80\x81\x9f", "€\x81Ÿ"),
        ("windows-1253", b"\xaa\x81", "\ufffd\x81"),
        ("windows-1255", b"\xca", "\u05ba"),
        ("koi8-u", b"\xae\xbe", "ўЎ"),
        ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
        ("replacement", b"anything", "\ufffd"),
        ("replacement", b"", ""),
        ("gbk", b"\x80", "€"),
        ("big5", b"\x87\x40", "\u43f0"),
        ("shift_jis", b"\x87\x40", "①"),
        ("shift_jis", b"\x81<b>", "\ufffd<b>"),
        ("euc-jp", b"\xad\xa1", "①"),
        ("euc-jp", b"\x8e\xb1", "ｱ"),
        ("euc-jp", b"\xa4<b>", "\ufffd<b>"),
        ("euc-kr", b"\xb0<b>", "\ufffd<b>"),
        ("gb18030", b"\xb0<b>", "\ufffd<b>"),
        ("utf-16le", b"a\0\x00\xd8b\0", "a\ufffdb"),
        ("utf-16le", b"a\0b", "a\ufffd"),
        ("iso-2022-jp", b"a\x1b$B\x46\x7c\x4b\x5c\x1b(Bb", "a日本b"),
        ("iso-2022-jp", b"\x1b$B\x2d\x21\x1b(J\\~", "①¥‾"),
        ("iso-2022-jp", b"\x1b(I\x31", "ｱ"),
        ("iso-2022-jp", b"a\xffb", "a\ufffdb"),
    ],
)
def test_where_python_and_the_standard_differ(name: str, body: bytes, text: str) -> None:
    assert decode_as(body, name) == text


def test_large_noise_is_not_mended_piece_by_piece() -> None:
    calls = []
    codecs.register_error("crawler.euc-kr", lambda error: calls.append(error) or ("?", error.end))  # type: ignore[attr-defined, func-returns-value]
    try:
        decode_as(b"\xff" * (2 * 1024 * 1024 + 1), "euc-kr")
        assert calls == []
        decode_as(b"\xff", "euc-kr")
        assert len(calls) == 1
    finally:
        from functools import partial

        from crawler.parse.codecs import _mend

        codecs.register_error("crawler.euc-kr", partial(_mend, name="euc-kr"))


RUSSIAN = "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства. Книги и цены."
JAPANESE = "いろはにほへと ちりぬるを わかよたれそ つねならむ うゐのおくやま けふこえて。日本語の本です。"
GERMAN = "Zwölf große Boxkämpfer jagen Viktor quer über den Sylter Deich. Bücher für Mädchen, schöne Grüße."
POLISH = "Pchnąć w tę łódź jeża lub ośm skrzyń fig. Książki, które są żółte i świeże. Dziękuję bardzo."
CHINESE = "视野无限广。窗外有蓝天。这是一本关于中国历史的书。价格便宜。内容丰富。"
KOREAN = "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다. 한국어 책입니다."
FRENCH = "Dès Noël où un zéphyr haï me vêt de glaçons würmiens, je dîne d'exquis rôtis de bœuf au kir"


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "utf-8", "utf-8"),
        (JAPANESE, "cp932", "shift_jis"),
        (JAPANESE, "euc_jp", "euc-jp"),
        (JAPANESE, "iso2022_jp", "iso-2022-jp"),
        (FRENCH, "cp1252", "windows-1252"),
        (GERMAN, "cp1252", "windows-1252"),
        (POLISH, "cp1250", "windows-1250"),
        (CHINESE, "gb18030", "gb18030"),
        (KOREAN, "cp949", "euc-kr"),
    ],
)
def test_detection_of_what_declares_nothing(text: str, codec: str, name: str) -> None:
    page = f"<html><head><title>x</title></head><body class='y'><p>{text}</p></body></html>"
    got, encoding = decode(page.encode(codec, "replace"), "text/html")
    assert (encoding, text in got) == (name, True)


def test_one_bad_byte_does_not_cost_a_page_of_utf8() -> None:
    text, encoding = decode(RUSSIAN.encode() + b"\xff", "text/html")
    assert (encoding, text) == ("utf-8", RUSSIAN + "\ufffd")


def test_a_sample_may_end_within_a_character() -> None:
    body = b"a" * (64 * 1024 - 1) + "é".encode()
    assert decode(body)[1] == "utf-8"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("noise", [b"<", b"<a ", b"&", b"<!--", b'<a "', b"\xe9<", b"<meta charset "])
def test_hostile_bytes_take_no_time(noise: bytes) -> None:
    body = (noise * (256 * 1024 // len(noise))) + b"\xe9"
    assert decode(body, "text/html")[0].count(noise[:1].decode("ascii", "ignore") or "<") >= body.count(b"<")
