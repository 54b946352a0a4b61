"""Pages about metering points for the grid operator's staff. A whole POD is typed in to find a point; none is shown."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from meterhall.provider.points.models import Occupancy, Point
from meterhall.provider.points.service import label_for_holder, pod_key
from meterhall.web.accounts.access import role_required
from meterhall.web.platform import platform
from meterhall.web.portal import nav
from meterhall.web.portal.tables import Column, csv_response, plain_table, table, wants_csv
from meterhall.web.portal.values import Badge, CopyId, Fact, Link
from meterhall.web.portal.words import DIRECTION, GRANULARITY, USAGE_CLASS, word

STAFF = ("operator", "staff", "auditor")
COLUMNS: list[Column[Point]] = [
    Column(gettext_lazy("Point"), lambda row: CopyId(row.handle, reverse("staff:point", args=[row.handle])), "handle"),
    Column(gettext_lazy("POD"), label_for_holder),
    Column(gettext_lazy("Area"), lambda row: row.area, "area"),
    Column(gettext_lazy("Class"), lambda row: word(USAGE_CLASS, row.usage_class), "usage_class"),
    Column(gettext_lazy("Holders"), lambda row: row.stays, numeric=True),  # type: ignore[attr-defined]
    Column(gettext_lazy("Series"), lambda row: row.measured, numeric=True),  # type: ignore[attr-defined]
    Column(gettext_lazy("Use"), lambda row: Badge(_("test facility"), "info") if row.is_sandbox else Badge(_("real"))),
]
STAYS: list[Column[Occupancy]] = [
    Column(gettext_lazy("Reference of the holder"), lambda stay: stay.holder_reference),
    Column(gettext_lazy("From"), lambda stay: stay.first),
    Column(gettext_lazy("Until"), lambda stay: stay.until),
]


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*STAFF)
def point_list(request: HttpRequest) -> HttpResponseBase:
    """The metering points. What is searched for is posted: a POD must not stand in an address, which is logged."""
    wanted = request.POST.get("wanted", "").strip()
    rows = _found(wanted).annotate(stays=Count("occupancies", distinct=True), measured=Count("series", distinct=True))
    if wants_csv(request):
        return csv_response("points", rows.order_by("handle"), COLUMNS)
    empty = _("No point fits.") if wanted else _("None yet: hand in metering points with their holders.")
    shown = table(request, rows, COLUMNS, _("Metering points"), empty=empty, order="handle", export=not wanted)
    return render(request, "points/list.html", {"table": shown, "wanted": wanted})


def _found(wanted: str) -> QuerySet[Point]:
    """The points of a POD, a handle or a holder's reference, whole; all where nothing is wanted."""
    if not wanted:
        return Point.objects.all()
    fitting = Q(handle=wanted) | Q(occupancies__holder_reference=wanted)
    pod = pod_key(wanted, platform().config.country)
    return Point.objects.filter(fitting | Q(pod=pod) if pod else fitting).distinct()


@require_safe
@role_required(*STAFF)
def point_page(request: HttpRequest, handle: str) -> HttpResponseBase:
    """One metering point: where it is, who held it when, what is measured."""
    point = Point.objects.filter(handle=handle).first()
    if point is None:
        raise Http404
    series = [
        (word(DIRECTION, one.direction), word(GRANULARITY, str(one.grain)), one.first_day, one.until_day)
        for one in point.series.order_by("direction", "civil", "resolution_s")
    ]
    context = {
        "title": label_for_holder(point),
        "crumbs": [Link(_("Metering points"), reverse("staff:points")), Link(label_for_holder(point))],
        "facts": [
            Fact(_("Point"), CopyId(point.handle)),
            Fact(_("Scheme"), point.scheme),
            Fact(_("Time zone"), point.zone),
            Fact(_("Grid area"), point.area or None),
            *place_facts(point),
            Fact(_("Class"), word(USAGE_CLASS, point.usage_class)),
            Fact(_("Power of the connection (W)"), point.maximum_power_w),
        ],
        "series": plain_table(
            _("Series"), [_("Direction"), _("Granularity"), _("First day"), _("Until")], series, empty=_("none")
        ),
        "meters": plain_table(
            _("Meters"),
            [_("Number"), _("From"), _("Until")],
            [(one.number, one.first, one.until) for one in point.meters.all()],
            empty=_("none"),
        ),
        "table": table(request, list(point.occupancies.all()), STAYS, _("Holders"), empty=_("none"), export=False),
    }
    return render(request, "points/point.html", context)


def place_facts(point: Point) -> list[Fact]:
    """Where a point is: for staff and for its holder."""
    return [
        Fact(_("Postal code"), point.postal_code or None),
        Fact(_("Municipality"), point.municipality or None),
        Fact(_("Address"), point.address or None),
    ]


urlpatterns = [
    path("points", point_list, name="points"),
    path("points/<str:handle>", point_page, name="point"),
]
nav.register(gettext_lazy("Metering points"), "staff:points", STAFF, order=21)
