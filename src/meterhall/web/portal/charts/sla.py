"""SLA bars: what was promised against what was kept, each as a bar with its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from meterhall.web.portal.charts import parts
from meterhall.web.portal.charts.parts import Chart, LegendEntry, number
from meterhall.web.portal.tables import plain_table
from meterhall.web.portal.values import Badge, Text

LEFT, RIGHT, TOP, ROW, BAR = 230, 780, 10, 34, 16
LABEL = 30


@dataclass(frozen=True, slots=True)
class SlaBar:
    """A share kept (0 to 1; None where nothing was measured) and the share promised."""

    label: str
    kept: float | None
    promised: float

    @property
    def held(self) -> bool | None:
        return None if self.kept is None else self.kept >= self.promised


def sla_bars(bars: Sequence[SlaBar], title: Text, *, id: str = "sla", csv_url: str = "") -> Chart:
    """The bars, from 0 to 100 %, with a mark at what was promised."""
    pieces: list[str] = []
    for index, bar in enumerate(bars):
        y = TOP + index * ROW
        label = bar.label if len(bar.label) <= LABEL else bar.label[: LABEL - 1] + "…"
        pieces.append(parts.text(LEFT - 12, y + 13, label, "c-text c-end"))
        pieces.append(_box(LEFT, y, RIGHT - LEFT, "c-track"))
        if bar.kept is not None:
            css = "c-bar-success" if bar.held else "c-bar-danger"
            pieces.append(_box(LEFT, y, bar.kept * (RIGHT - LEFT), css))
        mark = number(LEFT + bar.promised * (RIGHT - LEFT))
        pieces.append(parts.path(f"M{mark} {y - 4}v{BAR + 8}", "c-target"))
        pieces.append(parts.text(RIGHT + 12, y + 13, _percent(bar.kept)))
    measured = [bar.held for bar in bars if bar.held is not None]
    broken = measured.count(False)
    summary = _("%(broken)s of %(all)s promises broken.") % {"broken": broken, "all": len(measured)}
    summary = summary if measured else _("Nothing has come due yet.")
    words = {True: Badge(_("held"), "success"), False: Badge(_("broken"), "danger"), None: Badge(_("not measured"))}
    rows = [[bar.label, _percent(bar.kept), _percent(bar.promised), words[bar.held]] for bar in bars]
    table = plain_table(title, [_("Promise"), _("Kept"), _("Promised"), _("Result")], rows)
    svg = parts.svg_of(pieces, TOP + ROW * len(bars) + 4, f"{title}. {summary}")
    return Chart(id, title, summary, svg, table, csv_url, (LegendEntry(_("promised"), "c-target"),))


def _box(x: float, y: float, width: float, css: str) -> str:
    return f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{BAR}" rx="2" class="{css}"/>'


def _percent(share: float | None) -> str:
    return _("not measured") if share is None else f"{parts.figure(share * 100, 1)} %"
