"""Pages about activations: choose customers, ask their consent where it is missing, see the answer for each POD."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.activations import Schedule
from meterhall.domain.protocol.agreements import ServiceContract
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope
from meterhall.requester import samples
from meterhall.requester.activations import customer, service
from meterhall.requester.activations.consents import ConsentRequestIn, Need, create_consent_request, link_of
from meterhall.requester.activations.models import Activation, ActivationItem, ConsentRequest
from meterhall.requester.activations.service import ActivationIn, ItemIn, RefreshIn
from meterhall.requester.customers.models import CustomerPoint
from meterhall.requester.partners.models import Subscription
from meterhall.requester.partners.service import contract_of, subscription
from meterhall.requester.words import PACKING, READERS, WHY, WRITERS
from meterhall.web.accounts.access import may, role_required
from meterhall.web.platform import platform
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Choice, Search, coded, distinct, state_choice
from meterhall.web.portal.forms import DayInput
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.tables import Column, listing
from meterhall.web.portal.templatetags.portal import day_range
from meterhall.web.portal.values import CopyId, Fact, Link, state_badge
from meterhall.web.portal.words import DIRECTION, FORMAT, GRANULARITY, choices, listed, word

MOST_POINTS = 10_000


class ScopeForm(forms.Form):
    """Which data, within a contract."""

    granularity = forms.ChoiceField(label=gettext_lazy("Granularity"))
    directions = forms.MultipleChoiceField(
        label=gettext_lazy("Direction"), widget=forms.CheckboxSelectMultiple, initial=["import"]
    )
    first = forms.DateField(label=gettext_lazy("Readings from"), widget=DayInput())
    until = forms.DateField(label=gettext_lazy("Readings until (that day not included)"), widget=DayInput())

    def __init__(self, contract: ServiceContract, *args: Any, **kwargs: Any) -> None:
        today = platform().now().date()
        period = contract.offer.scope.period
        known = {
            "first": period.first if period else today - timedelta(days=365),
            "until": period.until if period else today,
        }
        super().__init__(*args, **kwargs)
        self.initial = {**known, **self.initial}
        self.contract = contract
        scope = contract.offer.scope
        _choose(self, "granularity", choices(GRANULARITY, scope.granularities))
        _choose(self, "directions", choices(DIRECTION, scope.directions))

    def clean(self) -> dict[str, Any]:
        """The scope, which the contract has to cover."""
        answers = super().clean() or {}
        first, until = answers.get("first"), answers.get("until")
        if isinstance(first, date) and isinstance(until, date) and not first < until:
            self.add_error("until", _("The readings end after they begin."))
        if self.errors:
            return answers
        scope = self.scope()
        if not scope.within(self.contract.offer.scope):
            self.add_error("until", _("The contract does not cover these days."))
        return answers

    def scope(self) -> DataScope:
        """What was chosen."""
        answers = self.cleaned_data
        offered = self.contract.offer.scope
        return DataScope(
            kind=offered.kind,
            timing=offered.timing,
            directions=tuple(answers["directions"]),
            granularities=(answers["granularity"],),
            period=Period(first=answers["first"], until=answers["until"]),
        )


EVERY = [
    ("", gettext_lazy("nothing")),
    ("P1D", gettext_lazy("every day, the day before")),
    ("P7D", gettext_lazy("every week, the week before")),
    ("P1M", gettext_lazy("every month, the month before")),
]


def _schedule(one: Schedule | None, until: date | None) -> str:
    """What comes by itself, in words; and whether the days asked for, which end at `until`, are over."""
    if one is None:
        return str(dict(EVERY)[""])
    said = f"{dict(EVERY)[one.every]}, {word(FORMAT, one.format)}"
    if one.compression != "none":
        said = f"{said}, {word(PACKING, one.compression)}"
    if until is None or until >= platform().now().date():
        return said
    return _("%(what)s; the days asked for are over, so nothing new comes") % {"what": said}


class ActivationForm(ScopeForm):
    """Which customers, and whether the data of every day, week or month comes by itself."""

    points = forms.MultipleChoiceField(label=gettext_lazy("Customers"), widget=forms.CheckboxSelectMultiple)
    every = forms.ChoiceField(label=gettext_lazy("What comes by itself from now on"), choices=EVERY, required=False)
    format = forms.ChoiceField(label=gettext_lazy("Format of what comes by itself"), required=False)
    compression = forms.ChoiceField(
        label=gettext_lazy("Packing of what comes by itself"), choices=list(PACKING.items()), required=False
    )

    def __init__(self, contract: ServiceContract, *args: Any, **kwargs: Any) -> None:
        super().__init__(contract, *args, **kwargs)
        _choose(self, "format", choices(FORMAT, contract.offer.formats))
        found = CustomerPoint.objects.filter(provider=contract.provider.access_number).order_by("reference")
        self.fields["points"].required = contract.offer.scope.kind != "aggregate"
        _choose(self, "points", [(str(row.pk), f"{row.reference} · {row.pod}") for row in found[:MOST_POINTS]])

    def schedule(self) -> Schedule | None:
        """Deliveries every day, week or month, if wanted."""
        answers = self.cleaned_data
        if not answers["every"]:
            return None
        form = answers["format"] or self.contract.offer.formats[0]
        return Schedule(
            every=answers["every"],
            format=form,
            granularity=answers["granularity"],
            compression=answers["compression"] or "none",
        )


class ConsentForm(ScopeForm):
    """Whom to ask, what for and for how long."""

    reference = forms.CharField(
        label=gettext_lazy("Customer"), max_length=80, help_text=gettext_lazy("Your reference.")
    )
    purpose = forms.CharField(
        label=gettext_lazy("What the data is for"),
        max_length=200,
        help_text=gettext_lazy("The customer reads this sentence before deciding."),
    )
    access_until = forms.DateField(label=gettext_lazy("You need access until"), widget=DayInput())


def _choose(form: forms.Form, name: str, found: list[tuple[str, str]]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)  # noqa: S101 - as declared above
    field.choices = found


COLUMNS: list[Column[Activation]] = [
    Column(
        gettext_lazy("Activation"),
        lambda row: Link(row.remote_id or _("not sent yet"), reverse("activations:activation", args=[row.pk])),
    ),
    Column(gettext_lazy("Provider"), lambda row: row.subscription.provider_name),
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
    Column(gettext_lazy("Accepted"), lambda row: _count(row, "accepted"), numeric=True),
    Column(gettext_lazy("Refused"), lambda row: _count(row, "refused"), numeric=True),
    Column(gettext_lazy("Waiting"), lambda row: _count(row, "pending"), numeric=True),
    Column(gettext_lazy("Asked"), lambda row: row.created_at, "created_at"),
]


def _count(row: Activation, state: str) -> int:
    return row.items.filter(state=state).count()


@require_safe
@role_required(*READERS)
def activations(request: HttpRequest) -> HttpResponse:
    """Our activations."""
    return listing(
        request, "requester_activations/activations.html", Activation.objects.select_related("subscription"), COLUMNS,
        _("Activations"), file="activations", filters=FILTERS, order="-created_at",
    )  # fmt: skip


WAITING = ActivationItem.objects.filter(state="pending").exclude(place=None).values("activation")
PROVIDER = Choice(
    "provider",
    gettext_lazy("Provider"),
    distinct(Subscription.objects.all(), "provider", "provider_name"),
    "subscription__provider",
)
FILTERS = (
    Search(gettext_lazy("Id of an activation or a contract"), ("remote_id", "subscription__subscription_id")),
    PROVIDER,
    state_choice(Activation.objects.all()),
    Choice(
        "waits",
        gettext_lazy("Waits for a customer"),
        {"yes": gettext_lazy("yes"), "no": gettext_lazy("no")},
        narrowing={"yes": Q(pk__in=WAITING), "no": ~Q(pk__in=WAITING)},
    ),
)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*WRITERS)
def new(request: HttpRequest, subscription_id: str) -> HttpResponse:
    """Choose customers and data; the provider asks those who have not consented yet."""
    contract = contract_of(subscription_id)
    form = ActivationForm(contract, request.POST or None)
    if request.method == "POST" and form.is_valid():
        chosen = CustomerPoint.objects.filter(pk__in=form.cleaned_data["points"])
        body = ActivationIn(
            subscription_id=subscription_id,
            scope=form.scope(),
            schedule=form.schedule(),
            items=tuple(ItemIn(pod=row.pod, consent_id=_consent_of(row, subscription_id)) for row in chosen),
        )
        try:
            made = service.ask(body)
        except MeterhallError as refusal:
            form.add_error(None, spoken(refusal.detail))
        else:
            messages.success(request, _("The activation is on its way to the provider."))
            return HttpResponseRedirect(reverse("activations:activation", args=[made.pk]))
    crumbs = [Link(_("Contracts"), reverse("partners:subscriptions")), Link(contract.offer.title), Link(_("Activate"))]
    context = {"form": form, "contract": contract, "crumbs": crumbs, "samples": samples.activation(contract)}
    return render(request, "requester_activations/new.html", context)


def _consent_of(row: CustomerPoint, subscription_id: str) -> str | None:
    """The consent the customer has given us under this contract, if any."""
    granted = ConsentRequest.objects.filter(subscription_id=subscription_id, reference=row.reference, state="granted")
    return granted.order_by("-created_at").values_list("consent_id", flat=True).first()


def _curve_link(row: ActivationItem) -> object:
    return Link(row.pod, reverse("analysis:curve", args=[row.pseudonym])) if row.pseudonym else row.pod


ITEMS: list[Column[ActivationItem]] = [
    Column(gettext_lazy("Point of delivery"), _curve_link, "pod"),
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
    Column(gettext_lazy("Why"), lambda row: spoken(row.detail) or row.code.replace("_", " ") or "–"),
    Column(gettext_lazy("Consent"), lambda row: CopyId(row.consent_id) if row.consent_id else "–"),
    Column(gettext_lazy("Access until"), lambda row: service.item_view(row).access_until or "–"),
]


@require_safe
@role_required(*READERS)
def activation(request: HttpRequest, number: int) -> HttpResponse:
    """One activation with the answer for each POD."""
    row = service.find(number)
    view = service.activation_view(row)
    period = view.scope.period
    writes = may(request, *WRITERS)
    may_ask = writes and bool(row.remote_id) and view.accepted > 0 and row.state not in {"refused", "ended"}
    context = {
        "row": row,
        "badge": state_badge(row.state),
        "why": spoken(row.detail),
        "crumbs": [Link(_("Activations"), reverse("activations:activations")), Link(row.remote_id or str(row.pk))],
        "facts": [
            Fact(_("Provider"), row.subscription.provider_name),
            Fact(_("Granularity"), listed(GRANULARITY, view.scope.granularities)),
            Fact(_("Direction"), listed(DIRECTION, view.scope.directions)),
            Fact(_("Readings"), day_range(period.first, period.until) if period else _("no bound")),
            Fact(_("Comes by itself"), _schedule(view.schedule, period.until if period else None)),
            Fact(_("Activation"), CopyId(row.remote_id) if row.remote_id else None),
        ],
        "actions": _actions(row, may_ask, view.accepted > 0),
        "removable": view.accepted + view.pending if writes and row.state not in {"refused", "ended"} else 0,
    }
    items = row.items.all()
    filters = (
        coded(items, "code", gettext_lazy("Reason"), WHY),
        state_choice(items),
    )
    return listing(
        request, "requester_activations/activation.html", items, ITEMS, _("Points of delivery"), file="answers",
        filters=filters, order="position", context=context,
    )  # fmt: skip


def _actions(row: Activation, may_ask: bool, is_accepted: bool) -> list[Link]:
    """Where to go on from an activation: to what is missing, and to a request."""
    lacks = [Link(_("What is missing"), reverse("analysis:missing", args=[row.pk]))] if is_accepted else []
    ask = [Link(_("Request data"), reverse("collection:ask", args=[row.pk]), primary=True)] if may_ask else []
    return [*ask, *lacks]


@require_POST
@role_required(*WRITERS)
def remove(request: HttpRequest, number: int) -> HttpResponse:
    """Take a POD out of a running activation."""
    row = service.find(number)
    pod = request.POST.get("pod", "").strip()
    if row.items.filter(pod=pod).exists():
        service.refresh(row, RefreshIn(remove=(pod,)))
        messages.success(request, _("The provider is told to stop for this point."))
    else:
        messages.error(request, _("There is no such point in this activation."))
    return HttpResponseRedirect(reverse("activations:activation", args=[number]))


CONSENTS: list[Column[ConsentRequest]] = [
    Column(gettext_lazy("Customer"), lambda row: row.reference, "reference"),
    Column(gettext_lazy("Provider"), lambda row: row.subscription.provider_name),
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
    Column(gettext_lazy("Consent"), lambda row: CopyId(row.consent_id) if row.consent_id else "–"),
    Column(gettext_lazy("Link for the customer"), lambda row: CopyId(link_of(row)) if row.state == "open" else "–"),
    Column(gettext_lazy("Asked"), lambda row: row.created_at, "created_at"),
]


@require_safe
@role_required(*READERS)
def consents(request: HttpRequest) -> HttpResponse:
    """Who was asked, and what came of it."""
    return listing(
        request, "requester_activations/consents.html", ConsentRequest.objects.select_related("subscription"),
        CONSENTS, _("Consents"), file="consents", filters=CONSENT_FILTERS, order="-created_at",
    )  # fmt: skip


CONSENT_FILTERS = (
    Search(gettext_lazy("Reference of the customer, or id of a consent"), ("reference__icontains", "consent_id")),
    PROVIDER,
    state_choice(ConsentRequest.objects.all()),
)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*WRITERS)
def ask_consent(request: HttpRequest, subscription_id: str) -> HttpResponse:
    """Make the link by which a customer consents at the provider."""
    contract = contract_of(subscription_id)
    subscription(subscription_id)
    form = ConsentForm(contract, request.POST or None, initial={"access_until": contract.access_until.date()})
    if request.method == "POST" and form.is_valid():
        answers = form.cleaned_data
        until = platform().now().replace(
            year=answers["access_until"].year, month=answers["access_until"].month, day=answers["access_until"].day,
            hour=0, minute=0, second=0, microsecond=0,
        )  # fmt: skip
        need = Need(need="data", scope=form.scope(), purpose=answers["purpose"], access_until=until)
        try:
            create_consent_request(
                ConsentRequestIn(subscription_id=subscription_id, reference=answers["reference"], needs=(need,))
            )
        except MeterhallError as refusal:
            form.add_error(None, spoken(refusal.detail))
        else:
            messages.success(request, _("Send the link to the customer."))
            return HttpResponseRedirect(reverse("activations:consents"))
    crumbs = [Link(_("Consents"), reverse("activations:consents")), Link(_("Ask"))]
    return render(request, "requester_activations/ask.html", {"form": form, "contract": contract, "crumbs": crumbs})


_pages = [
    path("activations", activations, name="activations"),
    path("activations/<int:number>", activation, name="activation"),
    path("activations/<int:number>/removal", remove, name="remove"),
    path("contracts/<str:subscription_id>/activation", new, name="new"),
    path("contracts/<str:subscription_id>/consent", ask_consent, name="ask_consent"),
    path("consents", consents, name="consents"),
    path("consents/start/<str:token>", customer.start, name="consent_start"),
    path("consents/callback", customer.callback, name="consent_callback"),
]
urls: list[URLPattern | URLResolver] = [path("", include((_pages, "activations")))]
nav.register(gettext_lazy("Activations"), "activations:activations", READERS, order=50)
nav.register(gettext_lazy("Consents"), "activations:consents", READERS, order=55)
