"""Pages about certifications: every conformance run, and one run with its checks."""

from __future__ import annotations

from django.db.models import Q
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
from meterhall.web.portal.filters import Choice, Search
from meterhall.web.portal.spoken import CHECK, spoken
from meterhall.web.portal.tables import Column, listing, plain_table
from meterhall.web.portal.values import Badge, CopyId, Fact, Link, state_badge
from meterhall.web.portal.words import word

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
    return listing(
        request, "certification/list.html", Certification.objects.all(), _columns(_names()), _("Conformance runs"),
        file="certifications", filters=FILTERS, order="-requested_at",
        empty=_("No provider has asked to be certified yet."),
    )  # fmt: skip


def _of(text: str) -> Q:
    named = Player.objects.filter(organisation__icontains=text).values("access_number")
    return Q(provider__in=named) | Q(provider__iexact=text) | Q(certification_id=text)


FILTERS = (Search(gettext_lazy("Provider or id of a run"), finds=_of), Choice("status", gettext_lazy("State"), STATUS))


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
    checks = [[word(CHECK, check.name), outcome[check.passed], spoken(check.detail) or "–"] for check in shown.checks]
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
