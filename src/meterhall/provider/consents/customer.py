"""The customer's own pages: consents with their last access, withdrawal, history, who read what, and the own data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.consents.models import Consent, ConsentItem
from meterhall.provider.consents.service import UnknownConsent, UnknownPoint, revoke
from meterhall.provider.consents.words import ASSURANCE, DIRECTION, GRANULARITY, STATE, state_of, what
from meterhall.provider.deliveries.models import AccessLog
from meterhall.provider.metering.own_data import own_rows
from meterhall.provider.points.models import Point
from meterhall.provider.points.own_point import own_point
from meterhall.provider.points.service import holder_points, label_for_holder
from meterhall.web.accounts.access import person_of, role_required
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Choice, coded, distinct, filtered
from meterhall.web.portal.tables import Column, csv_response, listing, paged, plain_table, table, wants_csv
from meterhall.web.portal.templatetags.portal import day_range
from meterhall.web.portal.values import Confirmation, CopyId, Fact, Link, Step, Text

ACTIVE = ("granted", "partly_revoked")
FEW = 10
"""A list of at most so many lines is read on a phone as it is, without a form above it."""
KIND = {
    "download": gettext_lazy("fetched"),
    "push": gettext_lazy("sent to it"),
    "feed": gettext_lazy("fetched, changes only"),
    "live": gettext_lazy("fetched at once"),
}


def _holder(request: HttpRequest) -> str:
    return person_of(request).holder_reference


def _consents(request: HttpRequest) -> QuerySet[Consent]:
    return Consent.objects.filter(holder_reference=_holder(request)).annotate(last=Max("accesses__at"))


@never_cache
@require_safe
@role_required("customer")
def home(request: HttpRequest) -> HttpResponseBase:
    """Who may have which data, until when, and when it was last read; each with its way out."""
    mine = _consents(request).filter(state__in=ACTIVE).prefetch_related("items__point").order_by("-granted_at", "pk")
    found = filtered(request, mine, _of_use(request, _who_of(mine)))
    if wants_csv(request):
        return csv_response("consents", found.checked(), CONSENTS)
    meters = holder_points(_holder(request))
    rows = [_meter(one) for one in meters]
    context = {
        "consents": [_card(consent) for consent in paged(request, found.rows)[0]],
        "table": table(request, found, [], _("Your consents"), few=FEW),
        "meters": plain_table(_("Your meters"), [_(one) for one in METERS], rows),
        "ended": _consents(request).exclude(state__in=ACTIVE).count(),
    }
    return render(request, "consents/home.html", context)


METERS = (
    gettext_noop("Meter"),
    gettext_noop("Address"),
    gettext_noop("Grid area"),
    gettext_noop("Your data (CSV)"),
    gettext_noop("What is kept of it (JSON)"),
)


def _meter(point: Point) -> tuple[object, ...]:
    place = " ".join(part for part in (point.postal_code, point.municipality) if part)
    return (
        label_for_holder(point),
        ", ".join(part for part in (point.address, place) if part) or None,
        point.area or None,
        Link(_("Download"), data_of(point.handle)),
        Link(_("Download"), reverse("customer:point", args=[point.handle])),
    )


def _card(consent: Consent) -> dict[str, Any]:
    items = _running(consent)
    return {
        "name": consent.requester_name,
        "facts": [*_facts(consent, items), Fact(_("Last read"), consent.last or _("never"))],  # type: ignore[attr-defined]
        "href": page_of(consent.pk),
        "confirmation": _withdraw(consent, "all"),
    }


def _running(consent: Consent) -> list[ConsentItem]:
    return [item for item in consent.items.all() if item.ended_at is None]


def _purposes(items: list[ConsentItem]) -> list[str]:
    return list(dict.fromkeys(item.purpose for item in items))


def _data(items: list[ConsentItem]) -> list[str]:
    return sorted({" · ".join(what(DataScope.model_validate(item.scope))) for item in items})


def _meters(items: list[ConsentItem]) -> list[str]:
    return list(dict.fromkeys(label_for_holder(item.point) for item in items))


def _until(consent: Consent, items: list[ConsentItem]) -> datetime | None:
    return max((item.access_until for item in items), default=consent.ended_at)


def _facts(consent: Consent, items: list[ConsentItem]) -> list[Fact]:
    return [
        Fact(_("What for"), _purposes(items)),
        Fact(_("Which data"), _data(items)),
        Fact(_("Meters"), _meters(items)),
        Fact(_("Until"), _until(consent, items)),
    ]


CONSENTS: list[Column[Consent]] = [
    Column(gettext_lazy("Who"), lambda row: row.requester_name),
    Column(gettext_lazy("What for"), lambda row: _purposes(_running(row))),
    Column(gettext_lazy("Which data"), lambda row: _data(_running(row))),
    Column(gettext_lazy("Meters"), lambda row: _meters(_running(row))),
    Column(gettext_lazy("Allowed"), lambda row: row.granted_at),
    Column(gettext_lazy("Until"), lambda row: _until(row, _running(row))),
    Column(gettext_lazy("Last read"), lambda row: row.last),  # type: ignore[attr-defined]
    Column(gettext_lazy("Permission"), lambda row: row.pk),
]
"""The consents in force as a file."""


def _who_of(consents: QuerySet[Consent]) -> Choice:
    """The choice among the companies that the customer has dealt with."""
    return Choice("who", gettext_lazy("Who"), distinct(consents, "requester", "requester_name"), "requester")


def _of_use(request: HttpRequest, *filters: Choice) -> list[Choice]:
    """Those with something to choose between, or asked for by the address."""
    return [one for one in filters if one.name in request.GET or len(list(_options(one))) > 1]


def _options(one: Choice) -> Iterable[tuple[str, Text]]:
    return one.options.items() if isinstance(one.options, Mapping) else one.options()


def _meter_of(reads: QuerySet[AccessLog]) -> Choice:
    """The choice among the customer's own meters that were read."""

    def options() -> list[tuple[str, Text]]:
        points = Point.objects.filter(pk__in=reads.order_by().values("point"))
        return sorted((point.handle, label_for_holder(point)) for point in points)

    return Choice("meter", gettext_lazy("Meter"), options, "point__handle")


