"""Pages towards the Market Place: find an offer, subscribe to it, read and sign the contract, quit."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from meterhall.domain.errors import NotFound
from meterhall.domain.identifiers import EEA
from meterhall.domain.market.contracts import readable_contract
from meterhall.domain.protocol.agreements import Repository, SubscriptionRequest, SubscriptionView
from meterhall.domain.protocol.offers import OfferView
from meterhall.requester import samples
from meterhall.requester.activations.service import quit_service
from meterhall.requester.collection.repository import repository_url
from meterhall.requester.partners import service, wishes
from meterhall.requester.partners.models import Subscription
from meterhall.requester.words import KIND, READERS, TIMING, TRANSMISSION, WRITERS, price_text
from meterhall.web.accounts.access import fresh_signer, fresh_signer_required, may, role_required
from meterhall.web.membership.readable import as_html
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Choice, Search, distinct, state_choice
from meterhall.web.portal.tables import Column, listing
from meterhall.web.portal.templatetags.portal import duration_text
from meterhall.web.portal.values import Confirmation, CopyId, Fact, Link, state_badge
from meterhall.web.portal.words import FORMAT, GRANULARITY, choices, listed, word


class OfferGone(NotFound):
    code = "offer_gone"
    title = "This offer is not in the catalogue any more."


class SearchForm(forms.Form):
    """What an offer must have to be shown."""

    text = forms.CharField(label=gettext_lazy("Words"), required=False, max_length=200)
    country = forms.ChoiceField(label=gettext_lazy("Country"), required=False)
    granularity = forms.ChoiceField(label=gettext_lazy("Granularity"), required=False)
    format = forms.ChoiceField(label=gettext_lazy("Format"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        anything = [("", _("any"))]
        _choose(self, "country", anything + [(code, code) for code in sorted(EEA)])
        _choose(self, "granularity", anything + choices(GRANULARITY, tuple(GRANULARITY)))
        _choose(self, "format", anything + choices(FORMAT, tuple(FORMAT)))


class SubscribeForm(forms.Form):
    """What is chosen of an offer."""

    push = forms.BooleanField(
        label=gettext_lazy("Deliveries may also be pushed to this platform's own repository"), required=False
    )

    def __init__(self, offer: OfferView, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if offer.offer.options:
            self.fields["options"] = forms.MultipleChoiceField(
                label=_("Options"),
                required=False,
                widget=forms.CheckboxSelectMultiple,
                choices=[(option.code, option.title) for option in offer.offer.options],
            )
        if "push" not in offer.offer.transmission:
            del self.fields["push"]


def _choose(form: forms.Form, name: str, found: list[tuple[str, str]]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)  # noqa: S101 - as declared above
    field.choices = found


@require_safe
@role_required(*READERS)
def offers(request: HttpRequest) -> HttpResponse:
    """Search the catalogue of the Market Place."""
    form = SearchForm(request.GET or None)
    wanted = {key: value for key, value in form.cleaned_data.items() if value} if form.is_valid() else {}
    found = service.search(**wanted, after=request.GET.get("after"))
    kept = request.GET.copy()
    if found.next:
        kept["after"] = found.next
    context = {
        "form": form,
        "wanted": wanted,
        "cards": [_card(view) for view in found.items],
        "to_wish": Link(_("Register a wish"), reverse("partners:wishes")),
        "samples": samples.search(wanted.get("country", ""), wanted.get("granularity", "")),
        "next_href": "?" + kept.urlencode() if found.next else "",
    }
    return render(request, "partners/offers.html", context)


def _card(view: OfferView) -> dict[str, Any]:
    return {"view": view, "href": reverse("partners:offer", args=[view.offer_id]), "facts": _facts(view)}


def _facts(view: OfferView) -> list[Fact]:
    offer = view.offer
    return [
        Fact(_("Data"), f"{word(KIND, offer.scope.kind)}, {word(TIMING, offer.scope.timing)}"),
        Fact(_("Granularity"), listed(GRANULARITY, offer.scope.granularities)),
        Fact(_("Formats"), listed(FORMAT, offer.formats)),
        Fact(_("Transmission"), listed(TRANSMISSION, offer.transmission)),
        Fact(_("Price"), price_text(offer.price)),
        Fact(_("Contract runs for"), duration_text(offer.duration)),
        Fact(_("Countries"), ", ".join(offer.countries)),
    ]


def _offer(offer_id: str) -> OfferView:
    """The newest published version. Raises `OfferGone`."""
    after: str | None = None
    while True:
        found = service.search(after=after)
        for view in found.items:
            if view.offer_id == offer_id:
                return view
        after = found.next
        if after is None:
            raise OfferGone


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*READERS, writers=WRITERS)
def offer(request: HttpRequest, offer_id: str) -> HttpResponse:
    """One offer, and the form to subscribe to it."""
    view = _offer(offer_id)
    form = SubscribeForm(view, request.POST or None)
    if request.method == "POST" and form.is_valid():
        answers = form.cleaned_data
        asked = SubscriptionRequest(
            offer_id=view.offer_id,
            offer_version=view.version,
            options=tuple(answers.get("options") or ()),
            repository=Repository(url=repository_url()) if answers.get("push") else None,
        )
        made = service.subscribe(asked)
        messages.success(request, _("The contract is drafted; a signer reads and signs it."))
        return HttpResponseRedirect(reverse("partners:subscription", args=[made.subscription_id]))
    context = {
        "view": view,
        "form": form if may(request, *WRITERS) else None,
        "facts": [Fact(_("Provider"), view.provider_name), *_facts(view), Fact(_("Offer"), CopyId(view.offer_id))],
        "crumbs": [Link(_("Offers"), reverse("partners:offers")), Link(view.offer.title)],
        "samples": samples.subscription(view.offer_id, view.version),
    }
    return render(request, "partners/offer.html", context)


QUITTABLE = ("active", "requester_signed", "drafted")
COLUMNS: list[Column[Subscription]] = [
    Column(
        gettext_lazy("Contract"),
        lambda row: Link(_title(row), reverse("partners:subscription", args=[row.subscription_id])),
    ),
    Column(gettext_lazy("Provider"), lambda row: row.provider_name, "provider_name"),
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
    Column(gettext_lazy("Changed"), lambda row: row.updated_at, "updated_at"),
]


def _title(row: Subscription) -> str:
    return SubscriptionView.model_validate(row.document).contract.offer.title


@require_safe
@role_required(*READERS)
def subscriptions(request: HttpRequest) -> HttpResponse:
    """Our contracts."""
    return listing(
        request, "partners/subscriptions.html", Subscription.objects.all(), COLUMNS, _("Contracts"), file="contracts",
        filters=FILTERS, order="-updated_at",
    )  # fmt: skip


FILTERS = (
    Search(
        gettext_lazy("Offer, or id of the contract"),
        ("document__contract__offer__title__icontains", "subscription_id", "offer_id"),
    ),
    Choice("provider", gettext_lazy("Provider"), distinct(Subscription.objects.all(), "provider", "provider_name")),
    state_choice(Subscription.objects.all()),
)


@require_safe
@role_required(*READERS)
def subscription(request: HttpRequest, subscription_id: str) -> HttpResponse:
    """One contract: state, dates, what to do next."""
    row = service.subscription(subscription_id)
    contract = service.contract_of(subscription_id)
    quitting = Confirmation(
        "quit", _("Quit…"), _("Quit this contract?"),
        _("Every activation under it ends; what was collected stays."),
        reverse("partners:quit", args=[subscription_id]), _("Quit"), danger=True, reason=_("Reason"),
    )  # fmt: skip
    context = {
        "row": row,
        "badge": state_badge(row.state),
        "contract": contract,
        "text": as_html(readable_contract(contract)),
        "crumbs": [Link(_("Contracts"), reverse("partners:subscriptions")), Link(contract.offer.title)],
        "facts": [
            Fact(_("Provider"), row.provider_name),
            Fact(_("Access from"), contract.access_from),
            Fact(_("Access until"), contract.access_until),
            Fact(_("Price"), price_text(contract.offer.price)),
            Fact(_("Repository"), contract.repository.url if contract.repository else _("none")),
            Fact(_("Digest"), CopyId(row.digest)),
            Fact(_("Contract"), CopyId(row.subscription_id)),
        ],
        "actions": _actions(request, row),
        "confirmation": quitting if row.state in QUITTABLE and may(request, *WRITERS) else None,
    }
    return render(request, "partners/subscription.html", context)


def _actions(request: HttpRequest, row: Subscription) -> list[Link]:
    """What the person can do with a contract in its state."""
    if row.state == "drafted" and may(request, "signer"):
        return [Link(_("Read and sign the contract"), reverse("partners:sign", args=[row.pk]), primary=True)]
    if row.state != "active" or not may(request, *WRITERS):
        return []
    return [
        Link(_("Activate points"), reverse("activations:new", args=[row.pk]), primary=True),
        Link(_("Ask a customer's consent"), reverse("activations:ask_consent", args=[row.pk])),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@fresh_signer_required
def sign(request: HttpRequest, subscription_id: str) -> HttpResponse:
    """The contract to read, and to sign within five minutes of a second factor."""
    row = service.subscription(subscription_id)
    here = reverse("partners:subscription", args=[subscription_id])
    if request.method == "POST":
        service.sign_subscription(subscription_id, fresh_signer(request))
        messages.success(request, _("Signed. The contract is in force once the provider has signed too."))
        return HttpResponseRedirect(here)
    contract = service.contract_of(subscription_id)
    context = {
        "title": _("Service contract"),
        "kicker": row.provider_name,
        "crumbs": [
            Link(_("Contracts"), reverse("partners:subscriptions")),
            Link(contract.offer.title, here),
            Link(_("Sign")),
        ],
        "text": as_html(readable_contract(contract)),
        "digest": CopyId(contract.fingerprint()),
        "signer": fresh_signer(request).name,
        "signed": row.state != "drafted",
        "action": reverse("partners:sign", args=[subscription_id]),
        "back": here,
    }
    return render(request, "membership/contract.html", context)


@require_POST
@role_required(*WRITERS)
def quit_(request: HttpRequest, subscription_id: str) -> HttpResponse:
    """End a contract."""
    quit_service(subscription_id, request.POST.get("reason", "")[:500])
    messages.success(request, _("The contract has ended; the provider is told."))
    return HttpResponseRedirect(reverse("partners:subscription", args=[subscription_id]))


_pages = [
    *wishes.pages,
    path("offers", offers, name="offers"),
    path("offers/<str:offer_id>", offer, name="offer"),
    path("contracts", subscriptions, name="subscriptions"),
    path("contracts/<str:subscription_id>", subscription, name="subscription"),
    path("contracts/<str:subscription_id>/sign", sign, name="sign"),
    path("contracts/<str:subscription_id>/quit", quit_, name="quit"),
]
urls: list[URLPattern | URLResolver] = [path("", include((_pages, "partners")))]
nav.register(gettext_lazy("Offers"), "partners:offers", READERS, order=20)
nav.register(gettext_lazy("Contracts"), "partners:subscriptions", READERS, order=30)
