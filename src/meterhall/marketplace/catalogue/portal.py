"""Pages about offers that anyone may see: the catalogue with its search, one offer, the providers."""

from __future__ import annotations

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from meterhall.domain.protocol.offers import Offer, OfferView, ProviderView
from meterhall.marketplace.agreements.kept import kept
from meterhall.marketplace.catalogue import service
from meterhall.marketplace.catalogue.models import OfferVersion, Trait
from meterhall.marketplace.catalogue.search import OfferSearch, catalogue
from meterhall.marketplace.catalogue.words import (
    AREA,
    ASSURANCE,
    DIRECTION,
    GRANULARITY,
    KIND,
    SERVICE,
    TIMING,
    TRANSMISSION,
    listed,
    price_text,
    word,
)
from meterhall.marketplace.players.models import Player
from meterhall.marketplace.players.words import Words
from meterhall.web.platform import platform
from meterhall.web.portal import nav
from meterhall.web.portal.charts import Chart, SlaBar, sla_bars
from meterhall.web.portal.filters import COUNTRIES, Choice, Search
from meterhall.web.portal.tables import Column, listing, plain_table, table, table_csv, wants_csv
from meterhall.web.portal.templatetags.portal import day_range, duration, duration_text
from meterhall.web.portal.values import CopyId, Fact, Link, Sample, Text, state_badge
from meterhall.web.portal.words import FORMAT

PER_PAGE = 24
AREAS_SHOWN = 200
LONGEST_AREA = 60
NOBODY = "anonymous"


