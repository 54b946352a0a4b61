"""Charts as the server's own SVG: no script, no inline style; each with a summary, a table and a CSV link."""

from meterhall.web.portal.charts.completeness import completeness_strip
from meterhall.web.portal.charts.heatmap import heatmap
from meterhall.web.portal.charts.lines import Line
from meterhall.web.portal.charts.load_curve import load_curve_chart
from meterhall.web.portal.charts.parts import Chart
from meterhall.web.portal.charts.sla import SlaBar, sla_bars

__all__ = ["Chart", "Line", "SlaBar", "completeness_strip", "heatmap", "load_curve_chart", "sla_bars"]
