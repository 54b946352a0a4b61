"""The completeness strip: one row a point, one box a civil day: all values there, some, none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from meterhall.domain.readings.civil import midnight
from meterhall.web.portal.charts import parts
from meterhall.web.portal.charts.parts import Chart, LegendEntry, number
from meterhall.web.portal.tables import Table, plain_table
from meterhall.web.portal.values import Text

LEFT, RIGHT, TOP, ROW, BOX = 190, 868, 10, 22, 14
FULL, PART, MISSING, NOT_DUE = "c-full", "c-part", "c-missing", "c-none"
HEIGHTS = {FULL: BOX, PART: BOX // 2, MISSING: 3, NOT_DUE: BOX}
"""The states differ in height too, not in colour alone."""
LABEL = 24


def completeness_strip(
    rows: Sequence[tuple[str, NDArray[np.float64]]],
    first_day: date,
    zone: ZoneInfo,
    title: Text,
    *,
    id: str = "completeness",
    csv_url: str = "",
) -> Chart:
    """`rows` are a label and the share (0 to 1) of each day's values that are there; NaN where none is due."""
    days = max((len(shares) for _label, shares in rows), default=0)
    width = (RIGHT - LEFT) / max(days, 1)
    bottom = TOP + ROW * len(rows)
    pieces: list[str] = []
    d: dict[str, list[str]] = defaultdict(list)
    for index, (label, shares) in enumerate(rows):
        y = TOP + index * ROW
        short = label if len(label) <= LABEL else label[: LABEL - 1] + "…"
        pieces.append(parts.text(LEFT - 10, y + 12, short, "c-text c-end"))
        for css, begin, end in _runs(shares):
            x, across = number(LEFT + begin * width), number((end - begin) * width)
            high = HEIGHTS[css]
            d[css].append(f"M{x} {y + BOX - high}h{across}v{high}h-{across}z")
    pieces += [parts.path("".join(d[css]), css) for css in (NOT_DUE, FULL, PART, MISSING) if css in d]
    if days:
        pieces += _axis(first_day, days, zone, width, bottom)
    summary, table = _summary(rows), _table(rows, first_day, title)
    legend = tuple(LegendEntry(words, css, "box") for css, words in _words().items())
    svg = parts.svg_of(pieces, bottom + 36, f"{title}. {summary}")
    return Chart(id, title, summary, svg, table, csv_url, legend)


def _axis(first_day: date, days: int, zone: ZoneInfo, width: float, bottom: float) -> list[str]:
    start, end = midnight(zone, first_day), midnight(zone, first_day + timedelta(days=days))

    def x_of(at: datetime) -> float:
        return LEFT + (at.astimezone(zone).date() - first_day).days * width

    ticks = [tick for tick in parts.time_ticks(start, end, zone, 8) if tick.at < end]
    return parts.time_axis([tick for tick in ticks if tick.at == midnight(zone, tick.at.astimezone(zone).date())],
                           x_of, bottom, bottom + 4, parts.WIDTH)  # fmt: skip


def state_of(share: float) -> str:
    """The look of one day."""
    if np.isnan(share):
        return NOT_DUE
    return FULL if share >= 1 else MISSING if share <= 0 else PART


def _words() -> dict[str, str]:
    return {FULL: _("complete"), PART: _("in part"), MISSING: _("missing"), NOT_DUE: _("not due")}


def _runs(shares: NDArray[np.float64]) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    for day, share in enumerate(shares):
        css = state_of(float(share))
        if found and found[-1][0] == css:
            found[-1] = (css, found[-1][1], day + 1)
        else:
            found.append((css, day, day + 1))
    return found


def _counts(shares: NDArray[np.float64]) -> tuple[int, int, int]:
    states = [state_of(float(share)) for share in shares]
    return states.count(FULL), states.count(PART), states.count(MISSING)


def _summary(rows: Sequence[tuple[str, NDArray[np.float64]]]) -> str:
    counts = [_counts(shares) for _label, shares in rows]
    full, some, none = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    perfect = sum(1 for _full, part, missing in counts if not part and not missing)
    words = _("%(perfect)s of %(all)s points complete; %(full)s days complete, %(part)s in part, %(missing)s missing.")
    return words % {
        "perfect": perfect, "all": len(rows), "full": full, "part": some, "missing": none
    }  # fmt: skip


def _table(rows: Sequence[tuple[str, NDArray[np.float64]]], first_day: date, title: Text) -> Table:
    """The days that follow each other in one state, of each point."""
    words = _words()
    lines = [
        [
            label,
            first_day + timedelta(days=begin),
            first_day + timedelta(days=end - 1),
            words[css],
            end - begin,
            None if css == NOT_DUE else f"{parts.figure(100 * float(np.mean(shares[begin:end])), 1)} %",
        ]
        for label, shares in rows
        for css, begin, end in _runs(shares)
    ]
    return plain_table(title, [_("Point"), _("First day"), _("Last day"), _("State"), _("Days"), _("Values")], lines)
