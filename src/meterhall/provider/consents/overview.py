"""The page about consents for the grid operator's staff: how many each requester holds. Who gave them is not shown."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from meterhall.provider.consents.back_office import RequesterConsents, counts
from meterhall.provider.points.portal import STAFF
from meterhall.web.accounts.access import role_required
from meterhall.web.portal import nav
from meterhall.web.portal.tables import Column, csv_response, table, wants_csv
from meterhall.web.portal.values import CopyId


def _ended(row: RequesterConsents) -> int:
    return sum(number for state, number in row.states.items() if state not in ("granted", "partly_revoked"))


COLUMNS: list[Column[RequesterConsents]] = [
    Column(gettext_lazy("Requester"), lambda row: row.requester_name),
    Column(gettext_lazy("Access number"), lambda row: CopyId(row.requester)),
    Column(gettext_lazy("Points with a consent"), lambda row: row.points, numeric=True),
    Column(gettext_lazy("Consents in force"), lambda row: row.states.get("granted", 0), numeric=True),
    Column(gettext_lazy("Partly withdrawn"), lambda row: row.states.get("partly_revoked", 0), numeric=True),
    Column(gettext_lazy("Ended"), _ended, numeric=True),
]


@require_safe
@role_required(*STAFF)
def overview(request: HttpRequest) -> HttpResponseBase:
    """How many consents each requester holds, by state."""
    rows = counts().requesters
    if wants_csv(request):
        return csv_response("consents", rows, COLUMNS)
    shown = table(request, rows, COLUMNS, _("Consents by requester"), empty=_("Nobody has consented yet."))
    return render(request, "deliveries/table.html", {"title": _("Consents"), "table": shown})


urlpatterns = [path("consent-counts", overview, name="consents")]
nav.register(gettext_lazy("Consents"), "staff:consents", STAFF, order=25)
