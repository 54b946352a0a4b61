"""Pages to look at what was collected: the load curve of a POD or group, and how complete its days are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from meterhall.domain.readings import MISSING, GranularityUnavailable, PeriodCurve, parse_granularity
from meterhall.requester.activations.models import ActivationItem
from meterhall.requester.analysis import late, missing, service
from meterhall.requester.analysis.service import Subject
from meterhall.requester.collection.models import Series
from meterhall.requester.customers.models import CustomerPoint
from meterhall.requester.customers.service import find_point
from meterhall.requester.partners.models import Subscription
from meterhall.requester.words import READERS
from meterhall.web.accounts.access import role_required
from meterhall.web.portal import nav
from meterhall.web.portal.charts import Chart, Line, completeness_strip, heatmap, load_curve_chart
from meterhall.web.portal.charts.heatmap import heat_rows, is_hourly
from meterhall.web.portal.charts.lines import ESTIMATED
from meterhall.web.portal.filters import Choice, Search, coded, distinct
from meterhall.web.portal.periods import Period
from meterhall.web.portal.tables import Column, csv_response, listing, wants_csv
from meterhall.web.portal.templatetags.portal import day_range
from meterhall.web.portal.values import Fact, Link
from meterhall.web.portal.words import DIRECTION, GRANULARITY, MEASURE, word

COLUMNS: list[Column[Series]] = [
    Column(gettext_lazy("Customer or group"), lambda row: Link(_title(row), _address(row))),
    Column(gettext_lazy("Direction"), lambda row: word(DIRECTION, row.direction), "direction"),
    Column(gettext_lazy("Granularity"), lambda row: word(GRANULARITY, row.granularity), "granularity"),
    Column(gettext_lazy("First day"), lambda row: row.first_day, "first_day"),
    Column(gettext_lazy("Last day"), lambda row: row.until_day and row.until_day - timedelta(days=1), "until_day"),
    Column(gettext_lazy("Received"), lambda row: row.received_at, "received_at"),
]


def _title(row: Series) -> str:
    return _("%(name)s · forecast") % {"name": _name(row)} if row.is_forecast else _name(row)


def _address(row: Series) -> str:
    return reverse("analysis:curve", args=[row.pseudonym]) + ("?forecast=1" if row.is_forecast else "")


def _name(row: Series) -> str:
    """The customer behind a series; for an aggregate, how many points it stands for."""
    if row.group_name or row.measure not in ("", "sum"):
        parts = (str(word(MEASURE, row.measure)), row.group_name, str(row.group_size))
        return " · ".join(part for part in parts if part)
    if row.group_size:
        return _("sum of %d points") % row.group_size
    try:
        subject = service.subject_of(row.pseudonym)
    except service.NothingCollected:
        return row.pseudonym
    return _reference(subject) or row.pseudonym


def _reference(subject: Subject) -> str:
    return (
        CustomerPoint.objects.filter(pod=subject.pod).values_list("reference", flat=True).first() or subject.pod or ""
    )


@require_safe
@role_required(*READERS)
def curves(request: HttpRequest) -> HttpResponse:
    """Every series that is held."""
    return listing(
        request, "analysis/curves.html", HELD, COLUMNS, _("Load curves"), file="series", filters=FILTERS,
        order="-received_at",
    )  # fmt: skip


HELD = Series.objects.filter(withdrawn_at=None).exclude(received_at=None)


def _named(text: str) -> Q:
    """The series of customers by reference, and of groups by what they are of. PODs are not searched for here."""
    pods = CustomerPoint.objects.filter(reference__icontains=text).values("pod")
    items = ActivationItem.objects.filter(pod__in=pods).exclude(pseudonym="").values("pseudonym")
    return Q(pseudonym__in=items) | Q(group_name__icontains=text) | Q(pseudonym=text)


FILTERS = (
    Search(gettext_lazy("Reference of the customer, or group"), finds=_named),
    Choice("provider", gettext_lazy("Provider"), distinct(Subscription.objects.all(), "provider", "provider_name")),
    coded(HELD, "direction", gettext_lazy("Direction"), DIRECTION),
    coded(HELD, "granularity", gettext_lazy("Granularity"), GRANULARITY),
)


@require_safe
@role_required(*READERS)
def curve(request: HttpRequest, pseudonym: str) -> HttpResponseBase:
    """The load curve behind a pseudonym."""
    return _page(request, service.subject_of(pseudonym), pseudonym)


@require_safe
@role_required(*READERS)
def customer(request: HttpRequest, number: int) -> HttpResponseBase:
    """The load curve of a line of the customer list."""
    point = find_point(number)
    return _page(request, service.subject_of_pod(point.pod), point.reference)


def _page(request: HttpRequest, subject: Subject, name: str) -> HttpResponseBase:
    direction = request.GET.get("direction", "import")
    direction = direction if direction in DIRECTION else "import"
    granularity = request.GET.get("granularity", "")
    granularity = granularity if granularity in GRANULARITY else ""
    subject = replace(subject, is_forecast=request.GET.get("forecast") == "1")
    series = service.series_of(subject, direction)
    period = Period.of(request, subject.zone, service.known_period(series).until - timedelta(days=1))
    days = period.civil()
    try:
        found = service.load_curve(subject, direction, days, granularity or None)
    except GranularityUnavailable:
        found = service.load_curve(subject, direction, days)
    title = _reference(subject) or name
    title = _("%(name)s · forecast") % {"name": title} if subject.is_forecast else title
    line = _line(found, title)
    export = request.GET.get("export", "")
    if export == "completeness":
        return csv_response("completeness", service.completeness(subject, direction, days), COMPLETENESS)
    if export == "hours" and is_hourly(line):
        return csv_response("hours", heat_rows(line, subject.zone), HOURS)
    if wants_csv(request):
        lines = HttpResponse("".join(service.csv_rows(subject, found)), content_type="text/csv; charset=utf-8")
        lines["Content-Disposition"] = 'attachment; filename="readings.csv"'
        return lines
    context = {
        "title": title,
        "crumbs": [Link(_("Load curves"), reverse("analysis:curves")), Link(title)],
        "charts": _charts(line, subject, direction, period),
        "facts": _facts(subject, series),
        "choices": _choices(subject, direction, str(found.granularity), series, period),
    }
    return render(request, "analysis/curve.html", context)


COMPLETENESS: list[Column[service.DayCompleteness]] = [
    Column(gettext_lazy("Day"), lambda one: one.day),
    Column(gettext_lazy("Values there"), lambda one: one.present),
    Column(gettext_lazy("Values expected"), lambda one: one.expected),
]
HOURS: list[Column[tuple[date, str, float | None]]] = [
    Column(gettext_lazy("Day"), lambda row: row[0]),
    Column(gettext_lazy("Hour"), lambda row: row[1]),
    Column(gettext_lazy("Mean, W"), lambda row: row[2]),
]


def _line(found: PeriodCurve, title: str) -> Line:
    there = found.mantissas != MISSING
    energies = np.where(there, found.mantissas, np.nan) * 10.0**found.series.scale
    return Line(title, found.edges, energies, np.isin(found.quality, ESTIMATED) & there)


def _charts(line: Line, subject: Subject, direction: str, period: Period) -> list[Chart]:
    """The load curve, when in the day the energy flows, and, unless only weeks or months are held, which days are
    complete."""
    curve = load_curve_chart(
        [line], subject.zone, _("Load curve"), csv_url=period.with_query(export="csv"), links=period.links()
    )
    try:
        shares = [one.present / one.expected for one in service.completeness(subject, direction, period.civil())]
    except GranularityUnavailable:
        return [curve]
    strip = completeness_strip(
        [(str(line.label), np.array(shares))], period.first, subject.zone, _("Completeness"),
        csv_url=period.with_query(export="completeness"),
    )  # fmt: skip
    if not is_hourly(line):
        return [curve, strip]
    hours = heatmap(line, subject.zone, _("Hours of the days"), csv_url=period.with_query(export="hours"))
    return [curve, hours, strip]


def _facts(subject: Subject, series: list[Series]) -> list[Fact]:
    known = service.known_period(series)
    return [
        Fact(_("Point of delivery"), subject.pod)
        if subject.pod
        else Fact(_("Points in the sum"), series[0].group_size),
        *([Fact(_("Group"), _name(series[0]))] if series[0].measure else []),
        Fact(_("Collected"), day_range(known.first, known.until)),
        Fact(_("Finest granularity"), word(GRANULARITY, series[0].granularity)),
        Fact(_("Last received"), max((one.received_at for one in series if one.received_at), default=None)),
    ]


def _choices(
    subject: Subject, direction: str, granularity: str, series: Sequence[Series], period: Period
) -> list[list[Link]]:
    """Other directions, and granularities that what is held makes, of the same days, as links."""
    directions = sorted(set(service.held_of(subject).values_list("direction", flat=True)) & set(DIRECTION))
    codes, held = list(GRANULARITY), [parse_granularity(one.granularity) for one in series]
    coarser = codes[codes.index(str(held[0])) :] if str(held[0]) in codes else codes
    if held[0].civil:
        coarser = [one for one in coarser if any(parse_granularity(one).is_made_of(of) for of in held)]
    kept = {"from": period.first.isoformat(), "to": period.until.isoformat()}
    kept |= {"forecast": "1"} if subject.is_forecast else {}

    def link(text: str, chosen: bool, **wanted: str) -> Link:
        query = "&".join(f"{name}={value}" for name, value in (kept | wanted).items())
        return Link(text) if chosen else Link(text, f"?{query}")

    return [
        [link(word(DIRECTION, one), one == direction, direction=one, granularity=granularity) for one in directions],
        [link(word(GRANULARITY, one), one == granularity, direction=direction, granularity=one) for one in coarser],
    ]


_pages = [
    *missing.pages,
    *late.pages,
    path("curves", curves, name="curves"),
    path("curves/<uuid:pseudonym>", lambda request, pseudonym: curve(request, str(pseudonym)), name="curve"),
    path("customers/<int:number>/curve", customer, name="customer"),
]
urls: list[URLPattern | URLResolver] = [path("", include((_pages, "analysis")))]
nav.register(gettext_lazy("Load curves"), "analysis:curves", READERS, order=70)
