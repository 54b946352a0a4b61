"""The page about consents for the grid operator's staff: how many each requester holds. Who gave them is not shown."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from meterhall.provider.consents.back_office import RequesterConsents, counts
from meterhall.provider.points.portal import STAFF
from meterhall.web.accounts.access import role_required
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Choice, Search
from meterhall.web.portal.tables import Column, listing
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
FILTERS = (
    Search(gettext_lazy("Name or access number"), texts=lambda row: (row.requester_name, row.requester)),
    Choice(
        "in_force",
        gettext_lazy("Consents in force"),
        {"yes": gettext_lazy("yes"), "no": gettext_lazy("no")},
        value=lambda row: "yes" if row.points else "no",
    ),
)


@require_safe
@role_required(*STAFF)
def overview(request: HttpRequest) -> HttpResponseBase:
    """How many consents each requester holds, by state."""
    return listing(
        request, "deliveries/table.html", counts().requesters, COLUMNS, _("Consents by requester"), file="consents",
        filters=FILTERS, empty=_("Nobody has consented yet."), context={"title": _("Consents")},
    )  # fmt: skip


urlpatterns = [path("consent-counts", overview, name="consents")]
nav.register(gettext_lazy("Consents"), "staff:consents", STAFF, order=25)
