"""The load curve: steps for few values, the least and greatest of each pixel column for many.

A gap in the data is a gap in the line, and shaded; estimated values are dashed; the clock change is marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from numpy.typing import NDArray

from meterhall.web.portal.charts import parts
from meterhall.web.portal.charts.lines import Line, periods_for_table
from meterhall.web.portal.charts.parts import Chart, LegendEntry, number
from meterhall.web.portal.tables import Table, plain_table
from meterhall.web.portal.values import Link, Text

LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 64, 868, 30, 262, 300
COLUMNS = RIGHT - LEFT
ROWS_IN_TABLE = 200
CLOCK_TEXT_DAYS = 45
SERIES_LOOKS = 6
Run = list[tuple[float, float, float, float]]
"""Pieces of a line that touch: x from, x to, y first, y last."""


@dataclass(frozen=True, slots=True)
class Plot:
    """The drawing area: instants to x, values to y."""

    start_s: int
    end_s: int
    ticks: list[float]

    def x(self, at_s: float) -> float:
        return LEFT + (at_s - self.start_s) / (self.end_s - self.start_s) * COLUMNS

    def x_of(self, at: datetime) -> float:
        return self.x(at.timestamp())

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP)


def load_curve_chart(
    lines: Sequence[Line],
    zone: ZoneInfo,
    title: Text,
    *,
    power: bool = False,
    id: str = "load-curve",
    csv_url: str = "",
    links: tuple[Link, ...] = (),
) -> Chart:
    """The chart of one or several lines, in kWh a slot, or in W (kW) with `power`."""
    filled = [line for line in lines if len(line)]
    if not filled:
        return Chart(id, title, _("There is no data for this period."), SafeString(""), csv_url=csv_url, links=links)
    divisor, unit = _unit(filled, power)
    values = [line.shown(power) / divisor for line in filled]
    start, end = min(line.start for line in filled), max(line.end for line in filled)
    present = np.concatenate([each[~np.isnan(each)] for each in values])
    low, high = (min(0.0, float(present.min())), float(present.max())) if present.size else (0.0, 1.0)
    plot = Plot(int(start.timestamp()), int(end.timestamp()), parts.nice_ticks(low, high))
    summary = _summary(filled, zone)
    pieces = [
        *parts.value_axis(plot.ticks, plot.y, LEFT, RIGHT, unit),
        *parts.time_axis(parts.time_ticks(start, end, zone), plot.x_of, TOP, BOTTOM, parts.WIDTH),
        *_gaps(filled, plot),
    ]
    for index, (line, shown) in enumerate(zip(filled, values, strict=True)):
        pieces += _draw(line, shown, plot, f"c-line c-s{index % SERIES_LOOKS + 1}")
    pieces += _clock(start, end, zone, plot)
    svg = parts.svg_of(pieces, HEIGHT, f"{title}. {summary}")
    return Chart(id, title, summary, svg, _table(filled, zone, title), csv_url, _legend(filled), links)


def _unit(lines: Sequence[Line], power: bool) -> tuple[float, str]:
    if not power:
        return 1000.0, "kWh"
    most = max((float(np.nanmax(np.abs(line.shown(True)))) for line in lines if line.present.any()), default=0.0)
    return (1000.0, "kW") if most >= 2000 else (1.0, "W")


def _draw(line: Line, values: NDArray[np.float64], plot: Plot, css: str) -> list[str]:
    runs = _steps(line, values, plot) if len(line) <= COLUMNS else _columns(line, values, plot)
    measured: list[str] = []
    estimated: list[str] = []
    before: tuple[float, float] | None = None
    for marked, run in runs:
        target = estimated if marked else measured
        joined = before is not None and before[0] == run[0][0]
        target.append(_d(run, before[1] if joined and before else None))
        before = (run[-1][1], run[-1][3])
    return [parts.path("".join(measured), css), parts.path("".join(estimated), f"{css} c-estimated")]


def _d(run: Run, joined_to: float | None) -> str:
    """A run as path data: a new M, then upright and level strokes only, no coordinate twice."""
    x, y = number(run[0][0]), number(run[0][2] if joined_to is None else joined_to)
    out = [f"M{x} {y}"]
    for from_x, to_x, first, last in run:
        for command, value, held in (("H", from_x, "x"), ("V", first, "y"), ("V", last, "y"), ("H", to_x, "x")):
            shown = number(value)
            if shown != (x if held == "x" else y):
                if out[-1][0] == command == "H":
                    out.pop()
                out.append(command + shown)
                x, y = (shown, y) if held == "x" else (x, shown)
    return "".join(out)


def _split(present: NDArray[np.bool_], marked: NDArray[np.bool_]) -> Iterable[tuple[bool, slice]]:
    """Slices of consecutive present entries with the same mark."""
    state = np.where(present, np.where(marked, 2, 1), 0)
    cuts = np.flatnonzero(np.diff(state)) + 1
    for a, b in zip(np.r_[0, cuts], np.r_[cuts, len(state)], strict=True):
        if state[a]:
            yield bool(state[a] == 2), slice(int(a), int(b))


def _steps(line: Line, values: NDArray[np.float64], plot: Plot) -> list[tuple[bool, Run]]:
    xs = [plot.x(float(edge)) for edge in line.edges]
    found = []
    for marked, part in _split(line.present, line.estimated):
        ys = [plot.y(float(value)) for value in values[part]]
        found.append(
            (marked, [(xs[i], xs[i + 1], y, y) for i, y in zip(range(part.start, part.stop), ys, strict=True)])
        )
    return found


def _columns(line: Line, values: NDArray[np.float64], plot: Plot) -> list[tuple[bool, Run]]:
    middles = (line.edges[:-1] + line.edges[1:]) / 2
    column = ((middles - plot.start_s) / (plot.end_s - plot.start_s) * COLUMNS).astype(np.int64)
    first = np.flatnonzero(np.diff(column, prepend=-1))
    low, high = np.fmin.reduceat(values, first), np.fmax.reduceat(values, first)
    marked = np.logical_or.reduceat(line.estimated, first)
    whole_gap = ~np.logical_or.reduceat(line.present, first)
    found = []
    for flag, part in _split(~whole_gap, marked):
        run: Run = []
        for i in range(part.start, part.stop):
            x = float(LEFT + column[first[i]])
            ys = round(plot.y(float(low[i]))), round(plot.y(float(high[i])))
            begins, ends = ys if not run or abs(run[-1][3] - ys[0]) <= abs(run[-1][3] - ys[1]) else ys[::-1]
            run.append((x, x + 1, float(begins), float(ends)))
        found.append((flag, run))
    return found


def _gaps(lines: Sequence[Line], plot: Plot) -> list[str]:
    """Shade where a line has no value, never thinner than a pixel; several lines share the shade."""
    spans: list[tuple[int, int]] = []
    for line in lines:
        missing = np.flatnonzero(np.diff(np.r_[False, ~line.present, False].astype(np.int8)))
        for a, b in missing.reshape(-1, 2):
            left = int(plot.x(float(line.edges[a])))
            spans.append((left, max(left + 1, round(plot.x(float(line.edges[b]))))))
    d = []
    reached = -1
    for left, right in sorted(spans):
        if right > reached:
            begin = max(left, reached)
            d.append(f"M{begin} {TOP}h{right - begin}V{BOTTOM}h-{right - begin}z")
            reached = right
    return [parts.path("".join(d), "c-gap")]


def _clock(start: datetime, end: datetime, zone: ZoneInfo, plot: Plot) -> list[str]:
    pieces = []
    for at, words in parts.clock_changes(start, end, zone):
        x = plot.x_of(at)
        pieces.append(parts.path(f"M{number(x)} {TOP - 6}V{BOTTOM}", "c-clock"))
        if (end - start).days <= CLOCK_TEXT_DAYS:
            css = "c-clock-text c-end" if x > RIGHT - 150 else "c-clock-text"
            pieces.append(parts.text(x, TOP - 12, _("clock %(change)s") % {"change": words}, css))
    return pieces


def _legend(lines: Sequence[Line]) -> tuple[LegendEntry, ...]:
    entries = [
        LegendEntry(line.label, f"c-line c-s{index % SERIES_LOOKS + 1}")
        for index, line in enumerate(lines)
        if len(lines) > 1
    ]
    if any(line.estimated.any() for line in lines):
        entries.append(LegendEntry(_("estimated"), "c-line c-s1 c-estimated"))
    if any(not line.present.all() for line in lines):
        entries.append(LegendEntry(_("no value"), "c-gap", "box"))
    return tuple(entries)


def _summary(lines: Sequence[Line], zone: ZoneInfo) -> str:
    return " ".join(_sentence(line, zone, named=len(lines) > 1) for line in lines[:3])


def _sentence(line: Line, zone: ZoneInfo, named: bool) -> str:
    """One line in words; an incomplete total says so and is not given as a sum."""
    present = line.present
    period = f"{parts.instant_text(line.start, zone)} – {parts.instant_text(line.end, zone)}"
    words = [f"{line.label}: {period}" if named else period]
    if present.all():
        words.append(_("%(energy)s kWh in all") % {"energy": parts.figure(float(line.energies_wh.sum()) / 1000)})
    else:
        counts = {"missing": parts.figure(int((~present).sum()), 0), "all": parts.figure(len(line), 0)}
        words.append(_("%(missing)s of %(all)s values missing") % counts)
    if present.any():
        top = int(np.nanargmax(line.shown(True)))
        at = parts.instant_text(datetime.fromtimestamp(int(line.edges[top]), zone), zone)
        highest = parts.figure(float(line.shown(True)[top]), 0)
        words.append(_("highest %(power)s W on %(at)s") % {"power": highest, "at": at})
    if estimated := int(line.estimated.sum()):
        words.append(
            ngettext("%(count)s estimated", "%(count)s estimated", estimated) % {"count": parts.figure(estimated, 0)}
        )
    return "; ".join(words) + "."


def _table(lines: Sequence[Line], zone: ZoneInfo, title: Text) -> Table:
    """Every value where they are few, else the sum of each day or month; an incomplete sum is left open."""
    longest = max(lines, key=len)
    if len(longest) <= ROWS_IN_TABLE and all(np.array_equal(line.edges, longest.edges) for line in lines):
        return _value_table(lines, zone, title)
    periods = periods_for_table(min(line.start for line in lines), max(line.end for line in lines), zone)
    sums = [line.sums(periods) for line in lines]
    rows: list[list[object]] = []
    for index, period in enumerate(periods):
        row: list[object] = [parts.day_text(period.first_day)]
        for line_sums in sums:
            energy, there, wanted = line_sums[index]
            row.append(parts.figure(energy / 1000) if there == wanted and wanted else None)
            row.append(f"{there} / {wanted}")
        rows.append(row)
    heads: list[Text] = [_("From")]
    for line in lines:
        heads += [f"{line.label}, kWh", _("Values there")]
    return plain_table(title, heads, rows)


def _value_table(lines: Sequence[Line], zone: ZoneInfo, title: Text) -> Table:
    rows: list[list[object]] = []
    for index in range(len(lines[0])):
        at = datetime.fromtimestamp(int(lines[0].edges[index]), zone)
        row: list[object] = [parts.instant_text(at, zone)]
        for line in lines:
            energy = float(line.energies_wh[index])
            word = _("estimated") if line.estimated[index] else ""
            row += [None if np.isnan(energy) else parts.figure(energy / 1000), word or "–"]
        rows.append(row)
    heads: list[Text] = [_("From")]
    for line in lines:
        heads += [f"{line.label}, kWh", _("Quality")]
    return plain_table(title, heads, rows)
