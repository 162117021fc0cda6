"""One page for each way in which pages say, do not say, or wrongly say how they are encoded.

Which encoding holds is for the HTML Standard to decide ("determining the character encoding"): a byte
order mark, then the header, then `<meta>` within the first 1,024 bytes, then a guess.
"""

# ruff: noqa: RUF001 - texts in other scripts are what this is about

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crawler.demo.layout import document, linked_list
from crawler.demo.pages import Page

__all__ = ["SAMPLES", "Charsets", "Sample"]

_RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю."
_JAPANESE = "いろはにほへと ちりぬるを わかよたれそ つねならむ。吾輩は猫である。"
_CHINESE = "千里之行，始于足下。学而时习之，不亦说乎？"
_KOREAN = "다람쥐 헌 쳇바퀴에 타고파. 가는 말이 고와야 오는 말이 곱다."
_EUROPEAN = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich — für 5 €."
_WINDOWS = "“Smart quotes” – and dashes… — café, naïve, 20 €"
_POLISH = "Zażółć gęślą jaźń, pójdźże kiń tę chmurność w głąb flaszy."


@dataclass(frozen=True, slots=True)
class Sample:
    """A page and how it is written. `header` and `meta` are the charsets that they name, "" for none."""

    name: str
    about: str
    text: str
    codec: str
    header: str = ""
    meta: str = ""
    bom: bytes = b""

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/charsets/{self.name}.html"


SAMPLES = (
    Sample("utf-8-header", "UTF-8, declared in the header", _EUROPEAN, "utf-8", header="utf-8"),
    Sample("utf-8-meta", "UTF-8, declared in <meta>", _RUSSIAN, "utf-8", meta="utf-8"),
    Sample("utf-8-silent", "UTF-8, not declared", _JAPANESE, "utf-8"),
    Sample("utf-8-bom", "UTF-8 with a byte order mark", _CHINESE, "utf-8", bom=codecs.BOM_UTF8),
    Sample(
        "bom-wins", "UTF-8 with a byte order mark; header and <meta> say windows-1251",
        _RUSSIAN, "utf-8", header="windows-1251", meta="windows-1251", bom=codecs.BOM_UTF8,
    ),
    Sample("utf-16-bom", "UTF-16 with a byte order mark", _RUSSIAN, "utf-16-le", bom=codecs.BOM_UTF16_LE),
    Sample("windows-1251-header", "windows-1251, declared in the header", _RUSSIAN, "cp1251", header="windows-1251"),
    Sample("windows-1251-meta", "windows-1251, declared in <meta> only", _RUSSIAN, "cp1251", meta="windows-1251"),
    Sample("koi8-r-header", "KOI8-R, declared in the header", _RUSSIAN, "koi8_r", header="koi8-r"),
    Sample("shift-jis-header", "Shift JIS, declared in the header", _JAPANESE, "shift_jis", header="shift_jis"),
    Sample("shift-jis-meta", "Shift JIS, declared in <meta> only", _JAPANESE, "shift_jis", meta="shift_jis"),
    Sample("euc-jp-header", "EUC-JP, declared in the header", _JAPANESE, "euc_jp", header="euc-jp"),
    Sample("gb2312-header", "GB 2312, declared in the header", _CHINESE, "gb2312", header="gb2312"),
    Sample("gb2312-meta", "GB 2312, declared in <meta> only", _CHINESE, "gb2312", meta="gb2312"),
    Sample("euc-kr-meta", "EUC-KR, declared in <meta> only", _KOREAN, "euc_kr", meta="euc-kr"),
    Sample("iso-8859-2-header", "ISO 8859-2, declared in the header", _POLISH, "iso8859_2", header="iso-8859-2"),
    Sample(
        "latin-1-lie", "windows-1252, declared as ISO 8859-1 (which browsers read as windows-1252)",
        _WINDOWS, "cp1252", header="iso-8859-1",
    ),
    Sample(
        "header-wins", "UTF-8 as the header says; <meta> says windows-1251",
        _EUROPEAN, "utf-8", header="utf-8", meta="windows-1251",
    ),
)  # fmt: skip


class Charsets:
    """The area /charsets/. The text of each page stands in `<p id="sample">`."""

    path = "/charsets/"
    title = "Charsets"
    about = "The same web in many encodings: declared in the header, in <code>&lt;meta&gt;</code>, wrongly, or not."

    def __init__(self) -> None:
        self._samples = {sample.path: sample for sample in SAMPLES}

    def paths(self) -> Iterable[str]:
        """The list and each sample."""
        yield self.path
        yield from self._samples

    def page(self, path: str, query: Mapping[str, str], base: str) -> Page | None:
        """The list, or a sample."""
        if path == self.path:
            links = linked_list((sample.path, sample.about) for sample in SAMPLES)
            return Page(document(self.title, f"<h1>Charsets</h1>\n{links}").encode())
        sample = self._samples.get(path)
        return _written(sample) if sample is not None else None


def _written(sample: Sample) -> Page:
    meta = f'<meta charset="{sample.meta}">' if sample.meta else ""
    main = f'<h1>{sample.name}</h1>\n<p id="sample">{sample.text}</p>\n<p><a href="./">All charsets</a></p>'
    body = sample.bom + document(sample.name, main, head=meta).encode(sample.codec)
    return Page(body, type=f"text/html; charset={sample.header}" if sample.header else "text/html")