def page_of(consent_id: str) -> str:
    """Address of a consent's page."""
    return reverse("customer:consent", args=[consent_id])


def data_of(handle: str) -> str:
    """Address of a meter's own data."""
    return reverse("customer:data", args=[handle])


def _withdraw(consent: Consent, which: str, label: str = "") -> Confirmation:
    name = {"name": consent.requester_name, "meter": label}
    title = _("Withdraw for %(meter)s?") if label else _("Withdraw everything from %(name)s?")
    return Confirmation(
        id=f"withdraw-{consent.pk}-{which}",
        button=_("Withdraw"),
        title=title % name,
        text=_("%(name)s gets no more data from this moment on. It is told so at once.") % name,
        action=reverse("customer:withdraw", args=[consent.pk]),
        confirm=_("Yes, withdraw"),
        danger=True,
        hidden={"withdraw": which},
    )


@never_cache
@require_safe
@role_required("customer")
def consent_page(request: HttpRequest, consent_id: str) -> HttpResponseBase:
    """One consent: what was allowed, for which meters, what became of it, who read what under it."""
    consent = _consents(request).filter(pk=consent_id).first()
    if consent is None:
        raise UnknownConsent
    items = list(consent.items.select_related("point"))
    running = {item.point.handle: item.point for item in items if item.ended_at is None}
    reads = AccessLog.objects.filter(consent=consent).select_related("consent", "point")
    found = filtered(request, reads, _of_use(request, _meter_of(reads)))
    if wants_csv(request):
        return csv_response("accesses", found.checked(), ACCESSES)
    per_meter = [(label_for_holder(point), _withdraw(consent, handle, label_for_holder(point))) for handle, point in
                 running.items()] if len(running) > 1 else []  # fmt: skip
    context = {
        "consent": consent,
        "badge": state_of(consent.state),
        "facts": [*_facts(consent, items), Fact(_("How it was given"), ASSURANCE[consent.assurance])],
        "steps": _steps(consent, items),
        "confirmation": _withdraw(consent, "all") if consent.state in ACTIVE else None,
        "per_meter": per_meter,
        "table": table(request, found, READS, _("Who read what"), empty=_("Nothing was read."), order="-at", few=FEW),
        "crumbs": [Link(_("Your consents"), reverse("customer:home")), Link(consent.requester_name)],
    }
    return render(request, "consents/consent.html", context)


def _steps(consent: Consent, items: list[ConsentItem]) -> list[Step]:
    steps = [Step(_("Allowed"), consent.granted_at, ASSURANCE[consent.assurance], "success")]
    ends: dict[datetime, list[str]] = {}
    for item in items:
        if item.ended_at is not None:
            ends.setdefault(item.ended_at, []).append(label_for_holder(item.point))
    for at, labels in sorted(ends.items()):
        steps.append(Step(_("Ended"), at, ", ".join(dict.fromkeys(labels)), "neutral"))
    if consent.state == "expired":
        steps.append(Step(_("Run out"), consent.ended_at, "", "neutral"))
    return steps


@require_POST
@role_required("customer")
def withdraw(request: HttpRequest, consent_id: str) -> HttpResponseBase:
    """Withdraw a consent, wholly or for one meter."""
    which = request.POST.get("withdraw", "all")
    consent = revoke(consent_id, _holder(request), () if which == "all" else (which,))
    messages.success(request, _("Withdrawn. %(name)s gets no more data.") % {"name": consent.requester_name})
    return redirect("customer:home")


