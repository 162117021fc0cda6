"""The encodings of the WHATWG Encoding Standard (https://encoding.spec.whatwg.org/): labels and decoders.

Python's decoders do the work; where they differ from the Standard the difference is closed here: the
C1 controls of windows-125x, the vendor characters of EUC-JP and ISO-2022-JP, the euro of GBK.
"""

from __future__ import annotations

import codecs
import functools
import re
from typing import Final

__all__ = ["LABELS", "decode_as", "encoding_of_label"]

# §4.2 "names and labels". Every name is a label of its own.
_TABLE: Final = """
utf-8: unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf8 x-unicode20utf8
ibm866: 866 cp866 csibm866
iso-8859-2: csisolatin2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2
iso-8859-3: csisolatin3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3
iso-8859-4: csisolatin4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4
iso-8859-5: csisolatincyrillic cyrillic iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988
iso-8859-6: arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i
iso-8859-6: iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987
iso-8859-7: csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso8859-7 iso88597 iso_8859-7
iso-8859-7: iso_8859-7:1987 sun_eu_greek
iso-8859-8: csiso88598e csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8
iso-8859-8: iso_8859-8:1988 visual
iso-8859-8-i: csiso88598i logical
iso-8859-10: csisolatin6 iso-ir-157 iso8859-10 iso885910 l6 latin6
iso-8859-13: iso8859-13 iso885913
iso-8859-14: iso8859-14 iso885914
iso-8859-15: csisolatin9 iso8859-15 iso885915 iso_8859-15 l9
iso-8859-16:
koi8-r: cskoi8r koi koi8 koi8_r
koi8-u: koi8-ru
macintosh: csmacintosh mac x-mac-roman
windows-874: dos-874 iso-8859-11 iso8859-11 iso885911 tis-620
windows-1250: cp1250 x-cp1250
windows-1251: cp1251 x-cp1251
windows-1252: ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1
windows-1252: iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii x-cp1252
windows-1253: cp1253 x-cp1253
windows-1254: cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989
windows-1254: l5 latin5 x-cp1254
windows-1255: cp1255 x-cp1255
windows-1256: cp1256 x-cp1256
windows-1257: cp1257 x-cp1257
windows-1258: cp1258 x-cp1258
x-mac-cyrillic: x-mac-ukrainian
gbk: chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk
gb18030:
big5: big5-hkscs cn-big5 csbig5 x-x-big5
euc-jp: cseucpkdfmtjapanese x-euc-jp
iso-2022-jp: csiso2022jp
shift_jis: csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis
euc-kr: cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949
replacement: csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr
utf-16be: unicodefffe
utf-16le: csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16
x-user-defined:
"""


def _labels() -> dict[str, str]:
    labels: dict[str, str] = {}
    for line in _TABLE.strip().splitlines():
        name, _, others = line.partition(": ")
        name = name.rstrip(":")
        labels[name] = name
        labels.update(dict.fromkeys(others.split(), name))
    return labels


LABELS: Final = _labels()
"""Every label of the Standard, in lower case, and the name of its encoding, in lower case too."""


def encoding_of_label(label: str) -> str:
    """The name of the encoding that a label means, "" for an unknown one ("get an encoding", §4.2)."""
    return LABELS.get(label.strip("\t\n\f\r ").lower(), "")


_SINGLE_BYTE: Final = {
    "ibm866": "cp866",
    "iso-8859-8-i": "iso8859-8",
    "macintosh": "mac_roman",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac_cyrillic",
}
_MULTI_BYTE: Final = {
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc-jp": "euc_jp",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
}
_MENDED: Final = frozenset({"gbk", "gb18030", "big5", "euc-jp", "shift_jis", "euc-kr"})
_MENDABLE: Final = 2 * 1024 * 1024  # bytes; a larger body of noise would call the mender for seconds


def decode_as(body: bytes, name: str) -> str:
    """The text of bytes in one of the Standard's encodings (§10 to §14). Never raises but for a foreign name.

    Invalid bytes become U+FFFD. A byte order mark is not looked for. Raises LookupError for a name
    that `encoding_of_label` does not give.
    """
    if name == "utf-8":
        return body.decode("utf-8", "replace")
    if name in _MULTI_BYTE or name == "gb18030":
        codec = _MULTI_BYTE.get(name, name)
        errors = f"crawler.{name}" if name in _MENDED and len(body) <= _MENDABLE else "replace"
        return body.decode(codec, errors)
    if name == "iso-2022-jp":
        return _iso_2022_jp(body)
    if name == "replacement":
        return "\ufffd" if body else ""
    return codecs.charmap_decode(body, "strict", _single_byte_table(name))[0]


