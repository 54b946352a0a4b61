"""What the charts are made of: the chart as its component shows it, scales, ticks and SVG pieces."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.formats import number_format
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from meterhall.domain.readings.civil import midnight
from meterhall.web.portal.days import day_words
from meterhall.web.portal.tables import Table
from meterhall.web.portal.values import Link, Text

WIDTH = 880
QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One entry of the legend: a line or a box in the look of a CSS class."""

    label: Text
    css: str
    shape: str = "line"


@dataclass(frozen=True, slots=True)
class Chart:
    """What `portal/components/chart.html` shows."""

    id: str
    title: Text
    summary: str
    svg: SafeString
    table: Table | None = None
    csv_url: str = ""
    legend: tuple[LegendEntry, ...] = ()
    links: tuple[Link, ...] = ()
    """Other periods of the same chart: zoom and step, as plain links."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the time axis; `strong` where a larger unit begins."""

    at: datetime
    label: str
    strong: bool = False


def svg_of(parts: Sequence[str], height: int, label: str, width: int = WIDTH) -> SafeString:
    """The picture from pieces already escaped."""
    body = "".join(parts)
    return mark_safe(  # noqa: S308 - every text in the pieces went through `text`
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'
    )


def text(x: float, y: float, content: object, css: str = "c-text") -> str:
    """A text element."""
    return f'<text x="{number(x)}" y="{number(y)}" class="{css}">{escape(str(content))}</text>'


def path(d: str, css: str, extra: str = "") -> str:
    """A path element, or nothing where there is nothing to draw."""
    return f'<path d="{d}" class="{css}"{extra}/>' if d else ""


def number(value: float) -> str:
    """A coordinate with at most one decimal."""
    rounded = round(value, 1)
    return str(int(rounded)) if rounded == int(rounded) else str(rounded)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten) that cover low to high, about `count` of them."""
    span = high - low
    if span <= 1e-9 * max(1.0, abs(low), abs(high)):
        span = max(1.0, abs(high))
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        last += 1
    return [round(index * step, 10) for index in range(first, last + 1)]


def figure(value: float, digits: int | None = None) -> str:
    """A number for a reader: four significant digits unless told, in their language's manner."""
    if digits is None:
        digits = 0 if value == 0 else max(0, min(4, 3 - math.floor(math.log10(abs(value)))))
    shown = number_format(round(value, digits), decimal_pos=digits, use_l10n=True, force_grouping=True)
    separator = number_format(0.5, decimal_pos=1, use_l10n=True)[1]
    return shown.rstrip("0").rstrip(separator) if separator in shown else shown


def tick_figures(ticks: Sequence[float]) -> list[str]:
    """The labels of an axis, all with as many decimals as its step needs."""
    step = abs(ticks[1] - ticks[0])
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [number_format(tick, decimal_pos=digits, use_l10n=True, force_grouping=True) for tick in ticks]


def time_ticks(start: datetime, end: datetime, zone: ZoneInfo, most: int = 10) -> list[Tick]:
    """Marks at round civil times of `zone` between two instants, at most about `most`."""
    hours = (end - start) / timedelta(hours=1)
    for step in (1, 3, 6, 12):
        if hours / step <= most:
            return _hour_ticks(start, end, zone, step)
    for days in (1, 2, 7, 14):
        if hours / 24 / days <= most:
            return _day_ticks(start, end, zone, days)
    for months in (1, 2, 3, 6):
        if hours / 730 / months <= most + 3:
            return _month_ticks(start, end, zone, months)
    return [Tick(tick.at, str(tick.at.astimezone(zone).year), True) for tick in _month_ticks(start, end, zone, 12)]


def _hour_ticks(start: datetime, end: datetime, zone: ZoneInfo, step: int) -> list[Tick]:
    ticks: list[Tick] = []
    at = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while at <= end:
        local = at.astimezone(zone)
        on_step = local.minute == 0 and local.hour % step == 0 and (step == 1 or not local.fold)
        if at >= start and on_step:
            first = not ticks or local.hour == 0
            ticks.append(Tick(at, f"{local:%H:%M}" + (f"\n{day_words(local, 'j M')}" if first else ""), first))
        at += QUARTER
    return ticks