def _directions(row: AccessLog) -> str:
    names = ", ".join(str(DIRECTION[one]) for one in row.directions)
    if row.is_forecast:
        names = _("%(names)s, as a forecast") % {"names": names}
    return _("%(names)s (in a sum)") % {"names": names} if row.is_sum else names


def _who(row: AccessLog) -> str:
    return row.consent.requester_name if row.consent else row.requester


ACCESSES: list[Column[AccessLog]] = [
    Column(gettext_lazy("When"), lambda row: row.at, "at"),
    Column(gettext_lazy("Who"), _who),
    Column(gettext_lazy("Meter"), lambda row: label_for_holder(row.point)),
    Column(gettext_lazy("Data"), _directions),
    Column(gettext_lazy("How fine"), lambda row: GRANULARITY.get(row.granularity, row.granularity)),
    Column(gettext_lazy("Days"), lambda row: day_range(row.first, row.until)),
    Column(gettext_lazy("How"), lambda row: KIND[row.kind]),
    Column(
        gettext_lazy("Permission"),
        lambda row: CopyId(row.consent_id, page_of(row.consent_id)) if row.consent_id else None,
    ),
]
READS = [ACCESSES[0], *ACCESSES[2:-1]]
"""The same on the page of one consent, which says who and under which permission."""


@never_cache
@require_safe
@role_required("customer")
def accesses(request: HttpRequest) -> HttpResponseBase:
    """The access log ((EU) 2023/1162): who read which of the customer's data, when, under which permission."""
    rows = AccessLog.objects.filter(consent__holder_reference=_holder(request)).select_related("consent", "point")
    who = Choice("who", gettext_lazy("Who"), distinct(rows, "requester", "consent__requester_name"), "requester")
    filters = _of_use(request, who, _meter_of(rows))
    return listing(
        request, "consents/accesses.html", rows, ACCESSES, _("Who read your data"), file="accesses", filters=filters,
        order="-at", empty=_("Nobody has."), few=FEW,
    )  # fmt: skip


@never_cache
@require_safe
@role_required("customer")
def history(request: HttpRequest) -> HttpResponseBase:
    """Consents that have ended."""
    rows = _consents(request).exclude(state__in=ACTIVE)
    filters = _of_use(request, _who_of(rows), coded(rows, "state", gettext_lazy("How it ended"), STATE))
    return listing(
        request, "consents/history.html", rows, ENDED, _("Ended consents"), file="ended-consents", filters=filters,
        order="-granted_at", empty=_("None has ended."), few=FEW,
    )  # fmt: skip


ENDED: list[Column[Consent]] = [
    Column(gettext_lazy("Who"), lambda row: Link(row.requester_name, page_of(row.pk)), "requester_name"),
    Column(gettext_lazy("Allowed"), lambda row: row.granted_at, "granted_at"),
    Column(gettext_lazy("Ended"), lambda row: row.ended_at, "ended_at"),
    Column(gettext_lazy("State"), lambda row: state_of(row.state)),
]


@never_cache
@require_safe
@role_required("customer")
def own_data(request: HttpRequest, handle: str) -> HttpResponseBase:
    """The customer's own readings of one meter as CSV: of the days it was the customer's, and no others."""
    name, rows = own_rows(handle, _holder(request))
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return HttpResponse("".join(rows), content_type="text/csv; charset=utf-8", headers=headers)


@never_cache
@require_safe
@role_required("customer")
def own_point_file(request: HttpRequest, handle: str) -> HttpResponseBase:
    """What is kept of one of the customer's meters, as JSON."""
    point = next((one for one in holder_points(_holder(request)) if one.handle == handle), None)
    if point is None:
        raise UnknownPoint
    headers = {"Content-Disposition": f'attachment; filename="meter-{point.pod[-4:]}.json"'}
    return JsonResponse(own_point(point, _holder(request)), headers=headers)


urlpatterns = [
    path("consents", home, name="home"),
    path("consents/<str:consent_id>", consent_page, name="consent"),
    path("consents/<str:consent_id>/withdrawal", withdraw, name="withdraw"),
    path("consents-ended", history, name="history"),
    path("accesses", accesses, name="accesses"),
    path("meters/<str:handle>/data.csv", own_data, name="data"),
    path("meters/<str:handle>/point.json", own_point_file, name="point"),
]
nav.register(gettext_lazy("Your consents"), "customer:home", ["customer"], order=10)
nav.register(gettext_lazy("Who read your data"), "customer:accesses", ["customer"], order=11)
nav.register(gettext_lazy("Ended consents"), "customer:history", ["customer"], order=12)
