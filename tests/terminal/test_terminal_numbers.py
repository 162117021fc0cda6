from __future__ import annotations

import pytest

from crawler.terminal.numbers import count, duration, plural, rate, size


@pytest.mark.parametrize(("n", "shown"), [(0, "0"), (999, "999"), (1240, "1,240"), (1_234_567, "1,234,567")])
def test_count(n: int, shown: str) -> None:
    assert count(n) == shown


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3_565_158, "3.4 MiB"), (10 * 1024, "10 KiB"),
        (1023 * 1024, "1.0 MiB"), (1023.9 * 1024**2, "1.0 GiB"), (120 * 1024**3, "120 GiB"),
        (5000 * 1024**5, "5,000 PiB"),
    ],
)  # fmt: skip
def test_size(n: int, shown: str) -> None:
    assert size(int(n)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"), (-1, "0 s"), (1e-9, "1 µs"), (4e-6, "4 µs"), (0.000_999_4, "999 µs"), (0.000_999_6, "1 ms"),
        (0.012, "12 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (1.24, "1.2 s"), (9.94, "9.9 s"), (9.96, "10 s"),
        (59.4, "59 s"), (59.6, "1 m 00 s"), (185, "3 m 05 s"), (3599.6, "1 h 00 m"), (3720, "1 h 02 m"),
        (86_399.6, "1 d 00 h"), (183_600, "2 d 03 h"), (86_400 * 1500, "1,500 d 00 h"),
    ],
)  # fmt: skip
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("per_second", "shown"),
    [
        (0, "0/s"), (1240.4, "1,240/s"), (124.3, "124/s"), (9.96, "10/s"), (1.23, "1.2/s"), (0.94, "56/min"),
        (1 / 3, "20/min"), (1 / 60, "1/min"), (1 / 600, "6/h"), (1e-9, "0/s"),
    ],
)  # fmt: skip
def test_rate(per_second: float, shown: str) -> None:
    assert rate(per_second) == shown


def test_plural() -> None:
    assert [plural(n, "page") for n in (0, 1, 1240)] == ["0 pages", "1 page", "1,240 pages"]
    assert plural(2, "retry", "retries") == "2 retries"
