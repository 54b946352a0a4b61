"""Pages about our offers and our certificate: what is published, what a conformance run found."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from pydantic import ValidationError

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.offers import CertificationView, OfferView, Profile
from meterhall.provider.offers.models import OwnCertification, OwnOffer
from meterhall.provider.offers.service import certification, publish_offer, request_certification
from meterhall.provider.points.models import Point
from meterhall.web.accounts.access import role_required
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Search, state_choice
from meterhall.web.portal.forms import DayInput
from meterhall.web.portal.spoken import CHECK, spoken
from meterhall.web.portal.tables import Column, listing, plain_table
from meterhall.web.portal.values import Badge, Confirmation, CopyId, state_badge
from meterhall.web.portal.words import FORMAT, GRANULARITY, listed, word

READERS = ("operator", "staff", "auditor")

COLUMNS: list[Column[OwnOffer]] = [
    Column(gettext_lazy("Offer"), lambda row: row.title, "title"),
    Column(gettext_lazy("Id"), lambda row: CopyId(row.pk)),
    Column(gettext_lazy("Version"), lambda row: row.version, numeric=True),
    Column(gettext_lazy("Granularities"), lambda row: listed(GRANULARITY, _offer(row).offer.scope.granularities)),
    Column(gettext_lazy("Formats"), lambda row: listed(FORMAT, _offer(row).offer.formats)),
    Column(gettext_lazy("State"), lambda row: state_badge(row.status), "status"),
]


def _offer(row: OwnOffer) -> OfferView:
    return OfferView.model_validate(row.document)


class ProfileForm(forms.Form):
    """What a conformance run is asked to try."""

    first = forms.DateField(label=gettext_lazy("First day"), widget=DayInput())
    until = forms.DateField(label=gettext_lazy("Day after the last"), widget=DayInput())
    granularity = forms.ChoiceField(label=gettext_lazy("Granularity"), choices=list(GRANULARITY.items()))
    format = forms.ChoiceField(label=gettext_lazy("Format"), choices=list(FORMAT.items()))


@require_safe
@role_required(*READERS)
def offer_list(request: HttpRequest) -> HttpResponseBase:
    """Our offers; a draft with the button that publishes it."""
    drafts = [(row, _publish(row)) for row in OwnOffer.objects.filter(status="draft").order_by("title")]
    return listing(
        request, "offers/list.html", OwnOffer.objects.all(), COLUMNS, _("Offers"), file="offers", filters=FILTERS,
        order="title", empty=_("There is none yet."), context={"drafts": drafts},
    )  # fmt: skip


FILTERS = (
    Search(gettext_lazy("Title or id"), ("title__icontains", "offer_id")),
    state_choice(OwnOffer.objects.all(), "status"),
)


def _publish(row: OwnOffer) -> Confirmation:
    return Confirmation(
        id=f"publish-{row.pk}",
        button=_("Publish"),
        title=_("Publish %(title)s?") % {"title": row.title},
        text=_("Every requester sees it in the catalogue and may subscribe to this version."),
        action=reverse("offers:publish", args=[row.pk]),
        confirm=_("Yes, publish"),
        hidden={"publish": row.pk},
    )


@require_POST
@role_required("operator", "staff")
def publish(request: HttpRequest, offer_id: str) -> HttpResponseBase:
    """Publish a draft."""
    view = publish_offer(offer_id)
    messages.success(request, _("Published: %(title)s") % {"title": view.offer.title})
    return redirect("offers:list")


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*READERS)
def certificate(request: HttpRequest) -> HttpResponseBase:
    """The conformance runs, and the form that asks for one with our sandbox points."""
    pods = list(Point.objects.filter(is_sandbox=True).order_by("pk").values_list("pod", flat=True)[:5])
    form = ProfileForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _ask(form.cleaned_data, pods)
        except (MeterhallError, ValidationError) as fault:
            form.add_error(
                None, spoken(fault.detail) if isinstance(fault, MeterhallError) else _("There is no sandbox point.")
            )
        else:
            messages.success(request, _("The certifier starts; the result is shown here."))
            return redirect("offers:certificate")
    runs = [(run, _checks(run)) for run in OwnCertification.objects.order_by("-requested_at")[:5]]
    context = {"form": form, "runs": runs, "has_sandbox": bool(pods)}
    return render(request, "offers/certificate.html", context)


def _ask(given: dict[str, object], pods: list[str]) -> None:
    profile = {
        "sandbox_pods": pods,
        "period": {"from": given["first"], "until": given["until"]},
        "granularity": given["granularity"],
        "format": given["format"],
    }
    request_certification(Profile.model_validate(profile))


def _checks(run: OwnCertification) -> object:
    view = CertificationView.model_validate(run.document)
    rows = [
        (
            word(CHECK, one.name),
            Badge(_("passed"), "success") if one.passed else Badge(_("failed"), "danger"),
            spoken(one.detail),
        )
        for one in view.checks
    ]
    headings = [_("Check"), _("Result"), _("What was found")]
    return plain_table(_("Checks"), headings, rows, empty=_("still running"))


@require_POST
@role_required("operator", "staff")
def look_again(request: HttpRequest, certification_id: str) -> HttpResponseBase:
    """Ask the Market Place how a run stands."""
    certification(certification_id)
    return redirect("offers:certificate")


urlpatterns = [
    path("offers", offer_list, name="list"),
    path("offers/<str:offer_id>/publication", publish, name="publish"),
    path("certificate", certificate, name="certificate"),
    path("certificate/<str:certification_id>", look_again, name="look_again"),
]
nav.register(gettext_lazy("Offers"), "offers:list", READERS, order=32)
nav.register(gettext_lazy("Certificate"), "offers:certificate", READERS, order=33)
