"""By its defaults a crawl ends on sites that do not, and is cut short on none that does."""

from __future__ import annotations

import endless
import pytest
from endless import Links, Walk

ENDLESS = [
    (endless.calendar_by_query, "max_calendar", "shop.example/cal"),
    (endless.calendar_by_path, "max_calendar", "shop.example/cal"),
    (endless.path_of_one, "max_repeats", "shop.example/x/x"),
    (endless.path_of_letters, "max_growth", "shop.example/"),
    (endless.path_of_many, "max_growth", "shop.example/"),
    (endless.path_that_counts, "max_segments", "shop.example"),
    (endless.own_url_in_a_parameter, "traps", "shop.example/in"),
    (endless.escaped_again, "traps", "shop.example/q"),
    (endless.parameters_pile_up, "max_repeats", "shop.example"),
    (endless.host_in_the_path, "traps", "shop.example/shop.example"),
]

LONG = [
    (endless.pages_by_query, 3_000),
    (endless.pages_by_path, 3_001),
    (endless.shop_of_ids, 20_001),
    (endless.shop_of_names, 20_101),
    (endless.facets, 8 * 6 * 3 * 9),
    (endless.newspaper, 1 + 3 * 3652 - 1),
    (endless.documentation, 364 * 4),
]


@pytest.mark.parametrize(("links", "setting", "place"), ENDLESS, ids=lambda value: getattr(value, "__name__", ""))
async def test_what_never_ends_is_ended_and_named(links: Links, setting: str, place: str) -> None:
    walk = await Walk(links, most=5_000).run()
    assert len(walk.pages) < 2_000, walk
    assert any(name.startswith(f"{setting} {place}") for name in walk.traps), walk
    assert set(walk.reasons) == {"trap"}
    assert sum(walk.traps.values()) == walk.reasons["trap"]


@pytest.mark.parametrize(("links", "pages"), LONG, ids=lambda value: getattr(value, "__name__", ""))
async def test_what_is_only_long_is_not_cut(links: Links, pages: int) -> None:
    walk = await Walk(links).run()
    assert not walk.skips, walk
    assert len(walk.pages) == pages
