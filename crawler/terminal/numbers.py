"""Numbers as people read them: 1,240 pages, 3.4 MiB, 1 h 02 m, 124/s."""

from __future__ import annotations

__all__ = ["count", "duration", "plural", "rate", "size"]

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def count(n: int) -> str:
    """1240 as "1,240"."""
    return f"{n:,}"


def plural(n: int, one: str, many: str = "") -> str:
    """1 as "1 page", 1240 as "1,240 pages"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def size(n: int) -> str:
    """Bytes in the largest unit that leaves at least one: 900 B, 3.4 MiB, 120 GiB."""
    if n < 1024:
        return f"{n} B"
    value = float(n)
    for unit in _UNITS:
        value /= 1024
        if value < 999.5 or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"


def duration(seconds: float) -> str:
    """Seconds with two digits that matter: 4 µs, 12 ms, 1.2 s, 3 m 05 s, 1 h 02 m, 2 d 03 h."""
    if seconds <= 0:
        return "0 s"
    if seconds < 0.000_999_5:
        return f"{max(seconds * 1e6, 1):.0f} µs"
    if seconds < 0.999_5:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} m {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60:02} m"
    return f"{whole // 86_400:,} d {whole % 86_400 // 3_600:02} h"


def rate(per_second: float) -> str:
    """Events a second, in the unit that gives a number to hold on to: 1,240/s, 1.2/s, 20/min, 6/h."""
    if per_second >= 9.95:
        return f"{per_second:,.0f}/s"
    if per_second >= 0.95:
        return f"{per_second:.1f}/s"
    if per_second >= 1 / 60:
        return f"{per_second * 60:.0f}/min"
    return f"{per_second * 3_600:.0f}/h" if per_second * 3_600 >= 0.5 else "0/s"
