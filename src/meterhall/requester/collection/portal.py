"""Pages about data asked for and delivered."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe
from pydantic import ValidationError

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.agreements import ServiceContract
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import GroupAnswer
from meterhall.domain.protocol.offers import DataScope
from meterhall.requester import samples
from meterhall.requester.activations.models import Activation
from meterhall.requester.activations.portal import ScopeForm
from meterhall.requester.activations.service import find
from meterhall.requester.collection import service
from meterhall.requester.collection.manifests import manifest_of
from meterhall.requester.collection.models import DataAsked, Delivery, Series, Version
from meterhall.requester.collection.service import DataRequestIn
from meterhall.requester.collection.store import name_of
from meterhall.requester.partners.models import Subscription
from meterhall.requester.partners.service import contract_of
from meterhall.requester.words import PACKING, READERS, TRANSMISSION, WRITERS
from meterhall.web.accounts.access import role_required
from meterhall.web.platform import platform
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Choice, Search, distinct, state_choice
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.tables import Column, listing, plain_table, table
from meterhall.web.portal.templatetags.portal import day_range
from meterhall.web.portal.values import CopyId, Fact, Link, Sample, Step, Tone, state_badge
from meterhall.web.portal.words import DIRECTION, FORMAT, GRANULARITY, MEASURE, REASON, STATE, choices, word

COLUMNS: list[Column[Delivery]] = [
    Column(
        gettext_lazy("Delivery"),
        lambda row: CopyId(row.delivery_id, reverse("collection:delivery", args=[row.delivery_id])),
    ),
    Column(
        gettext_lazy("Provider"),
        lambda row: row.activation.subscription.provider_name if row.activation else row.provider,
    ),
    Column(gettext_lazy("Version"), lambda row: row.version, "version", numeric=True),
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
    Column(gettext_lazy("Both sides say the same"), lambda row: state_badge(row.match) if row.match else "–"),
    Column(gettext_lazy("Readings"), lambda row: service.delivery_view(row).readings, numeric=True),
    Column(gettext_lazy("Missing"), lambda row: service.delivery_view(row).missing, numeric=True),
    Column(gettext_lazy("Announced"), lambda row: row.announced_at, "announced_at"),
]
ASKED: list[Column[DataAsked]] = [
    Column(gettext_lazy("Asked"), lambda row: row.created_at, "created_at"),
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
    Column(gettext_lazy("Why"), lambda row: spoken(row.detail) or row.code.replace("_", " ") or "–"),
    Column(
        gettext_lazy("Delivery"),
        lambda row: (
            CopyId(row.delivery_id, reverse("collection:delivery", args=[row.delivery_id])) if row.delivery_id else "–"
        ),
    ),
]


OVER = ("area", "usage_class", "postal_code")


class RequestForm(ScopeForm):
    """Which data of an activation, and how."""

    format = forms.ChoiceField(label=gettext_lazy("Format"))
    transmission = forms.ChoiceField(label=gettext_lazy("Transmission"))
    compression = forms.ChoiceField(label=gettext_lazy("Packing"), choices=list(PACKING.items()), required=False)
    group = forms.BooleanField(
        label=gettext_lazy("One sum over all points instead of single load curves"), required=False
    )

    area = forms.CharField(label=gettext_lazy("Grid area of the provider"), required=False, max_length=120)
    usage_class = forms.CharField(label=gettext_lazy("Class of customer in the area"), required=False, max_length=40)
    postal_code = forms.CharField(label=gettext_lazy("Or a postal code"), required=False, max_length=12)
    measures = forms.MultipleChoiceField(
        label=gettext_lazy("What to tell of the group"),
        widget=forms.CheckboxSelectMultiple,
        choices=list(MEASURE.items()),
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer = self.contract.offer
        if offer.scope.kind != "aggregate":
            for name in OVER:
                del self.fields[name]
        for name, found in (
            ("format", choices(FORMAT, offer.formats)),
            ("transmission", choices(TRANSMISSION, offer.transmission)),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 - as declared above
            field.choices = found

    def over(self) -> dict[str, Any]:
        """The group of the provider's points, and its measures, where one is named."""
        answers = self.cleaned_data
        said = {name: answers[name] for name in OVER if answers.get(name)}
        measures = tuple(answers["measures"]) or None
        if said:
            return {"group": True, "over": said, "measures": measures}
        return {"measures": measures} if answers["group"] else {}