class SearchForm(forms.Form):
    """What an offer must have to be shown."""

    text = forms.CharField(label=gettext_lazy("Words"), required=False, max_length=200)
    country = forms.ChoiceField(label=gettext_lazy("Country"), required=False)
    service_type = forms.ChoiceField(label=gettext_lazy("Service"), required=False)
    granularity = forms.ChoiceField(label=gettext_lazy("Granularity"), required=False)
    format = forms.ChoiceField(label=gettext_lazy("Format"), required=False)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._choose("country", {})
        self._choose("granularity", GRANULARITY)
        self._choose("format", FORMAT)
        self._offer("service_type", [(code, str(words)) for code, words in SERVICE.items()])

    def _choose(self, name: str, words: Words) -> None:
        """Only what some published offer has can be chosen."""
        found = Trait.objects.filter(name=name, version__status="published").values_list("value", flat=True).distinct()
        self._offer(name, [(value, str(word(words, value))) for value in sorted(found)])

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - as declared above
        field.choices = [("", _("any")), *choices]


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The catalogue: what is on offer, and the search."""
    form = SearchForm(request.GET if request.GET else None)
    wanted = {key: value for key, value in form.cleaned_data.items() if value} if form.is_valid() else {}
    held = catalogue()
    rows = held.search(OfferSearch.model_validate(wanted)).order_by("-published_at", "pk")
    shown = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "wanted": wanted,
        "page": shown,
        "cards": [_card(held.view(row)) for row in shown],
        "providers": len(held.certificates),
        "countries": len(form.fields["country"].choices) - 1,  # type: ignore[attr-defined]
        "query": _query(request),
    }
    return render(request, "catalogue/home.html", context)


def _query(request: HttpRequest) -> str:
    kept = request.GET.copy()
    kept.pop("page", None)
    return kept.urlencode()


def _card(view: OfferView) -> dict[str, object]:
    offer = view.offer
    return {
        "view": view,
        "href": reverse("catalogue:offer", args=[view.offer_id]),
        "service": word(SERVICE, offer.service_type),
        "data": f"{word(KIND, offer.scope.kind)}, {word(TIMING, offer.scope.timing)}",
        "granularities": listed(GRANULARITY, offer.scope.granularities),
        "formats": listed(FORMAT, offer.formats),
        "countries": ", ".join(offer.countries),
        "price": price_text(offer.price),
    }


@require_safe
def offer(request: HttpRequest, offer_id: str, version: int | None = None) -> HttpResponse:
    """One offer: scope, price, promises and how they were kept, coverage, versions. Raises `UnknownOffer`."""
    view = service.find(offer_id, NOBODY, version)
    chart = _kept(view)
    if wants_csv(request) and chart.table:
        return table_csv("promises", chart.table)
    context = {
        "view": view,
        "offer": view.offer,
        "badge": state_badge(view.status),
        "crumbs": [Link(_("Catalogue"), reverse("catalogue:home")), Link(view.offer.title)],
        "facts": _facts(view),
        "data": _data(view.offer),
        "promises": _promises(view.offer),
        "chart": chart,
        "coverage": _coverage(view.offer),
        "versions": table(request, service.versions(offer_id, NOBODY)[::-1], VERSIONS, _("Versions"), export=False),
        "samples": [Sample("curl", f"curl {platform().base_url}/v1/offers/{offer_id}")],
    }
    return render(request, "catalogue/offer.html", context)


VERSIONS: list[Column[OfferVersion]] = [
    Column(
        gettext_lazy("Version"),
        lambda row: Link(str(row.version), reverse("catalogue:version", args=[row.offer.offer_id, row.version])),
    ),
    Column(gettext_lazy("Published"), lambda row: row.published_at),
    Column(gettext_lazy("State"), lambda row: state_badge(row.status)),
]


def _facts(view: OfferView) -> list[Fact]:
    offer = view.offer
    facts = [
        Fact(_("Provider"), view.provider_name),
        Fact(_("Access number"), CopyId(view.provider)),
        Fact(_("Certified until"), view.certified_until),
        Fact(_("Price"), price_text(offer.price)),
        Fact(_("Contract runs for"), duration_text(offer.duration)),
        Fact(_("Notice of changes"), duration(offer.notice_days * 86_400)),
        Fact(_("Offer"), CopyId(view.offer_id)),
    ]
    facts += [
        Fact(option.title, price_text(option.price) if option.price else _("included")) for option in offer.options
    ]
    return facts


def _data(offer: Offer) -> list[Fact]:
    scope = offer.scope
    facts = [
        Fact(_("Service"), word(SERVICE, offer.service_type)),
        Fact(_("Data"), f"{word(KIND, scope.kind)}, {word(TIMING, scope.timing)}"),
        Fact(_("Directions"), listed(DIRECTION, scope.directions)),
        Fact(_("Granularity"), listed(GRANULARITY, scope.granularities)),
        Fact(_("Formats"), listed(FORMAT, offer.formats)),
        Fact(_("Transmission"), listed(TRANSMISSION, offer.transmission)),
        Fact(_("Proof of consent"), listed(ASSURANCE, offer.accepted_assurance)),
    ]
    if scope.period is not None:
        facts.append(Fact(_("Readings"), day_range(scope.period.first, scope.period.until)))
    if offer.minimum_group is not None:
        facts.append(Fact(_("Fewest points in an aggregate"), offer.minimum_group))
    return facts


def _promises(offer: Offer) -> list[Fact]:
    level = offer.service_level
    return [
        Fact(_("Answers an activation within"), duration(level.answer_within_s)),
        Fact(_("Delivers within"), duration(level.delivery_within_s)),
        Fact(_("Delivers a day, week or month by itself, after its end, within"), duration(level.scheduled_within_s)),
        Fact(_("Stops after a withdrawal of consent within"), duration(level.stop_within_s)),
        Fact(_("Available"), f"{level.availability_percent} %"),
    ]


def _kept(view: OfferView) -> Chart:
    """The promises of times, and the share of requests for which each was kept."""
    level = view.offer.service_level
    words = {
        "answer": _("Answers within %(time)s") % {"time": duration(level.answer_within_s)},
        "delivery": _("Delivers within %(time)s") % {"time": duration(level.delivery_within_s)},
    }
    bars = [SlaBar(words[one.promise], one.share, 1.0) for one in kept(view.offer_id, platform().now())]
    return sla_bars(
        bars, _("What was kept in the last 90 days, by the statements of both sides"), csv_url="?export=csv"
    )


def _coverage(offer: Offer) -> object:
    rows = [
        [area.country, word(AREA, area.kind), _short(area.value), area.name or "–"]
        for area in offer.coverage[:AREAS_SHOWN]
    ]
    caption = _("Coverage")
    if len(offer.coverage) > AREAS_SHOWN:
        counts = {"shown": AREAS_SHOWN, "all": len(offer.coverage)}
        caption = _("Coverage: the first %(shown)s of %(all)s areas") % counts
    return plain_table(caption, [_("Country"), _("By"), _("Value"), _("Grid operator")], rows)


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_AREA else value[: LONGEST_AREA - 1] + "…"


PROVIDERS: list[Column[ProviderView]] = [
    Column(gettext_lazy("Provider"), lambda row: row.organisation),
    Column(gettext_lazy("Access number"), lambda row: CopyId(row.access_number)),
    Column(gettext_lazy("Country"), lambda row: row.country),
    Column(gettext_lazy("Offers"), lambda row: len(row.offers), numeric=True),
    Column(gettext_lazy("Areas covered"), lambda row: len(row.coverage), numeric=True),
    Column(gettext_lazy("Certified until"), lambda row: row.certified_until),
    Column(gettext_lazy("Contact"), lambda row: row.contact),
]


@require_safe
def providers(request: HttpRequest) -> HttpResponse:
    """The admitted providers: what they cover and until when they are certified."""
    held = catalogue()
    rows = Player.objects.filter(is_provider=True, status="admitted").order_by("organisation", "pk")
    found = [held.provider_view(row) for row in rows]
    return listing(
        request, "catalogue/providers.html", found, PROVIDERS, _("Providers"), file="providers", filters=FILTERS,
        empty=_("No provider is admitted yet."),
    )  # fmt: skip


def _countries() -> list[tuple[str, Text]]:
    found = Player.objects.filter(is_provider=True, status="admitted").order_by("country")
    return [(country, country) for country in found.values_list("country", flat=True).distinct()]


FILTERS = (
    Search(gettext_lazy("Name or access number"), texts=lambda row: (row.organisation, row.access_number)),
    Choice("country", gettext_lazy("Country"), _countries, value=lambda row: row.country, known=COUNTRIES),
)


nav.register(gettext_lazy("Catalogue"), "catalogue:home", order=10)
nav.register(gettext_lazy("Providers"), "catalogue:providers", order=11)
pages = [
    path("", home, name="home"),
    path("offers/<str:offer_id>", offer, name="offer"),
    path("offers/<str:offer_id>/versions/<int:version>", offer, name="version"),
    path("providers", providers, name="providers"),
]
urls = [path("", include((pages, "catalogue")))]
