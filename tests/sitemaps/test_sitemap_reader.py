"""What stands in a sitemap: every form of the protocol, and every mistake that one entry may make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import SitemapEntry
from crawler.parse.markup import Markup
from crawler.parse.sitemaps import SitemapReader, sitemaps_of_robots

BASE = "https://h.example/maps/s.xml"


def read(text: str, piece: int = 0) -> tuple[SitemapReader, list[SitemapEntry]]:
    reader = SitemapReader(BASE)
    size = piece or len(text) or 1
    entries = [entry for at in range(0, len(text), size) for entry in reader.feed(text[at : at + size])]
    return reader, entries + list(reader.close())


def locs(text: str) -> list[str]:
    return [entry.loc for entry in read(text)[1]]


def urlset(*entries: str, root: str = "urlset", of: str = "url") -> str:
    return f"<{root}>" + "".join(f"<{of}>{entry}</{of}>" for entry in entries) + f"</{root}>"


FULL = """<?xml version="1.0" encoding="UTF-8"?>
<!-- <url><loc>https://h.example/comment</loc></url> -->
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"
 xmlns:xhtml="http://www.w3.org/1999/xhtml">
<url><loc>
   https://h.example/a?x=1&amp;y=2
</loc><image:image><image:loc>https://h.example/a.png</image:loc></image:image>
<lastmod>2024-02-03T04:05:06+02:00</lastmod><changefreq>Daily</changefreq><priority>0.8</priority>
<xhtml:link rel="alternate" hreflang="de" href="/de/a"/><xhtml:link rel="alternate" hreflang="fr" href="/fr/a"/></url>
<url><loc><![CDATA[ /b?x=1&amp;y ]]></loc></url>
</urlset>"""


def test_an_entry_with_all_that_the_protocol_has() -> None:
    reader, entries = read(FULL)
    assert (reader.kind, reader.bad, reader.parts) == ("sitemap", 0, [])
    assert entries == [
        SitemapEntry(
            "https://h.example/a?x=1&y=2",
            datetime(2024, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
            0.8,
            "daily",
            {"de": "https://h.example/de/a", "fr": "https://h.example/fr/a"},
        ),
        SitemapEntry("https://h.example/b?x=1&amp;y"),  # CDATA is as it is
    ]
    assert (entries[1].lastmod, entries[1].priority, entries[1].changefreq, entries[1].alternates) == (
        None,
        0.5,
        "",
        {},
    )


@pytest.mark.parametrize("piece", [1, 2, 7, 64, 1000])
def test_pieces_make_no_difference(piece: int) -> None:
    assert read(FULL, piece)[1] == read(FULL)[1]


@pytest.mark.parametrize(
    ("loc", "url"),
    [
        ("https://h.example/a", "https://h.example/a"),
        ("/a", "https://h.example/a"),
        ("a b", "https://h.example/maps/a%20b"),
        ("//other.example", "https://other.example/"),
        ("HTTPS://H.EXAMPLE/a", "https://h.example/a"),
        ("https://h.example/?a=1&b=2&copy=3", "https://h.example/?a=1&b=2&copy=3"),  # a lone "&", as in half of them
        ("https://h.example/&#38;&#x26;&quot;", "https://h.example/&&%22"),
        ("https://h.example/é", "https://h.example/%C3%A9"),
        ("https://h.example/&amp;amp;", "https://h.example/&amp;"),  # read once
        ("<b>/a</b>", "https://h.example/a"),
        ("/a<!-- x -->b", "https://h.example/ab"),
        ("&#xD800;/", "https://h.example/maps/%EF%BF%BD/"),
    ],
)
def test_urls_are_read_as_they_were_meant(loc: str, url: str) -> None:
    assert locs(urlset(f"<loc>{loc}</loc>")) == [url]


@pytest.mark.parametrize(
    "bad",
    [
        "<loc>https://[</loc>",
        "<loc></loc>",
        "<lastmod>2024-01-01</lastmod>",
        "<loc>" + "x" * 70_000 + "</loc>",
        "<image:image><image:loc>/i.png</image:loc></image:image>",
    ],
)
def test_one_bad_entry_costs_that_entry(bad: str) -> None:
    reader, entries = read(urlset("<loc>/a</loc>", bad, "<loc>/b</loc>"))
    assert ([entry.loc[-2:] for entry in entries], reader.bad) == (["/a", "/b"], 1)


@pytest.mark.parametrize(
    "text",
    [
        "<urlset><url><loc>/a<url><loc>/b</loc></url></urlset>",  # end tags that are missing
        "<urlset><url><loc>/a</url><url><loc>/b</loc>",
        "<urlset><url><loc>/a</loc><x><y></url><url><loc>/b</loc></url>",
        "<urlset><url><loc>/a<lastmod>2024</lastmod></url><url><priority>1<loc>/b</url></urlset>",
        "<urlset></x></y><url></z><loc>/a</loc></url><url><loc>/b</loc></url></urlset>",
        "<urlset><url><loc>/a</loc><lastmod>< 3 & > x</lastmod></url><url><loc>/b</loc></url></urlset>",
        '<urlset><url><loc>/a</loc><x y="<</x></url><url><loc>/b</loc></url></urlset>',
        "<sm:urlset xmlns:sm='x'><sm:url><sm:loc>/a</sm:loc></sm:url><sm:url><sm:loc>/b</sm:loc></sm:url></sm:urlset>",
        "<URLSET><Url><LOC>/a</LOC></Url><Url><LOC>/b</LOC></Url></URLSET>",
        "\ufeff\n <br />\nWarning: in db.php\n<?xml version='1.0'?>" + urlset("<loc>/a</loc>", "<loc>/b</loc>"),
        urlset("<loc>/a</loc>", "<loc>/b</loc>") + "<!-- never closed",
        urlset("<loc>/a</loc>", "<loc>/b</loc>")[:-9] + "<url><loc>/half-a-url",
    ],
)
def test_broken_xml_loses_no_entry(text: str) -> None:
    assert [url[-2:] for url in locs(text)] == ["/a", "/b"]


def test_a_document_type_declares_nothing() -> None:
    markup = "<!ENTITY m '<urlset><url><loc>/declared</loc></url></urlset>'>"
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    doctype = f'<!DOCTYPE urlset [<!ENTITY l0 "lol"><!ENTITY file SYSTEM "file:///etc/hostname">{markup}{laughs}]>'
    text = f'<?xml version="1.0"?>{doctype}' + urlset("<loc>/&l9;</loc>", "<loc>/&file;</loc>")
    assert locs(text) == ["https://h.example/&l9;", "https://h.example/&file;"]
    assert locs('<!DOCTYPE urlset SYSTEM "http://h.example/s.dtd">' + urlset("<loc>/a</loc>")) == [
        "https://h.example/a"
    ]


def test_an_index_names_sitemaps_and_no_pages() -> None:
    reader, entries = read(
        urlset("<loc>a.xml</loc><lastmod>2024</lastmod>", "<loc>/b.xml.gz</loc>", root="sitemapindex", of="sitemap")
    )
    assert (reader.kind, entries) == ("index", [])
    assert reader.parts == [
        SitemapEntry("https://h.example/maps/a.xml", datetime(2024, 1, 1, tzinfo=UTC)),
        SitemapEntry("https://h.example/b.xml.gz"),
    ]


def test_rss() -> None:
    text = """<rss version="2.0" xmlns:atom="a" xmlns:dc="d"><channel><link>/</link><image><url>/logo.png</url></image>
    <atom:link href="/feed" rel="self"/>
    <item><title>1 <b>bold</b></title><link>/1</link><pubDate>Mon, 02 Jan 2006 15:04:05 GMT</pubDate></item>
    <item><guid>https://h.example/2</guid><dc:date>2024-01-02</dc:date></item>
    <item><guid isPermaLink="false">https://h.example/no</guid></item><item><guid>tag:4</guid></item>
    <item><atom:link href="/no" rel="self"/><link>/3</link></item></channel></rss>"""
    reader, entries = read(text)
    assert (reader.kind, reader.bad) == ("feed", 2)
    assert entries == [
        SitemapEntry("https://h.example/1", datetime(2006, 1, 2, 15, 4, 5, tzinfo=UTC)),
        SitemapEntry("https://h.example/2", datetime(2024, 1, 2, tzinfo=UTC)),
        SitemapEntry("https://h.example/3"),
    ]
    assert locs("<rdf:RDF xmlns='r'><channel/><item><link>/1</link></item></rdf:RDF>") == ["https://h.example/1"]


def test_atom() -> None:
    text = """<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://b.example/x/"><link href="/"/><entry>
    <link rel="edit" href="no"/><link href="1"/><link rel="alternate" href="no"/><updated>2024-01-02T00:00:00Z</updated>
    <content><entry-like/><link href="no"/></content></entry>
    <entry><link rel='alternate' href='/2?a=1&amp;b'/></entry></feed>"""
    reader, entries = read(text)
    assert reader.kind == "feed"
    assert entries == [
        SitemapEntry("https://b.example/x/1", datetime(2024, 1, 2, tzinfo=UTC)),
        SitemapEntry("https://b.example/2?a=1&b"),
    ]


def test_a_list_of_urls() -> None:
    reader, entries = read(
        "\ufeffhttps://h.example/a\r\n\r\n# comment\n  HTTP://h.example/b  \nnot a URL\nhttps://[\nhttps://h.example/c"
    )
    assert [entry.loc[-2:] for entry in entries] == ["/a", "/b", "/c"]
    assert (reader.kind, reader.bad, reader.first_bad) == ("text", 2, "not a URL")


def test_a_file_that_was_cut_gives_no_half_url() -> None:
    whole = "<urlset><url><loc>/a</loc></url>"
    halves = (f"{whole}<url><loc>/half", f"{whole}<url><loc>/half<!-- -->", f"{whole}<url><loc><![CDATA[/{'x' * 99}")
    for text in ("https://h.example/a\nhttps://h.example/half", *halves):
        reader = SitemapReader(BASE)
        entries = [*reader.feed(text), *reader.close(cut=True)]
        assert [entry.loc for entry in entries] == ["https://h.example/a"]


@pytest.mark.parametrize(
    ("text", "kind", "root"),
    [
        ("<!doctype html><html><body><url><loc>/a</loc></url></body></html>", "", "html"),
        ("Not found", "", ""),
        ("<?xml version='1.0'?>", "", ""),
        ("<svg><url><loc>/a</loc></url></svg>", "", "svg"),
        ("", "text", ""),
        ("<urlset/>", "sitemap", "urlset"),
    ],
)
def test_what_is_no_sitemap_gives_nothing(text: str, kind: str, root: str) -> None:
    reader, entries = read(text)
    assert (reader.kind, reader.root, entries) == (kind, root, [])


@pytest.mark.parametrize(
    ("said", "lastmod"),
    [
        ("2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-05", datetime(2024, 5, 1, tzinfo=UTC)),
        ("2024-05-06", datetime(2024, 5, 6, tzinfo=UTC)),
        ("2024-05-06T07:08:09.5Z", datetime(2024, 5, 6, 7, 8, 9, 500_000, tzinfo=UTC)),
        ("2024-05-06 07:08", datetime(2024, 5, 6, 7, 8, tzinfo=UTC)),
        ("Tue, 3 Jun 2008 11:05:30 -0000", datetime(2008, 6, 3, 11, 5, 30, tzinfo=UTC)),
        ("2024-13", None),
        ("0000-00-00", None),
        ("yesterday", None),
        ("9" * 5_000, None),
        (",,,,", None),
    ],
)
def test_dates(said: str, lastmod: datetime | None) -> None:
    (entry,) = read(urlset(f"<loc>/a</loc><lastmod>{said}</lastmod>"))[1]
    assert entry.lastmod == lastmod and (lastmod is None or entry.lastmod.tzinfo is not None)


@pytest.mark.parametrize(
    ("said", "priority"), [("1", 1.0), ("0.30", 0.3), ("7", 1.0), ("-1", 0.0), ("nan", 0.5), ("high", 0.5)]
)
def test_priorities(said: str, priority: float) -> None:
    (entry,) = read(urlset(f"<loc>/a</loc><priority>{said}</priority>"))[1]
    assert entry.priority == priority


def test_robots_txt_names_sitemaps_anywhere() -> None:
    text = (
        "User-agent: *\r\nDisallow: /\r\nSITEMAP :  https://h.example/s.xml # main\rsite-map:/t.xml\nSitemap:\n"
        "Sitemap: https://[\nXSitemap: /no\nSitemap: /t.xml"
    )
    found = sitemaps_of_robots(text, "https://h.example/robots.txt")
    assert found == ["https://h.example/s.xml", "https://h.example/t.xml"]


_SHREDS = [
    "<url>",
    "</url>",
    "<loc>",
    "</loc>",
    "/a",
    "&amp;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<",
    ">",
    '"',
    "<?x",
    "?>",
]
_SHREDS += [
    "<!DOCTYPE a [",
    "]>",
    "<urlset>",
    "<rss>",
    "<item>",
    "<link href='/b'/>",
    "<x:y/>",
    " ",
    "\n",
    "é",
    "https://h.example/",
]


@given(st.lists(st.sampled_from(_SHREDS), max_size=30).map("".join), st.integers(1, 9))
def test_shreds_in_any_order_and_pieces_of_any_size(text: str, piece: int) -> None:
    whole, entries = read(text)
    pieces, again = read(text, piece)
    assert (again, pieces.bad, pieces.kind) == (entries, whole.bad, whole.kind)


def test_nothing_is_held_of_what_is_passed_over() -> None:
    for begin, more in (
        ("<!--", "x<y>"),
        ("<a ", "b"),
        ("<urlset><url><loc>", "x"),
        ("<!DOCTYPE a [", "<b>"),
        ("<![CDATA[", "]]"),
    ):
        markup = Markup()
        for _ in markup.feed(begin):
            pass
        for _ in range(50):
            for _token in markup.feed(more * 10_000):
                pass
        assert len(markup._rest) <= 64 * 1024, begin
