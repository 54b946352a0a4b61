"""A player's pages about its membership: standing and enrolment, and the general contract to read and to sign."""

from __future__ import annotations

from typing import get_args

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from meterhall.domain.errors import MeterhallError
from meterhall.domain.market.contracts import readable_terms
from meterhall.domain.protocol.players import Activity, LegalIdentifier, Membership
from meterhall.web.accounts.access import fresh_signer, fresh_signer_required, may, role_required
from meterhall.web.membership import service
from meterhall.web.membership.readable import as_html
from meterhall.web.messaging.models import Identity
from meterhall.web.platform import platform
from meterhall.web.portal import nav
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.values import Badge, CopyId, Fact, Link, state_badge

KINDS = [
    ("LEI", gettext_lazy("Legal Entity Identifier (LEI)")),
    ("GLN", gettext_lazy("Global Location Number (GLN)")),
    ("EIC", gettext_lazy("Energy Identification Code (EIC)")),
    ("VAT", gettext_lazy("VAT number")),
]
ACTIVITIES = {
    "dso": gettext_lazy("distribution system operator"),
    "tso": gettext_lazy("transmission system operator"),
    "metering_data_manager": gettext_lazy("metering data manager"),
    "retailer": gettext_lazy("retailer"),
    "esco": gettext_lazy("energy service company"),
    "aggregator": gettext_lazy("aggregator"),
    "technology_provider": gettext_lazy("technology provider"),
    "market_operator": gettext_lazy("market operator"),
}
assert set(ACTIVITIES) == set(get_args(Activity))  # noqa: S101 - every activity has its words


class EnrolForm(forms.Form):
    """What is declared beside the settings."""

    kind = forms.ChoiceField(label=gettext_lazy("Kind of legal id"), choices=KINDS)
    value = forms.CharField(
        label=gettext_lazy("Legal id"), max_length=40, help_text=gettext_lazy("Its check digits are verified.")
    )
    activity = forms.ChoiceField(label=gettext_lazy("What the organisation is"), choices=list(ACTIVITIES.items()))


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("operator", "staff", "signer", "auditor")
def standing(request: HttpRequest) -> HttpResponse:
    """Where we stand at the Market Place; before enrolment, the form for it."""
    form = EnrolForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _enrol(form.cleaned_data)
        except MeterhallError as refusal:
            form.add_error(_field_of(refusal), spoken(refusal.detail))
        else:
            messages.success(request, _("The application is on its way; the Market Place admits players by hand."))
            return HttpResponseRedirect(reverse("membership:standing"))
    number = Identity.objects.values_list("access_number", flat=True).first()
    known = service.membership()
    context = {
        "form": None if number else form,
        "facts": _facts(number, known),
        "badge": state_badge(known.player.status) if known else Badge(_("applied") if number else _("not enrolled")),
        "is_signer": may(request, "signer"),
        "may_sign": bool(known and known.player.status == "admitted" and not known.general_contract_signed),
        "signed": bool(known and known.general_contract_signed),
        "reason": known.reason if known else None,
    }
    return render(request, "membership/standing.html", context)


def _enrol(answers: dict[str, str]) -> None:
    legal = LegalIdentifier(kind=answers["kind"], value=answers["value"])
    service.enrol(legal, (platform().role,), answers["activity"])  # type: ignore[arg-type]


def _field_of(refusal: MeterhallError) -> str | None:
    """The form's field behind the member a refusal names."""
    last = (refusal.field or "").rsplit("/", 1)[-1]
    return last if last in {"kind", "value", "activity"} else None


def _facts(number: str | None, known: Membership | None) -> list[Fact]:
    config = platform().config
    facts = [
        Fact(_("Organisation"), config.name),
        Fact(_("Country"), config.country),
        Fact(_("Access number"), CopyId(number) if number else None),
        Fact(_("Transport key"), CopyId(platform().transport_key.kid)),
        Fact(_("Contract key"), CopyId(platform().contract_key.kid)),
        Fact(_("Address for machines"), CopyId(config.base_url)),
    ]
    if known:
        legal = known.player.legal_id
        facts.insert(2, Fact(_("Legal id"), f"{legal.kind} {legal.value}"))
        facts.append(
            Fact(_("General contract"), Badge(_("signed"), "success") if known.general_contract_signed else None)
        )
    return facts


@require_http_methods(["GET", "HEAD", "POST"])
@fresh_signer_required
def general_contract(request: HttpRequest) -> HttpResponse:
    """The general contract to read, and to sign within five minutes of a second factor."""
    if request.method == "POST":
        service.sign_general_contract(fresh_signer(request))
        messages.success(request, _("The general contract is signed by both sides."))
        return HttpResponseRedirect(reverse("membership:standing"))
    contract = service.general_contract()
    known = service.membership()
    context = {
        "title": _("General contract"),
        "crumbs": [Link(_("Membership"), reverse("membership:standing")), Link(_("General contract"))],
        "text": as_html(readable_terms(contract)),
        "digest": CopyId(contract.fingerprint()),
        "signer": fresh_signer(request).name,
        "signed": bool(known and known.general_contract_signed),
        "action": reverse("membership:general_contract"),
        "back": reverse("membership:standing"),
    }
    return render(request, "membership/contract.html", context)


_pages = [
    path("membership", standing, name="standing"),
    path("membership/general-contract", general_contract, name="general_contract"),
]
urls: list[URLPattern | URLResolver] = [path("", include((_pages, "membership")))]
nav.register(gettext_lazy("Membership"), "membership:standing", ("operator", "staff", "signer", "auditor"), order=90)
