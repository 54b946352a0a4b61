"""Pages about contracts for the auditor. Nobody else sees what two players agreed (requirement MP-11)."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from meterhall.domain.market.contracts import readable_contract
from meterhall.domain.protocol.agreements import ServiceContract
from meterhall.marketplace.agreements.models import Subscription
from meterhall.web.accounts.access import role_required
from meterhall.web.membership.readable import as_html
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Search, state_choice
from meterhall.web.portal.tables import Column, listing
from meterhall.web.portal.values import Badge, CopyId, Fact, Link, state_badge


def _page(row: Subscription) -> str:
    return reverse("agreements:contract", args=[row.subscription_id])


COLUMNS: list[Column[Subscription]] = [
    Column(gettext_lazy("Contract"), lambda row: CopyId(row.subscription_id, _page(row)), "subscription_id"),
    Column(gettext_lazy("Requester"), lambda row: row.contract["requester"]["organisation"]),
    Column(gettext_lazy("Provider"), lambda row: row.contract["provider"]["organisation"]),
    Column(gettext_lazy("Drafted"), lambda row: row.drafted_at, "drafted_at"),
    Column(gettext_lazy("Until"), lambda row: row.access_until, "access_until"),
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
]
FILTERS = (
    Search(
        gettext_lazy("Id of a contract, an offer or a player"),
        ("subscription_id", "offer_id", "requester__iexact", "provider__iexact"),
        name="id",
    ),
    state_choice(Subscription.objects.all()),
)


@require_safe
@role_required("auditor")
def contracts(request: HttpRequest) -> HttpResponseBase:
    """All contracts, the newest first."""
    return listing(
        request, "agreements/contracts.html", Subscription.objects.all(), COLUMNS, _("Contracts"), file="contracts",
        filters=FILTERS, order="-drafted_at", empty=_("None yet."),
    )  # fmt: skip


@require_safe
@role_required("auditor")
def contract(request: HttpRequest, subscription_id: str) -> HttpResponseBase:
    """One contract: its terms in full, its digest, and who has signed it."""
    row = Subscription.objects.filter(subscription_id=subscription_id).first()
    if row is None:
        raise Http404
    document = ServiceContract.model_validate(row.contract)
    context = {
        "title": document.offer.title,
        "badge": state_badge(row.state),
        "crumbs": [Link(_("Contracts"), reverse("agreements:contracts")), Link(document.offer.title)],
        "facts": [
            Fact(_("Requester"), document.requester.organisation),
            Fact(_("Provider"), document.provider.organisation),
            Fact(_("Drafted"), row.drafted_at),
            Fact(_("Access until"), row.access_until),
            Fact(_("Ended"), row.ended_at or _("no")),
            Fact(_("Signed by the requester"), _signed(row, "requester")),
            Fact(_("Signed by the provider"), _signed(row, "provider")),
            Fact(_("Digest"), CopyId(row.digest)),
            Fact(_("Contract"), CopyId(row.subscription_id)),
        ],
        "text": as_html(readable_contract(document)),
    }
    return render(request, "agreements/contract.html", context)


def _signed(row: Subscription, role: str) -> Badge:
    return Badge(_("yes"), "success") if row.signatures.get(role) else Badge(_("not yet"))


pages = [
    path("contracts", contracts, name="contracts"),
    path("contracts/<str:subscription_id>", contract, name="contract"),
]
nav.register(gettext_lazy("Contracts"), "agreements:contracts", ["auditor"], order=50)
urls = [path("", include((pages, "agreements")))]