@require_safe
@role_required(*READERS)
def deliveries(request: HttpRequest) -> HttpResponse:
    """What came, and what was asked for."""
    asked = table(
        request, DataAsked.objects.exclude(state="taken"), ASKED, _("Requests not answered or refused"),
        order="-created_at", id="asked", export=False,
    )  # fmt: skip
    return listing(
        request, "collection/deliveries.html", Delivery.objects.select_related("activation__subscription"), COLUMNS,
        _("Deliveries"), file="deliveries", filters=FILTERS, order="-announced_at", context={"asked": asked},
    )  # fmt: skip


FILTERS = (
    Search(gettext_lazy("Id of a delivery or an activation"), ("delivery_id", "activation__remote_id")),
    Choice("provider", gettext_lazy("Provider"), distinct(Subscription.objects.all(), "provider", "provider_name")),
    state_choice(Delivery.objects.all()),
    Choice(
        "look",
        gettext_lazy("Needs a look"),
        {"refused": gettext_lazy("not taken in"), "differ": gettext_lazy("the two sides differ")},
        narrowing={
            "refused": Q(state__in=("rejected", "refused")),
            "differ": Q(pk__in=Version.objects.filter(match="mismatched").values("delivery")),
        },
    ),
)


@require_safe
@role_required(*READERS)
def delivery(request: HttpRequest, delivery_id: str) -> HttpResponse:
    """One delivery: its versions as a timeline, and the curves in it."""
    row = service.find_delivery(delivery_id)
    view = service.delivery_view(row)
    context = {
        "row": row,
        "badge": state_badge(row.state),
        "why": spoken(row.detail),
        "crumbs": [Link(_("Deliveries"), reverse("collection:deliveries")), Link(delivery_id)],
        "facts": [
            Fact(_("Provider"), row.activation.subscription.provider_name if row.activation else row.provider),
            Fact(_("Readings"), view.readings),
            Fact(_("Missing"), view.missing),
            Fact(_("Period"), day_range(view.period.first, view.period.until) if view.period else None),
            Fact(_("Granularity"), word(GRANULARITY, view.granularity) if view.granularity else None),
            Fact(_("Format"), word(FORMAT, view.format) if view.format else None),
            Fact(_("Points in the sum"), view.group_size)
            if view.group_size
            else Fact(_("Points"), len(_pseudonyms(row))),
            *_group_facts(view.group),
            *_forecast_facts(view),
            Fact(_("Both sides say the same"), state_badge(row.match) if row.match else None),
            Fact(_("Delivery"), CopyId(delivery_id)),
        ],
        "steps": [_step(version) for version in row.versions.all()],
        "table": _curves(row),
    }
    return render(request, "collection/delivery.html", context)


def _group_facts(group: GroupAnswer | None) -> list[Fact]:
    """Which group, and how complete: of the values it could have, those it has, and slots that were withheld."""
    if group is None:
        return []
    there, expected = (sum(getattr(one, name) for one in group.months) for name in ("values", "expected"))
    return [
        Fact(_("Group"), name_of(group.over) or None),
        Fact(_("Complete"), f"{100 * there / expected:.1f} %" if expected else None),
        Fact(_("Slots withheld, one point being most of them"), sum(one.withheld for one in group.months)),
    ]


def _forecast_facts(view: service.DeliveryView) -> list[Fact]:
    """How large the error was on the days before, and how many curves are without a forecast."""
    if view.forecast is None:
        return []
    made, naive = (
        sum(Decimal(getattr(one, name)) for one in view.forecasts) for name in ("error_wh", "naive_error_wh")
    )
    share = f"{100 * made / naive:.0f} %" if naive else None
    return [
        Fact(_("Error on the days before, to that of repeating the week"), share),
        Fact(_("Curves without a forecast"), len(view.forecast.absent)),
    ]


