"""Pages about certifications: every conformance run, and one run with its checks."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from meterhall.marketplace.certification.models import Certification
from meterhall.marketplace.certification.service import UnknownCertification, view
from meterhall.marketplace.players.models import Player
from meterhall.marketplace.players.portal import page_of
from meterhall.marketplace.players.words import Words
from meterhall.web.accounts.access import role_required
from meterhall.web.portal import nav
from meterhall.web.portal.tables import Column, csv_response, plain_table, table, wants_csv
from meterhall.web.portal.values import Badge, CopyId, Fact, Link, state_badge

READERS = ("operator", "auditor")
STATUS: Words = {
    "pending": gettext_lazy("queued"),
    "running": gettext_lazy("running"),
    "passed": gettext_lazy("passed"),
    "failed": gettext_lazy("failed"),
    "lapsed": gettext_lazy("lapsed"),
}


def _columns(names: dict[str, str]) -> list[Column[Certification]]:
    return [
        Column(_("Provider"), lambda row: _provider(row, names), "provider"),
        Column(_("Run"), lambda row: CopyId(row.pk, reverse("certification:run", args=[row.pk]))),
        Column(_("Requested"), lambda row: row.requested_at, "requested_at"),
        Column(_("Checks passed"), _passed),
        Column(_("Valid until"), lambda row: row.valid_until, "valid_until"),
        Column(_("State"), lambda row: state_badge(row.status, STATUS[row.status]), "status"),
    ]


def _provider(row: Certification, names: dict[str, str]) -> Link:
    return Link(names.get(row.provider, row.provider), page_of(row.provider))


def _passed(row: Certification) -> str:
    return f"{sum(bool(check['passed']) for check in row.checks)} / {len(row.checks)}" if row.checks else "–"


def _names() -> dict[str, str]:
    return dict(Player.objects.filter(is_provider=True).values_list("access_number", "organisation"))


@require_safe
@role_required(*READERS)
def runs(request: HttpRequest) -> HttpResponseBase:
    """All runs, the newest first."""
    rows, columns = Certification.objects.all(), _columns(_names())
    if wants_csv(request):
        return csv_response("certifications", rows.order_by("-requested_at"), columns)
    empty = _("No provider has asked to be certified yet.")
    shown = table(request, rows, columns, _("Conformance runs"), empty=empty, order="-requested_at")
    return render(request, "certification/list.html", {"table": shown})


@require_safe
@role_required(*READERS)
def run(request: HttpRequest, certification_id: str) -> HttpResponseBase:
    """One run: each check with its outcome, and what was wrong."""
    row = Certification.objects.filter(pk=certification_id).first()
    if row is None:
        raise UnknownCertification
    shown = view(row)
    name = _names().get(row.provider, row.provider)
    outcome = {True: Badge(_("passed"), "success"), False: Badge(_("failed"), "danger")}
    checks = [[check.name, outcome[check.passed], check.detail or "–"] for check in shown.checks]
    context = {
        "name": name,
        "badge": state_badge(row.status, STATUS[row.status]),
        "crumbs": [Link(_("Certifications"), reverse("certification:list")), Link(name)],
        "facts": [
            Fact(_("Provider"), _provider(row, {row.provider: name})),
            Fact(_("Run"), CopyId(row.pk)),
            Fact(_("Requested"), shown.requested_at),
            Fact(_("Finished"), shown.finished_at),
            Fact(_("Valid until"), shown.valid_until),
        ],
        "table": plain_table(
            _("Checks"), [_("Check"), _("Outcome"), _("What was found")], checks, empty=_("The run has not ended yet.")
        ),
    }
    return render(request, "certification/run.html", context)


nav.register(gettext_lazy("Certifications"), "certification:list", READERS, order=40)
pages = [path("certifications", runs, name="list"), path("certifications/<str:certification_id>", run, name="run")]
urls = [path("", include((pages, "certification")))]
