"""The picture of the live view: a few lines in a frame, from one `Stats`.

Texts are rich `Text` throughout, never markup: what stands in brackets in a host name is no style.
"""

from __future__ import annotations

from rich import box
from rich.cells import set_cell_size
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crawler.counts import HostStats, Stats
from crawler.settings import Settings
from crawler.terminal.lines import failures
from crawler.terminal.numbers import count, duration, plural, rate, size
from crawler.terminal.styles import status_style
from crawler.terminal.summary import by_prefix
from crawler.terminal.text import clean, short_path

__all__ = ["panel"]

_STATES = {"running": "green", "starting": "cyan", "paused": "yellow", "stopping": "yellow"}
_WIDEST = 100  # columns: numbers that belong together should not drift apart
_FRAME = 4  # columns of it: two borders, two spaces
_HOSTS = 3
_STATUSES = 8


def panel(stats: Stats, settings: Settings, *, width: int, height: int, unicode: bool) -> RenderableType:
    """The view for a terminal of `width` columns and `height` lines; what is less needed makes room."""
    width = min(width, _WIDEST)
    rows: list[RenderableType] = []
    if settings.max_pages is not None:
        rows.append(_bar(stats, settings.max_pages))
    rows += [_speed(stats, width), _gains(stats, width)]
    statuses = _statuses(stats)
    room = height - len(rows) - 4  # the frame, and a line of log above it
    if statuses is not None and room > 0:
        rows.append(statuses)
        room -= 1
    hosts = [host for host in stats.hosts if host.pages or host.in_flight or host.waits][: max(0, min(_HOSTS, room))]
    rows += [_slowest(host, width, first=host is hosts[0]) for host in hosts]
    title = Text.assemble(
        (clean(stats.spider, 40), "bold"), " ", ("●" if unicode else "*", _STATES.get(stats.state, "cyan")),
        f" {stats.state} {duration(stats.seconds)}", style="not dim",
    )  # fmt: skip
    if stats.counters.get("bytes"):
        title.append(f", {size(stats.counters['bytes'])}", "dim")
    where = Text(clean(short_path(stats.path), max(10, width - 8)), style="dim")
    return Panel(
        Group(*rows), title=title, title_align="left", subtitle=where, subtitle_align="left", width=width,
        box=box.ROUNDED if unicode else box.ASCII, border_style="dim", padding=(0, 1),
    )  # fmt: skip


def _line(*parts: str | tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _bar(stats: Stats, limit: int) -> RenderableType:
    done = min(stats.counters.get("pages", 0), limit)
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    left = (limit - done) / stats.pages_per_second if stats.pages_per_second > 0 else 0.0
    text = f"{count(done)} of {plural(limit, 'page')}, {done / limit:.0%}"
    bar = ProgressBar(limit, done, complete_style="cyan", finished_style="green")
    table.add_row(bar, text + (f", {duration(left)} left" if left >= 1 else ""))
    return table


def _speed(stats: Stats, width: int) -> Text:
    return _cells(
        width,
        (rate(stats.pages_per_second), "now", "bold"),
        (rate(stats.pages_per_second_mean), "mean", ""),
        (count(stats.pending), "queued", ""),
        (count(stats.in_flight), "in flight", ""),
    )


def _gains(stats: Stats, width: int) -> Text:
    counters = stats.counters
    retries, failed = counters.get("retries", 0), failures(stats)
    return _cells(
        width,
        _counted(counters.get("pages", 0), "page", "pages", "bold"),
        _counted(counters.get("items", 0), "item", "items", "bold"),
        _counted(retries, "retry", "retries", "yellow" if retries else ""),
        _counted(failed, "error", "errors", "bold red" if failed else ""),
    )


def _counted(n: int, one: str, many: str, style: str) -> tuple[str, str, str]:
    return count(n), one if n == 1 else many, style


def _cells(width: int, *cells: tuple[str, str, str]) -> Text:
    """Numbers in columns of one width, so that they stand still while they grow."""
    column = (width - _FRAME) // len(cells)
    text = _line()
    for value, name, style in cells:
        text.append(value, style)
        text.append(f" {name}" + " " * max(1, column - len(value) - len(name) - 1))
    text.rstrip()
    return text


def _statuses(stats: Stats) -> Text | None:
    family = by_prefix(stats, "status/")
    if not family:
        return None
    text = _line((_label("status"), "dim"))
    for name, n in family[:_STATUSES]:
        text.append(clean(name, 20), status_style(name))
        text.append(f": {count(n)}   ")
    return text


def _slowest(host: HostStats, width: int, *, first: bool) -> Text:
    notes = [f"{clean(host.reason or 'waits', 40)} {duration(host.waits)}"] if host.waits >= 1 else []
    notes += [plural(host.errors, "error")] if host.errors else []
    notes += [f"{count(host.in_flight)} in flight"] if host.in_flight else []
    name = set_cell_size(clean(host.host, 200), max(12, min(30, width - 58)))
    return _line(
        (_label("slowest" if first else ""), "dim"),
        name,
        (f"{duration(host.mean_seconds):>8}", "bold" if host.mean_seconds >= 1 else ""),
        f"{plural(host.pages, 'page'):>13}  ",
        (", ".join(notes), "yellow" if host.errors or host.waits >= 1 else "dim"),
    )


def _label(name: str) -> str:
    return f"{name:<9}"
