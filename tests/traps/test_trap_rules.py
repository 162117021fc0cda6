"""The rules one by one: what they take for a trap, and what looks like one and is none."""

from __future__ import annotations

import pytest

from crawler.dates import is_calendar_page
from crawler.settings import Settings
from crawler.traps import UrlTraps, place_of

FIND = UrlTraps(Settings()).find
NESTED = "https://shop.example/in?next=%2Fin%3Fnext%3D%252Fa"


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("https://shop.example/x/x/x/", "max_repeats"),
        ("https://shop.example/a/b/a/b/a/b", "max_repeats"),
        ("https://shop.example/de/a/b/c/a/b/c/a/b/c/d.html?x=1", "max_repeats"),
        ("https://shop.example/?a=1&b=2&a=1&c=3&a=1", "max_repeats"),
        ("https://shop.example/" + "/".join(map(str, range(26))), "max_segments"),
        ("https://shop.example/?" + "&".join(f"p{n}=1" for n in range(51)), "max_parameters"),
        ("https://shop.example/list/shop.example/list", "traps"),
        ("https://www.shop.example/shop.example/", "traps"),
        ("https://shop.example/a/www.shop.example", "traps"),
        ("http://127.0.0.1:8080/127.0.0.1:8080/a", "traps"),
        ("https://shop.example/q/50%25252525", "traps"),
        (f"{NESTED}%253Fnext%253D%25252Fin%25253Fnext%25253D1", "traps"),
        ("https://shop.example/?u=/?u=/?u=/", "traps"),
    ],
)
def test_a_trap_by_its_url(url: str, setting: str) -> None:
    found = FIND(url)
    assert found is not None and found.startswith(setting)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/",
        "https://shop.example/2011/11/11/11/",  # an hour of a day
        "https://shop.example/a/b/a/b/",
        "https://shop.example/org/maven/maven/3.0/maven-3.0.jar",
        "https://shop.example/sites/www.other.example/",
        "https://shop.example/about-shop.example.html",
        "https://archive.example/web/2020/https://shop.example/a",
        "https://localhost/localhost/",
        NESTED,
        "https://shop.example/share?url=https%3A%2F%2Fshop.example%2Fa%3Fid%3D1%26lang%3Dde",
        "https://shop.example/go?u=https%3A%2F%2Fx.example%2F%3Fid%3D1%26id%3D2",
        "https://shop.example/list?tag=a&tag=b&tag=c&tag=d",
        "https://shop.example/50%2525",
    ],
)
def test_no_trap_by_its_url(url: str) -> None:
    assert FIND(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "/cal/2031/05/", "/cal/2031/5", "/cal/2031/05/17", "/2031-05", "/cal/may-2031/", "/05/2031/", "/week/2031-W21",
        "/day/20310517", "/cal/2031/05/export.ics", "/cal?month=5&year=2031", "/?d=2031-05-17",
        "/?calYear=2031&calMonth=5",
        "/?m=203105", "/cal?date=1893456000", "/in?next=%2Fcal%2F2031%2F05%2F",
        "/in?next=%2Fcal%3Fyear%3D2031%26month%3D5",
    ],
)  # fmt: skip
def test_a_page_of_a_calendar(url: str) -> None:
    assert is_calendar_page("https://shop.example" + url)


@pytest.mark.parametrize(
    "url",
    [
        "/", "/page/2031/", "/list?page=2031", "/2031/", "/product/2031", "/product/203105", "/?year=2031&page=5",
        "/2031/05/17/first-snow-in-may/", "/2031/05/international.html", "/2031-05-17-what-they-said.html",
        "/viewtopic.php?f=2&t=2031", "/cat-3/product-17.html", "/item/20319917",
    ],
)  # fmt: skip
def test_no_page_of_a_calendar(url: str) -> None:
    assert not is_calendar_page("https://shop.example" + url)


def test_a_place_ends_where_it_begins_to_vary() -> None:
    assert place_of("https://shop.example/cal/2031/05/") == "shop.example/cal"
    assert place_of("https://shop.example:8443/de/cal/x/y?a=1") == "shop.example:8443/de/cal"
    assert place_of("https://shop.example/?a=1") == "shop.example"
