"""URLs and hrefs on the borders of the rules, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

# Made of what is special to a parser of URLs, so that most texts are on the border of some rule.
_PLAIN_PIECES = ["a", "B1", ".", "..", "./", "../", "/", "//", "\\", "?", "#", ":", "&", "=", ";", "|", "~", "'", "@"]
_ODD_PIECES = ["%", "%2e", "%2E", "%41", "http:", "https:", "x:", "é", " ", "\t", "\0", "\ud800"]
_PIECES = st.sampled_from(_PLAIN_PIECES + _ODD_PIECES)
HREFS = st.lists(_PIECES, max_size=9).map("".join)
BASES = st.sampled_from(
    [
        "https://h.example/",
        "https://h.example/a",
        "http://h.example/a/b/?q=/x/y#f/g",
        "https://u:p@h.example:8443/a//b/c.html",
        "http://[::1]:8000//x/",
    ]
)
