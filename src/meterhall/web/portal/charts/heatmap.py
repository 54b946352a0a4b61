"""The heat map: one column a civil day, one row an hour of the clock; the mean power of each hour as a shade."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from meterhall.domain.readings.civil import midnight
from meterhall.web.portal.charts import parts
from meterhall.web.portal.charts.lines import Line
from meterhall.web.portal.charts.parts import Chart, LegendEntry, number
from meterhall.web.portal.tables import Table, plain_table
from meterhall.web.portal.values import Text

LEFT, RIGHT, TOP, ROW = 64, 868, 12, 9
BOTTOM = TOP + 24 * ROW
LEVELS = 7
DARKEST = 0.98
"""The share of hours below the darkest shade: one odd peak shall not bleach the rest."""
NO_VALUE, NO_HOUR = -1, -2
QUARTER_S, HOUR_S = 900, 3600


def heatmap(line: Line, zone: ZoneInfo, title: Text, *, id: str = "heatmap", csv_url: str = "") -> Chart:
    """The calendar of one line of slots no longer than an hour.

    An hour with a value missing has none; the hour a clock change leaves out stays blank, the one it repeats shows the
    mean of both.
    """
    if not is_hourly(line):
        reason = _("The values are coarser than an hour.") if len(line) else _("There is no data for this period.")
        return Chart(id, title, reason, SafeString(""), csv_url=csv_url)
    first = line.start.astimezone(zone).date()
    power = hourly_power(line, zone)
    days = len(power)
    known = power[~np.isnan(power) & (power != NO_HOUR)]
    top = float(known.max()) if known.size else 0.0
    darkest = float(np.quantile(known, DARKEST)) if known.size else 0.0
    levels = _levels(power, darkest)
    width = (RIGHT - LEFT) / days
    edges = np.array([midnight(zone, first + timedelta(days=day)).timestamp() for day in range(days + 1)])

    def x_of(at: datetime) -> float:
        return float(LEFT + np.interp(at.timestamp(), edges, np.arange(days + 1)) * width)

    start, end = (datetime.fromtimestamp(float(edge), UTC) for edge in (edges[0], edges[-1]))
    ticks = [tick for tick in parts.time_ticks(start, end, zone) if tick.at < end]
    pieces = parts.time_axis(ticks, x_of, BOTTOM, BOTTOM + 4, parts.WIDTH)
    pieces += [parts.text(LEFT - 8, TOP + hour * ROW + 9, f"{hour:02}:00", "c-text c-end") for hour in range(0, 24, 6)]
    pieces += _cells(levels, width)
    summary = _summary(power, top)
    legend = (
        LegendEntry(_("0 W"), "c-h0", "box"),
        LegendEntry(_("%(power)s W and more") % {"power": parts.figure(darkest, 0)}, "c-h6", "box"),
        LegendEntry(_("no value"), "c-void", "box"),
    )
    svg = parts.svg_of(pieces, BOTTOM + 40, f"{title}. {summary}")
    return Chart(id, title, summary, svg, _table(power, title), csv_url, legend)


def hourly_power(line: Line, zone: ZoneInfo) -> NDArray[np.float64]:
    """Mean power in W, shape (days, 24): NaN where a value is missing, `NO_HOUR` where the clock skips the hour."""
    first = line.start.astimezone(zone).date()
    days = (line.end - timedelta(seconds=1)).astimezone(zone).date() - first
    energy: dict[tuple[int, int], float] = defaultdict(float)
    hours: dict[tuple[int, int], float] = defaultdict(float)
    grid = np.full((days.days + 1, 24), float(NO_HOUR))
    for day in range(days.days + 1):
        at, until = midnight(zone, first + timedelta(days=day)), midnight(zone, first + timedelta(days=day + 1))
        while at < until:
            grid[day, at.astimezone(zone).hour] = np.nan
            at += timedelta(minutes=30)
    cuts = np.flatnonzero(np.diff(line.edges[:-1] // QUARTER_S, prepend=-1))
    sums, lengths = np.add.reduceat(line.energies_wh, cuts), np.add.reduceat(np.diff(line.edges), cuts)
    for begin, value, length in zip(line.edges[cuts].tolist(), sums.tolist(), lengths.tolist(), strict=True):
        local = datetime.fromtimestamp(begin, zone)
        place = ((local.date() - first).days, local.hour)
        energy[place] += value
        hours[place] += length / HOUR_S
    for place, value in energy.items():
        grid[place] = value / hours[place]
    return grid


def heat_rows(line: Line, zone: ZoneInfo) -> list[tuple[date, str, float | None]]:
    """Each hour of each civil day with its mean power in W, None where a value is missing; for a file."""
    first = line.start.astimezone(zone).date()
    return [
        (first + timedelta(days=day), f"{hour:02}:00", None if np.isnan(value) else round(float(value), 3))
        for day, hours in enumerate(hourly_power(line, zone))
        for hour, value in enumerate(hours)
        if value != NO_HOUR
    ]


def is_hourly(line: Line) -> bool:
    """Whether the line has slots, none of them longer than an hour: what the heat map can be drawn of."""
    return len(line) > 0 and int(np.diff(line.edges).max()) <= HOUR_S


def _levels(power: NDArray[np.float64], top: float) -> NDArray[np.int64]:
    scaled = np.clip(np.nan_to_num(power) / (top or 1.0) * (LEVELS - 1), 0, LEVELS - 1)
    levels = np.round(scaled).astype(np.int64)
    levels[np.isnan(power)] = NO_VALUE
    levels[power == NO_HOUR] = NO_HOUR
    return levels


def _cells(levels: NDArray[np.int64], width: float) -> list[str]:
    """One path a shade: every run of equal hours of a day is one box."""
    d: dict[int, list[str]] = defaultdict(list)
    across = number(max(width - (0.6 if width > 4 else 0), 0.5))
    for day, column in enumerate(levels):
        cuts = np.r_[0, np.flatnonzero(np.diff(column)) + 1, 24]
        for a, b in pairwise(cuts.tolist()):
            x, y = number(LEFT + day * width), TOP + int(a) * ROW
            d[int(column[a])].append(f"M{x} {y}h{across}v{(int(b) - int(a)) * ROW}h-{across}z")
    looks = {NO_VALUE: "c-void", **{level: f"c-h{level}" for level in range(LEVELS)}}
    return [parts.path("".join(d[level]), css) for level, css in looks.items() if level in d]


def _summary(power: NDArray[np.float64], top: float) -> str:
    hours = power != NO_HOUR
    missing = int(np.isnan(power).sum())
    if missing == hours.sum():
        return _("No hour has a value.")
    known = np.where(hours & ~np.isnan(power), power, 0.0)
    counts = np.maximum((hours & ~np.isnan(power)).sum(axis=0), 1)
    peak = int(np.argmax(known.sum(axis=0) / counts))
    words = _("On average the most is used from %(from)s to %(to)s; the highest hour has %(power)s W.") % {
        "from": f"{peak:02}:00", "to": f"{(peak + 1) % 24:02}:00", "power": parts.figure(top, 0)
    }  # fmt: skip
    if missing:
        words += " " + _("%(missing)s of %(all)s hours have no value.") % {
            "missing": parts.figure(missing, 0), "all": parts.figure(int(hours.sum()), 0)
        }  # fmt: skip
    return words


def _table(power: NDArray[np.float64], title: Text) -> Table:
    rows: list[list[object]] = []
    for hour in range(24):
        column = power[:, hour]
        known = column[~np.isnan(column) & (column != NO_HOUR)]
        rows.append([
            f"{hour:02}:00",
            parts.figure(float(known.mean()), 0) if known.size else None,
            parts.figure(float(known.max()), 0) if known.size else None,
            int(np.isnan(column).sum()),
        ])  # fmt: skip
    return plain_table(title, [_("Hour"), _("Mean, W"), _("Highest, W"), _("Days without a value")], rows)
