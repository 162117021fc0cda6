"""Ratios are made within a round; a loss is what the measured noise does not explain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import quick
from kit.figures import candidates_table, ratio, ratios_table, table
from kit.records import Recorded, is_loss, read, recorded, write
from kit.series import Measured

PAIR = ("ours_fast", "bare_lexbor")


def run(name: str, number: int, cpu: float) -> Measured:
    return Measured(name, number, 1_000, cpu, cpu * 2, 50_000_000, 2_000, 0.5)


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    # The machine is three times slower in round 2, ten times in round 3: the ratio does not care.
    results = [run("bare", 1, 1.0), run("ours", 1, 2.0), run("ours", 2, 6.0), run("bare", 2, 3.0)]
    results += [run("bare", 3, 10.0), run("ours", 3, 12.5), run("bare", 4, 1.0)]
    found = ratio(results, "ours", "bare")
    assert found is not None
    assert (found.median, found.low, found.high) == pytest.approx((0.5, 0.5, 0.8))
    assert found.rounds == 3
    assert ratio(results, "ours", "scrapy") is None


def test_the_tables_have_a_line_a_candidate() -> None:
    results = [run("ours", 1, 0.5), run("ours", 2, 0.3), run("bare", 1, 0.2), run("bare", 2, 0.2)]
    lines = candidates_table(results, [run("ours", 1, 0.25)]).splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == [
        "ours", "400 (300-500)", "2,500", "1,333", "0.25", "50", "2.0",
    ]  # fmt: skip
    assert len(lines) == 4
    beside = ratios_table(results, ["ours"], ["bare"]).splitlines()[2]
    assert beside.split() == ["|", "bare", "|", "0.53", "(0.40-0.67)", "|"]
    assert ratios_table(results, ["ours"], ["scrapy"]) == ""
    assert len({len(line) for line in table([["a", "b"], ["long", "1"]]).splitlines()}) == 1


def test_noise_is_the_range_of_the_repetitions() -> None:
    (it,) = recorded([{PAIR: 0.80}, {PAIR: 0.84}, {PAIR: 0.79}, {PAIR: 0.81}, {PAIR: 0.80}])
    assert it.median == 0.80
    assert it.noise == pytest.approx(0.0625)
    assert not is_loss(it, 0.751)
    assert is_loss(it, 0.749)
    assert not is_loss(it, 2.0)
    with pytest.raises(ValueError, match="at least 3"):
        recorded([{PAIR: 0.8}, {PAIR: 0.9}])


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = [Recorded(*PAIR, (0.80, 0.84, 0.79))]
    write(tmp_path / "recorded.json", written, machine={"cores": 2}, pages=10)
    assert read(tmp_path / "recorded.json") == (written, {"machine": {"cores": 2}, "pages": 10})


def test_the_record_of_the_project_is_for_what_bench_quick_measures() -> None:
    records, circumstances = read(quick.RECORD)
    assert {(it.name, it.beside) for it in records} == set(quick.PAIRS)
    assert all(0 < it.noise < 0.2 and len(it.values) == quick.REPETITIONS for it in records)
    assert (circumstances["pages"], circumstances["rounds"]) == (quick.PAGES, quick.ROUNDS)
    assert {"processor", "cores", "python", "versions"} <= circumstances["machine"].keys()


@pytest.mark.parametrize(
    ("measured", "code", "times"),
    [([0.80], 0, 1), ([0.76], 0, 1), ([0.60, 0.92], 0, 2), ([0.60, 0.70], 1, 2)],
    ids=["as before", "within the noise", "a loss that was none", "a loss"],
)
def test_a_loss_fails_when_it_shows_twice(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    measured: list[float],
    code: int,
    times: int,
) -> None:
    found = iter(measured)
    asked = []

    def rounds(*_: object) -> list[Measured]:  # what a machine measures cannot be had twice
        asked.append(1)
        speed = next(found)
        return [run(name, 1, 1.0 if name.startswith("bare") else 1 / speed) for pair in quick.PAIRS for name in pair]

    monkeypatch.setattr(quick, "rounds", rounds)
    records = [Recorded(*pair, (0.80, 0.84, 0.79)) for pair in quick.PAIRS]
    machine = json.loads('{"processor": "x", "cores": 2, "python": "3.11", "versions": {}}')
    assert quick.compared(None, tmp_path, 1, records, machine, {**machine, "cores": 4}) == code  # type: ignore[arg-type]
    assert len(asked) == times
    said = capsys.readouterr().out
    assert ("LOSS" in said.splitlines()[-1 if code == 0 else -4]) is bool(code)
    assert ("made elsewhere: cores 4, here 2" in said) is bool(code)
