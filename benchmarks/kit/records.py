"""Ratios that were measured before, their noise, and whether new ones are worse.

Noise is found by doing the whole measurement several times: it is the range of the results, as a share of their
median. A new ratio that is lower than the recorded median by more than that was not seen to come of nothing.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Recorded", "is_loss", "read", "recorded", "write"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A ratio as it was measured: `values` are the results of the repetitions."""

    name: str
    beside: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The ratio to compare with."""
        return statistics.median(self.values)

    @property
    def noise(self) -> float:
        """The range of the repetitions, as a share of the median."""
        return (max(self.values) - min(self.values)) / self.median

    @property
    def least(self) -> float:
        """What a new ratio must reach."""
        return self.median * (1 - self.noise)


def recorded(repetitions: Sequence[Mapping[tuple[str, str], float]]) -> list[Recorded]:
    """From the ratios, by (name, beside), of several repetitions. Raises ValueError for fewer than three."""
    if len(repetitions) < 3:
        raise ValueError(f"{len(repetitions)} repetitions show no noise: at least 3")
    return [Recorded(*pair, tuple(found[pair] for found in repetitions)) for pair in repetitions[0]]


def is_loss(record: Recorded, now: float) -> bool:
    """Whether a new ratio is lower by more than the noise."""
    return now < record.least


def write(file: Path, records: Sequence[Recorded], **circumstances: Any) -> None:
    """Replaces the record. `circumstances`: machine, command, pages, rounds."""
    ratios = [
        {"name": it.name, "beside": it.beside, "median": round(it.median, 3), "noise": round(it.noise, 3),
         "values": [round(value, 3) for value in it.values]}
        for it in records
    ]  # fmt: skip
    file.write_text(json.dumps({**circumstances, "ratios": ratios}, indent=1) + "\n")


def read(file: Path) -> tuple[list[Recorded], dict[str, Any]]:
    """The records, and the circumstances that they were written with."""
    found: dict[str, Any] = json.loads(file.read_text())
    ratios = found.pop("ratios")
    return [Recorded(it["name"], it["beside"], tuple(it["values"])) for it in ratios], found