def _day_ticks(start: datetime, end: datetime, zone: ZoneInfo, step: int) -> list[Tick]:
    day = start.astimezone(zone).date()
    ticks: list[Tick] = []
    while (at := midnight(zone, day)) <= end:
        if at >= start:
            ticks.append(Tick(at, day_words(day, "j M"), day.day == 1))
            day += timedelta(days=step)
        else:
            day += timedelta(days=1)
    return ticks


def _month_ticks(start: datetime, end: datetime, zone: ZoneInfo, step: int) -> list[Tick]:
    day = start.astimezone(zone).date().replace(day=1)
    ticks: list[Tick] = []
    while (at := midnight(zone, day)) <= end:
        if at >= start and (day.month - 1) % step == 0:
            label = day_words(day, "M") + (f"\n{day.year}" if day.month == 1 or not ticks else "")
            ticks.append(Tick(at, label, day.month == 1))
        day = (day + timedelta(days=31)).replace(day=1)
    return ticks


def clock_changes(start: datetime, end: datetime, zone: ZoneInfo) -> list[tuple[datetime, str]]:
    """The instants the zone's clock changes, each with its words: `02:00 → 03:00`."""
    found = []
    day = timedelta(days=1)
    at = start
    while at < end:
        after = min(at + day, end)
        if _offset(at, zone) != _offset(after, zone):
            low, high = at, after
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(middle, zone) == _offset(at, zone) else (low, middle)
            instant = (high + timedelta(milliseconds=500)).replace(microsecond=0)
            before = (instant - timedelta(seconds=1)).astimezone(zone) + timedelta(seconds=1)
            found.append((instant, f"{before:%H:%M} → {instant.astimezone(zone):%H:%M}"))
        at = after
    return found


def _offset(at: datetime, zone: ZoneInfo) -> timedelta | None:
    return at.astimezone(zone).utcoffset()


def time_axis(
    ticks: Sequence[Tick], x_of: Callable[[datetime], float], top: float, bottom: float, right: float
) -> list[str]:
    """Grid lines and labels of the time axis; labels that would touch the one before are left out."""
    parts = []
    taken = -1e9
    for tick in ticks:
        x = x_of(tick.at)
        parts.append(path(f"M{number(x)} {number(top)}V{number(bottom)}", "c-grid"))
        lines = tick.label.split("\n")
        half = max(len(line) for line in lines) * 3.6
        x = min(max(x, half), right - half)
        if x - half < taken + 6:
            continue
        taken = x + half
        parts += [text(x, bottom + 17 + 15 * row, line, "c-text c-mid") for row, line in enumerate(lines)]
    return parts


def value_axis(
    ticks: Sequence[float], y_of: Callable[[float], float], left: float, right: float, unit: str
) -> list[str]:
    """Grid lines and labels of the value axis, the unit above it."""
    parts = [text(left - 8, y_of(ticks[-1]) - 12, unit, "c-text c-end")]
    for tick, label in zip(ticks, tick_figures(ticks), strict=True):
        y = y_of(tick)
        parts.append(path(f"M{number(left)} {number(y)}H{number(right)}", "c-axis" if tick == 0 else "c-grid"))
        parts.append(text(left - 8, y + 4, label, "c-text c-end"))
    return parts


def day_text(day: date) -> str:
    """A day for a reader."""
    return day_words(day, "DATE_FORMAT")


def instant_text(at: datetime, zone: ZoneInfo) -> str:
    """An instant for a reader; where the clock shows the same time twice, with the zone's abbreviation."""
    local = at.astimezone(zone)
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{day_words(local, 'SHORT_DATE_FORMAT')} {local:%H:%M}" + (f" {local:%Z}" if twice else "")
