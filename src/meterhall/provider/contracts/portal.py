"""Pages about contracts: what waits for our signature, one contract to read and sign, standing acceptances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from meterhall.domain.errors import MeterhallError
from meterhall.domain.market.contracts import readable_contract
from meterhall.domain.protocol.agreements import StandingAcceptance, SubscriptionView
from meterhall.provider.contracts.models import Contract, StandingAcceptanceHeld
from meterhall.provider.contracts.signing import UnknownContract, accept_standing, sign_by_signer
from meterhall.provider.offers.models import OwnOffer
from meterhall.web.accounts.access import fresh_signer, fresh_signer_required, role_required
from meterhall.web.membership.readable import as_html
from meterhall.web.platform import platform
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Choice, Search, state_choice
from meterhall.web.portal.forms import DayInput
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.tables import Column, listing
from meterhall.web.portal.values import Badge, CopyId, Fact, Link, state_badge
from meterhall.web.portal.words import STATE

READERS = ("operator", "staff", "signer", "auditor")


def page_of(subscription_id: str) -> str:
    """Address of a contract's page."""
    return reverse("contracts:contract", args=[subscription_id])


def _badge(row: Contract) -> Badge:
    if row.state == "requester_signed":
        return Badge(_("signed, countersignature follows"), "info") if row.signed_at else Badge(_("to sign"), "warning")
    return state_badge(row.state)


def _signed(row: Contract) -> str:
    if row.signed_at is None:
        return _("not yet")
    return _("under a standing acceptance") if row.signed_under else _("by a signer")


COLUMNS: list[Column[Contract]] = [
    Column(gettext_lazy("Requester"), lambda row: Link(row.requester_name, page_of(row.pk)), "requester_name"),
    Column(gettext_lazy("Access number"), lambda row: CopyId(row.requester)),
    Column(gettext_lazy("From"), lambda row: row.access_from, "access_from"),
    Column(gettext_lazy("Until"), lambda row: row.access_until, "access_until"),
    Column(gettext_lazy("Our signature"), _signed),
    Column(gettext_lazy("State"), _badge, "state"),
]


@require_safe
@role_required(*READERS)
def contract_list(request: HttpRequest) -> HttpResponseBase:
    """Contracts that wait for us first, then all."""
    waiting = Contract.objects.filter(state="requester_signed", signed_at=None).order_by("access_from")
    return listing(
        request, "contracts/list.html", Contract.objects.all(), COLUMNS, _("Contracts"), file="contracts",
        filters=FILTERS, order="-access_from", empty=_("Nobody has subscribed yet."),
        context={"waiting": [(row, page_of(row.pk)) for row in waiting]},
    )  # fmt: skip


FILTERS = (
    Search(
        gettext_lazy("Name or number of the requester, id of the contract"),
        ("requester_name__icontains", "requester__iexact", "subscription_id"),
    ),
    state_choice(Contract.objects.all()),
)


@never_cache
@require_safe
@role_required(*READERS)
def contract(request: HttpRequest, subscription_id: str) -> HttpResponseBase:
    """One contract: its terms in full, its digest, and the button to sign it for those who may."""
    row = Contract.objects.filter(pk=subscription_id).first()
    if row is None:
        raise UnknownContract
    document = SubscriptionView.model_validate(row.document).contract
    roles = getattr(request.user, "roles", [])
    context = {
        "row": row,
        "badge": _badge(row),
        "facts": [
            Fact(_("Requester"), row.requester_name),
            Fact(_("Access number"), CopyId(row.requester)),
            Fact(_("Subscription"), CopyId(row.pk)),
            Fact(_("Digest that is signed"), CopyId(document.fingerprint())),
            Fact(_("Our signature"), _signed(row)),
            Fact(_("Ended"), row.ended_at or _("no")),
        ],
        "terms": as_html(readable_contract(document)),
        "may_sign": "signer" in roles and row.state == "requester_signed" and row.signed_at is None,
        "crumbs": [Link(_("Contracts"), reverse("contracts:list")), Link(row.requester_name)],
    }
    return render(request, "contracts/contract.html", context)