@functools.cache
def _single_byte_table(name: str) -> str:
    """What each of the 256 bytes means: Python's table with the Standard's differences (§9.1)."""
    if name not in LABELS.values():
        raise LookupError(f"{name!r} is no encoding of the WHATWG Encoding Standard")
    if name == "x-user-defined":
        return "".join(chr(byte if byte < 0x80 else 0xF780 + byte - 0x80) for byte in range(256))
    codec = _SINGLE_BYTE.get(name) or name.replace("windows-", "cp")
    table = [bytes([byte]).decode(codec, "replace") for byte in range(256)]
    if name.startswith("windows-"):
        for byte in range(0x80, 0xA0):  # unused positions are C1 controls, not errors
            if table[byte] == "\ufffd":
                table[byte] = chr(byte)
    if name == "windows-1255":
        table[0xCA] = "\u05ba"
    if name == "koi8-u":
        table[0xAE], table[0xBE] = "\u045e", "\u040e"
    return "".join(table)


# -- what Python's multi-byte decoders miss, asked only where they fail


def _mend(error: UnicodeError, name: str) -> tuple[str, int]:
    """A character that the Standard knows and Python's decoder does not; else U+FFFD.

    Unlike Python's "replace", an ASCII byte after a broken lead byte stays: the Standard puts it back
    so that a cut character cannot swallow the "<" or the quote behind it.
    """
    assert isinstance(error, UnicodeDecodeError)
    at = error.start
    first = error.object[at]
    if name in ("gbk", "gb18030") and first == 0x80:
        return "€", at + 1
    second = error.object[at + 1] if at + 1 < len(error.object) else 0
    if name == "euc-jp" and first >= 0xA1 and second >= 0xA1:
        return _jis_cell(first - 0xA0, second - 0xA0), at + 2
    if name == "euc-jp" and first == 0x8E and 0xA1 <= second <= 0xDF:
        return chr(0xFF61 + second - 0xA1), at + 2
    swallowed = second >= 0x80 and first >= 0x81
    return "\ufffd", at + (2 if swallowed else 1)


def _jis_cell(row: int, cell: int) -> str:
    """The character of a JIS X 0208 row and cell (1 to 94) with the vendors' rows, as windows-31j has them."""
    lead = (row - 1) // 2 + (0x81 if row <= 62 else 0xC1)
    trail = (cell + 0x3F + (cell >= 64)) if row % 2 else cell + 0x9E
    return bytes((lead, trail)).decode("cp932", "replace") if lead <= 0xFC else "\ufffd"


for _name in _MENDED:
    codecs.register_error(f"crawler.{_name}", functools.partial(_mend, name=_name))

_SHIFT: Final = re.compile(rb"\x1b(?:\(([BJI])|\$([@B]))")


def _iso_2022_jp(body: bytes) -> str:
    """ISO-2022-JP (§12.2): escape sequences switch between ASCII, Roman, Katakana and JIS X 0208."""
    out: list[str] = []
    mode = b"B"
    at = 0
    for shift in [*_SHIFT.finditer(body), None]:
        piece = body[at : shift.start() if shift else len(body)]
        if mode == b"$":
            out.append(_jis_pairs(piece))
        elif mode == b"I":
            out.extend(chr(0xFF61 + byte - 0x21) if 0x21 <= byte <= 0x5F else "\ufffd" for byte in piece)
        else:
            text = piece.decode("ascii", "replace")
            out.append(text.replace("\\", "¥").replace("~", "‾") if mode == b"J" else text)
        if shift is not None:
            mode = shift[1] or b"$"
            at = shift.end()
    return "".join(out)


def _jis_pairs(piece: bytes) -> str:
    # The same cells as EUC-JP with the high bits off; a byte below 0x21 (a line break) is left alone.
    lifted = piece.translate(bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte for byte in range(256)))
    return decode_as(lifted, "euc-jp")