def _step(version: Version) -> Step:
    manifest = manifest_of(version)
    tones: dict[str, Tone] = {"received": "success", "rejected": "danger", "superseded": "neutral"}
    facts = (
        Fact(_("Reason"), word(REASON, manifest.reason)),
        Fact(_("Readings"), manifest.readings),
        Fact(_("Receipt taken"), version.receipted_at or _("not yet")),
        Fact(_("Manifest"), CopyId(version.digest)),
    )
    title = _("Version %(number)s: %(outcome)s") % {
        "number": version.version,
        "outcome": word(STATE, version.outcome) if version.outcome else _("collecting"),
    }
    return Step(title, version.settled_at or version.fetched_at, tone=tones.get(version.outcome, "info"), facts=facts)


def _pseudonyms(row: Delivery) -> list[str]:
    version = row.versions.last()
    found = {name for part in manifest_of(version).parts for name in part.pseudonyms} if version else set()
    return sorted(found)


def _curves(row: Delivery) -> Any:
    """The series the delivery belongs to; many are cut short."""
    names, version = _pseudonyms(row)[:500], row.versions.last()
    forecast = version is not None and manifest_of(version).forecast is not None
    series = Series.objects.filter(provider=row.provider, pseudonym__in=names, is_forecast=forecast, withdrawn_at=None)
    rows = [
        [
            Link(
                str(word(MEASURE, one.measure)) if one.measure else one.pseudonym,
                reverse("analysis:curve", args=[one.pseudonym]) + ("?forecast=1" if forecast else ""),
            ),
            word(DIRECTION, one.direction),
            day_range(one.first_day, one.until_day) if one.first_day and one.until_day else None,
        ]
        for one in series[:100]
    ]
    return plain_table(_("Load curves"), [_("Pseudonym"), _("Direction"), _("Days")], rows)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*WRITERS)
def ask(request: HttpRequest, number: int) -> HttpResponse:
    """Ask for data of an activation."""
    row = find(number)
    contract, initial = contract_of(row.subscription_id), _initial(row.scope)
    form = RequestForm(contract, request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        answers = form.cleaned_data
        wanted: dict[str, Any] = {
            "activation": row.pk,
            "period": Period(first=answers["first"], until=answers["until"]),
            "granularity": answers["granularity"],
            "directions": tuple(answers["directions"]),
            "format": answers["format"],
            "transmission": answers["transmission"],
            "compression": answers["compression"] or "none",
            "group": answers["group"],
        }
        try:
            service.request_data(row, DataRequestIn.model_validate(wanted | form.over()))
        except ValidationError:
            form.add_error("area", _("A group is of a grid area, with or without a class, or of a postal code."))
        except MeterhallError as refusal:
            form.add_error(None, spoken(refusal.detail))
        else:
            messages.success(request, _("The request is on its way; the delivery appears here."))
            return HttpResponseRedirect(reverse("collection:deliveries"))
    crumbs = [Link(_("Activation"), reverse("activations:activation", args=[number])), Link(_("Request data"))]
    context = {"form": form, "crumbs": crumbs, "samples": _samples(contract, row)}
    return render(request, "collection/ask.html", context)


def _samples(contract: ServiceContract, row: Activation) -> list[Sample]:
    """The same for a system of ours: the days and the finest granularity of the activation."""
    scope = DataScope.model_validate(row.scope)
    period = scope.period or contract.offer.scope.period
    if period is None:
        today = platform().now().date()
        period = Period(first=today - timedelta(days=30), until=today)
    return samples.data(contract, row.remote_id or "act_…", scope.granularities[0], period.first, period.until)


def _initial(scope: dict[str, Any]) -> dict[str, Any]:
    """What the activation was asked for."""
    period = scope.get("period") or {}
    known = {"first": period.get("from"), "until": period.get("until"), "directions": scope.get("directions")}
    return {name: value for name, value in known.items() if value}


_pages = [
    path("deliveries", deliveries, name="deliveries"),
    path("deliveries/<str:delivery_id>", delivery, name="delivery"),
    path("activations/<int:number>/data", ask, name="ask"),
]
urls: list[URLPattern | URLResolver] = [path("", include((_pages, "collection")))]
nav.register(gettext_lazy("Deliveries"), "collection:deliveries", READERS, order=60)
