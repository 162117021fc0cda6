"""Bytes to text as browsers do it: the WHATWG Encoding Standard and HTML §13.2.3.2 ("determining the encoding").

The order is: byte order mark, Content-Type header, `<meta>` (or an XML declaration) in the first 1,024
bytes, then detection. A label means what the Standard's table says ("iso-8859-1" is windows-1252);
Python's own codecs are tools here and never looked up by a name that came from the web, so UTF-7,
rot13 and the like cannot be asked for. Nothing here raises: a byte that fits nowhere is U+FFFD.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from crawler.parse.codecs import decode_as, encoding_of_label
from crawler.parse.tags import attributes

__all__ = ["BOMS", "declared_encoding", "decode"]

_PRESCAN: Final = 1024  # bytes of a page in which a declaration counts
_SAMPLE: Final = 64 * 1024  # bytes that detection looks at
_GUESSED: Final = 8 * 1024  # bytes of text, without tags, that the statistics look at: 5 to 20 ms

BOMS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
"""Byte order marks, with the encodings that they stand for."""
_HEADER: Final = re.compile(r""";\s*charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;,"']+))""", re.IGNORECASE)
_XML_DECLARATION: Final = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*(?:"([^">]*)"|'([^'>]*)')[^>]*>""")


def decode(body: bytes, content_type: str = "") -> tuple[str, str]:
    """The text of a body and the encoding it was read with (the Standard's name, in lower case).

    `content_type` is the header's value, "" where there is none. Never raises.
    """
    for bom, name in BOMS:
        if body.startswith(bom):
            return decode_as(body[len(bom) :], name), name
    name = declared_encoding(body, content_type) or _detect(body)
    return decode_as(body, name), name


def declared_encoding(body: bytes, content_type: str = "") -> str:
    """The encoding that the header or, failing that, the page itself declares; "" where neither does.

    An unknown label counts as no declaration. A byte order mark is not looked at.
    """
    return (_of_header(content_type) if content_type else "") or _from_page(body[:_PRESCAN])


@functools.lru_cache(maxsize=256)
def _of_header(content_type: str) -> str:
    """What a header declares: of a site's pages it is the same again and again."""
    found = _HEADER.search(content_type)
    return encoding_of_label(found[1] or found[2] or found[3] or "") if found is not None else ""


def _from_page(head: bytes) -> str:
    if head.startswith((b"<\0?\0x\0", b"\0<\0?\0x")):  # an XML declaration can be read in UTF-16 alone
        return "utf-16le" if head[0] else "utf-16be"
    lower = head.lower()
    # find() has half the price of `in`, which first asks whether these bytes are a number.
    name = _prescan(head) if lower.find(b"<meta") >= 0 and lower.find(b"charset") >= 0 else ""
    if not name and head.startswith(b"<?xml"):
        declared = _XML_DECLARATION.match(head)
        if declared is not None:
            name = encoding_of_label((declared[1] or declared[2] or b"").decode("latin-1"))
    # Whoever can read the declaration byte by byte is not reading UTF-16, whatever it says.
    return "utf-8" if name.startswith("utf-16") else name


# -- the prescan of HTML §13.2.3.2, on the lines of the Standard's own steps

_TAG_START: Final = re.compile(rb"<(?:(!--)|(meta)(?=[\s/])|(/?[A-Za-z][^\s>]*)|[!/?])", re.IGNORECASE)
_IN_CONTENT: Final = re.compile(rb"""charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;"'][^\s;]*))""", re.IGNORECASE)


def _prescan(head: bytes) -> str:
    at = 0
    while (tag := _TAG_START.search(head, at)) is not None:
        at = tag.end()
        if tag[1]:
            close = head.find(b"-->", tag.start() + 2)  # "<!-->" is a whole comment
            if close < 0:
                return ""
            at = close + 3
        elif tag[2]:
            found, at = attributes(head, at)
            name = _of_meta(found)
            if name:
                return "windows-1252" if name == "x-user-defined" else name
        elif tag[3]:
            _, at = attributes(head, at)
        else:
            close = head.find(b">", at)
            if close < 0:
                return ""
            at = close + 1
    return ""


def _of_meta(meta: dict[str, bytes]) -> str:
    if "charset" in meta:
        return encoding_of_label(meta["charset"].decode("latin-1"))
    if meta.get("http-equiv", b"").lower() == b"content-type":
        found = _IN_CONTENT.search(meta.get("content", b""))
        if found is not None:
            return encoding_of_label((found[1] or found[2] or found[3] or b"").decode("latin-1"))
    return ""


# -- detection: for pages that declare nothing

_MARKUP: Final = re.compile(rb"<[^<>]*>|&[#\w]+;")  # linear on any input: no part can begin within another
_CANDIDATES: Final = {
    "utf_8": "utf-8",
    "cp932": "shift_jis",
    "euc_jp": "euc-jp",
    "iso2022_jp": "iso-2022-jp",
    "big5": "big5",
    "gb18030": "gb18030",
    "cp949": "euc-kr",
    "koi8_r": "koi8-r",
    "cp866": "ibm866",
    "cp1250": "windows-1250",
    "cp1251": "windows-1251",
    "cp1252": "windows-1252",
    "cp1253": "windows-1253",
    "cp1254": "windows-1254",
    "cp1255": "windows-1255",
    "cp1256": "windows-1256",
    "cp1257": "windows-1257",
}
_LATIN: Final = frozenset({"cp1250", "cp1252", "cp1254", "cp1257"})


def _detect(body: bytes) -> str:
    if body.isascii():
        return "iso-2022-jp" if b"\x1b$" in body[:_SAMPLE] else "utf-8"
    sample = body[:_SAMPLE]
    text = sample.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    if len(body) > _SAMPLE and text.endswith("\ufffd"):
        wrong -= 1  # the sample may end within a character
    if wrong <= 0:
        return "utf-8"
    # A page of UTF-8 with a few damaged bytes: in other encodings hardly any two bytes look like UTF-8.
    beyond_ascii = sum(1 for character in text if character > "\x7f") - wrong
    if beyond_ascii > 10 * wrong:
        return "utf-8"
    return _guess(sample)


def _guess(sample: bytes) -> str:
    """The statistics of charset-normalizer over the words of the page; windows-1252 when it cannot tell."""
    words = _MARKUP.sub(b" ", sample)
    letters = b" ".join(word for word in words.split() if not word.isascii())[:_GUESSED]
    if _is_japanese_euc(letters):
        return "euc-jp"
    from charset_normalizer import from_bytes  # 30 ms of import that most crawls never need

    matches = from_bytes(letters, cp_isolation=list(_CANDIDATES), preemptive_behaviour=False, enable_fallback=False)
    best = matches.best()
    if best is None:
        return "windows-1252"
    if best.encoding in _LATIN:
        # Western, Baltic and Turkish pages look alike to it in a few words; the first are far more.
        alike = (match for match in matches if match.chaos <= best.chaos + 0.1)
        if any("cp1252" in match.could_be_from_charset for match in alike):
            return "windows-1252"
    return _CANDIDATES.get(best.encoding, "windows-1252")


def _is_japanese_euc(letters: bytes) -> bool:
    """Whether the words are EUC-JP with kana, which Japanese cannot do without: to the statistics, which
    know no kana, a short text may as well be Korean. There, and in Chinese, these pairs are rare."""
    try:
        text = letters.decode("euc_jp")
    except UnicodeDecodeError:
        return False
    kana = sum(1 for character in text if "\u3041" <= character <= "\u30ff")
    return kana * 4 > sum(1 for character in text if character > "\x7f")