@require_POST
@fresh_signer_required
def sign(request: HttpRequest, subscription_id: str) -> HttpResponseBase:
    """Sign one contract with the contract key, within five minutes of a second factor."""
    sign_by_signer(subscription_id, fresh_signer(request))
    messages.success(request, _("Signed. The Market Place countersigns; the contract is in force then."))
    return redirect("contracts:contract", subscription_id)


class AcceptanceForm(forms.Form):
    """What a standing acceptance covers."""

    offers = forms.MultipleChoiceField(
        label=gettext_lazy("Offers"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Contracts under these versions are signed without a person."),
    )
    most = forms.IntegerField(label=gettext_lazy("Most contracts at a time"), min_value=1, max_value=100_000)
    until = forms.DateField(
        label=gettext_lazy("Last day"), widget=DayInput(),
    )  # fmt: skip

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        offers = OwnOffer.objects.filter(status="published").order_by("title")
        self.fields["offers"].choices = [(f"{one.pk}:{one.version}", f"{one.title}, {one.version}") for one in offers]  # type: ignore[attr-defined]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@fresh_signer_required
def standing(request: HttpRequest) -> HttpResponseBase:
    """Sign once that contracts under some offers may be signed by the machine, within limits."""
    form = AcceptanceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        ends = datetime.combine(given["until"], time.max, ZoneInfo(platform().config.zone))
        until = ends.replace(microsecond=0).astimezone(UTC)
        try:
            accept_standing(tuple(given["offers"]), given["most"], until, fresh_signer(request))
        except MeterhallError as fault:
            form.add_error(None, spoken(fault.detail))
        else:
            messages.success(request, _("Signed. Contracts within these limits are now signed at once."))
            return redirect("contracts:standing")
    context = {"form": form, "has_offers": bool(form.fields["offers"].choices)}  # type: ignore[attr-defined]
    return listing(
        request, "contracts/standing.html", _acceptances(), ACCEPTANCES, _("Standing acceptances"),
        file="standing-acceptances", filters=ACCEPTANCE_FILTERS, empty=_("None is signed."), context=context,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A standing acceptance of ours: the offers it is for, how many contracts are in force under it, whether it still
    signs."""

    signed: StandingAcceptance
    titles: tuple[str, ...]
    used: int
    is_active: bool


def _acceptances() -> list[Acceptance]:
    """Those that still sign first, then the one signed last."""
    titles = dict(OwnOffer.objects.values_list("pk", "title"))
    found = []
    for held in StandingAcceptanceHeld.objects.filter(registered=True):
        one = StandingAcceptance.model_validate(held.document)
        used = Contract.objects.filter(signed_under=held.digest, ended_at=None).count()
        is_active = one.until > platform().now() and one.transport_kid == platform().transport_key.kid
        names = tuple(titles.get(offer.partition(":")[0], "") for offer in one.offers)
        found.append(Acceptance(one, names, used, is_active))
    return sorted(found, key=lambda one: (not one.is_active, -one.signed.signed_at.timestamp()))


def _state(row: Acceptance) -> str:
    return "active" if row.is_active else "ended"


ACCEPTANCES: list[Column[Acceptance]] = [
    Column(gettext_lazy("Offers"), lambda row: ", ".join(row.signed.offers)),
    Column(gettext_lazy("Contracts"), lambda row: f"{row.used} / {row.signed.most_subscriptions}"),
    Column(gettext_lazy("Until"), lambda row: row.signed.until),
    Column(gettext_lazy("State"), lambda row: state_badge(_state(row))),
]
ACCEPTANCE_FILTERS = (
    Search(gettext_lazy("Offer, or its id"), texts=lambda row: (*row.signed.offers, *row.titles)),
    Choice("state", gettext_lazy("State"), {one: STATE[one] for one in ("active", "ended")}, value=_state),
)


urlpatterns = [
    path("contracts", contract_list, name="list"),
    path("contracts/<str:subscription_id>", contract, name="contract"),
    path("contracts/<str:subscription_id>/signature", sign, name="sign"),
    path("standing-acceptances", standing, name="standing"),
]
nav.register(gettext_lazy("Contracts"), "contracts:list", READERS, order=30)
nav.register(gettext_lazy("Standing acceptances"), "contracts:standing", ["signer"], order=31)
