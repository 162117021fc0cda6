"""What the files beside a run's frontier say of a URL: the list of left-out links, and the item log."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from crawler.canonical import CanonicalRules, canonical
from crawler.codec import decode_item
from crawler.errors import StateError
from crawler.outputs.log import read_frames
from crawler.runs.explain_report import Items, LeftOut
from crawler.runs.skipped import OTHER_ARGUMENTS
from crawler.urls import hostname

__all__ = ["items_of", "left_out"]

_MOST = 50  # links that are told of each kind
_FIRST = 3  # items of a page that are told


def left_out(path: Path, wanted: str, rules: CanonicalRules) -> tuple[list[LeftOut], list[LeftOut]]:
    """From skipped.jsonl, the links to a URL that a rule left out, and those with other arguments; at most 50
    of each. `wanted` is canonical. A line that is only half written yet is passed over. Raises StateError."""
    refused: list[LeftOut] = []
    differing: list[LeftOut] = []
    host = hostname(wanted).encode()
    try:
        with path.open("rb") as file:
            for line in file:
                if host not in line:
                    continue
                try:
                    link = _decode(line)
                except msgspec.MsgspecError:
                    continue
                if canonical(link.url, rules) != wanted:
                    continue
                listed = differing if link.reason == OTHER_ARGUMENTS else refused
                if len(listed) < _MOST and link not in listed:  # a kill may repeat a line
                    listed.append(link)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}") from None
    return refused, differing


def items_of(log: Path, end: int, keys: Collection[bytes]) -> dict[bytes, Items]:
    """By page key the items that were committed up to a position of the log. Raises StateError."""
    counts = dict.fromkeys(keys, 0)
    first: dict[bytes, list[bytes]] = {key: [] for key in keys}
    if keys and log.exists():
        for frame in read_frames(log, 0, end, holding=keys):
            for record in frame.records:
                if record.key in counts:
                    counts[record.key] += 1
                    if len(first[record.key]) < _FIRST:
                        first[record.key].append(record.raw)
    return {key: Items(counts[key], [decode_item(raw) for raw in first[key]]) for key in keys}


_decode = msgspec.json.Decoder(LeftOut).decode
