"""The page of what an activation is missing, by point and civil day, with the button that asks again for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import numpy as np
from django.contrib import messages
from django.db.models import OuterRef, Subquery
from django.db.models.fields.json import KT
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe
from numpy.typing import NDArray

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.base import Period as CivilDays
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.domain.protocol.offers import DataScope
from meterhall.requester.activations.models import Activation
from meterhall.requester.activations.service import find
from meterhall.requester.analysis.gaps import DAY, Gap, NothingMissing, PointDays, ask_again, due_days, point_days
from meterhall.requester.analysis.lateness import of_points
from meterhall.requester.collection.models import DataAsked, Delivery, Version
from meterhall.requester.customers.models import CustomerPoint
from meterhall.requester.words import READERS, WRITERS
from meterhall.web.accounts.access import may, role_required
from meterhall.web.platform import platform
from meterhall.web.portal.charts import Chart, completeness_strip
from meterhall.web.portal.filters import Choice, Filter, Search
from meterhall.web.portal.periods import Period
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.tables import Column, listing, table, table_csv
from meterhall.web.portal.templatetags.portal import day_range
from meterhall.web.portal.values import CopyId, Fact, Link, Quantity, Text, state_badge
from meterhall.web.portal.words import DIRECTION, GRANULARITY, word

POINT_DAYS: Final = 100_000
"""So many days of points are looked at unless more are asked for: of 10,000 points ten days."""
FEWEST_DAYS: Final = 7
MOST_GAPS: Final = 10_000
"""Rows of the table and its file."""
ON_THE_STRIP: Final = 25
AT_ONCE: Final = 500
"""Points looked up together."""
LATEST: Final = 10
"""Data requests shown."""
OPEN: Final = frozenset({"sending", "awaited", "announced"})
"""Where a request may still bring something."""


@dataclass(frozen=True, slots=True)
class Row:
    """A gap, the customer it is of, and whether there is a load curve to look at."""

    reference: str
    gap: Gap
    is_held: bool

    @property
    def customer(self) -> str:
        """The customer's reference, else the POD."""
        return self.reference or self.gap.item.pod


@dataclass(slots=True)
class Survey:
    """What was found in some days of an activation."""

    points: set[str] = field(default_factory=set)
    lacking: set[str] = field(default_factory=set)
    present: int = 0
    expected: int = 0
    gaps: list[tuple[Gap, bool]] = field(default_factory=list)
    strip: list[PointDays] = field(default_factory=list)
    is_cut: bool = False

    @classmethod
    def of(cls, counted: Iterable[PointDays]) -> Survey:
        """Everything is counted; the first gaps are kept, and the days of the first points with some."""
        found = cls()
        for one in counted:
            due = one.expected > 0
            found.points.add(one.item.pod)
            found.expected += int(one.expected.sum())
            found.present += int(np.minimum(one.present, one.expected)[due].sum())
            gaps = list(one.gaps())
            if not gaps:
                continue
            found.lacking.add(one.item.pod)
            found.is_cut = found.is_cut or len(found.gaps) + len(gaps) > MOST_GAPS
            found.gaps += [(gap, one.is_held) for gap in gaps[: MOST_GAPS - len(found.gaps)]]
            if len(found.strip) < ON_THE_STRIP:
                found.strip.append(one)
        return found


def _curve(row: Row) -> object:
    if not row.is_held:
        return row.customer
    days = {"direction": row.gap.direction, "from": row.gap.first, "to": row.gap.until}
    return Link(row.customer, f"{reverse('analysis:curve', args=[row.gap.item.pseudonym])}?{urlencode(days)}")


COLUMNS: list[Column[Row]] = [
    Column(gettext_lazy("Customer"), _curve),
    Column(gettext_lazy("Point of delivery"), lambda row: row.gap.item.pod),
    Column(gettext_lazy("First day"), lambda row: row.gap.first),
    Column(gettext_lazy("Last day"), lambda row: row.gap.until - DAY),
    Column(gettext_lazy("Values there"), lambda row: row.gap.present, numeric=True),
    Column(gettext_lazy("Values expected"), lambda row: row.gap.expected, numeric=True),
]
DIRECTION_COLUMN: Column[Row] = Column(gettext_lazy("Direction"), lambda row: word(DIRECTION, row.gap.direction))
DIRECTION_CHOICE = Choice("flow", gettext_lazy("Direction"), DIRECTION, value=lambda row: row.gap.direction)
FILTERS = (  # a POD is not searched for: it would stand in the address
    Search(gettext_lazy("Reference of the customer"), texts=lambda row: (row.reference,)),
    Choice(
        "lacks",
        gettext_lazy("What is missing"),
        {"all": gettext_lazy("everything"), "some": gettext_lazy("single values")},
        value=lambda row: "some" if row.gap.present else "all",
    ),
)


@require_safe
@role_required(*READERS)
def missing(request: HttpRequest, number: int) -> HttpResponse:
    """The points and days of an activation with values missing, and what was asked for so far."""
    row = find(number)
    due, asked = due_days(row), _asked(row)
    context = {
        "row": row,
        "crumbs": [
            Link(_("Activations"), reverse("activations:activations")),
            Link(row.remote_id or str(row.pk), reverse("activations:activation", args=[number])),
            Link(_("What is missing")),
        ],
        "to_activation": Link(_("Activation"), reverse("activations:activation", args=[number])),
        "asked": table(request, asked, ASKED, _("What was asked for so far"), id="asked", export=False),
    }
    if due is None:
        return render(request, "analysis/missing.html", context | {"none": _why_nothing(row)})
    period = _period(request, row, due)
    survey = Survey.of(point_days(row, period.civil()))
    names = _names([gap.item.pod for gap, _is_held in survey.gaps])
    chart = _strip(survey, names, period) if survey.strip else None
    if request.GET.get("export") == "completeness" and chart and chart.table:
        return table_csv("completeness", chart.table)
    rows = [Row(names.get(gap.item.pod, ""), gap, is_held) for gap, is_held in survey.gaps]
    caption = _("The first %(number)s gaps") % {"number": MOST_GAPS} if survey.is_cut else _("Gaps")
    context |= {
        "facts": _facts(survey, period),
        "links": _links(period, due),
        "chart": chart,
        "complete": not survey.lacking,
        "is_due": survey.expected > 0,
        "to_curves": Link(_("Load curves"), reverse("analysis:curves")),
        "may_ask": may(request, *WRITERS),
        "not_now": _not_now(row),
        "is_open": any(_stage(one) in OPEN for one in asked),
        "ask": reverse("analysis:ask_again", args=[number]) + period.href(),
        "what": _what(row, survey),
    }
    columns, filters = _of_directions(row)
    return listing(
        request, "analysis/missing.html", rows, columns, caption, file="gaps", filters=filters, context=context
    )


def _of_directions(row: Activation) -> tuple[list[Column[Row]], list[Filter]]:
    """The columns and filters; without the direction where there is one only."""
    if len(DataScope.model_validate(row.scope).directions) > 1:
        return [*COLUMNS[:2], DIRECTION_COLUMN, *COLUMNS[2:]], [*FILTERS, DIRECTION_CHOICE]
    return COLUMNS, [*FILTERS]


def _why_nothing(row: Activation) -> tuple[Text, Text]:
    """Why no day can be missing, and what to do: a title and a sentence."""
    if of_points(row) is None:
        return _("Nothing is counted here"), _(
            "This activation is of sums or of forecasts. How complete each is, is told by its delivery."
        )
    if not row.items.filter(state="accepted").exists():
        return _("No point is active yet"), _(
            "Days can be missing once the provider has accepted a point; the activation says what each waits for."
        )
    return _("No day is over yet"), _("Come back tomorrow: a day can be missing when it is over.")


def _period(request: HttpRequest, row: Activation, due: CivilDays) -> Period:
    """The days asked for; else the newest ones that are due, as many as can be looked at in a moment."""
    points = max(1, row.items.filter(state="accepted").count())
    days = min((due.until - due.first).days, max(FEWEST_DAYS, POINT_DAYS // points))
    return Period.of(request, ZoneInfo(platform().config.zone), due.until - DAY, days)


def _links(period: Period, due: CivilDays) -> list[Link]:
    """All days that are due, other lengths, and the days before and after."""
    whole = "?" + urlencode({"from": due.first.isoformat(), "to": due.until.isoformat()})
    is_whole = (period.first, period.until) == (due.first, due.until)
    return [Link(_("All days"), "" if is_whole else whole), *period.links()]


def _names(pods: Sequence[str]) -> dict[str, str]:
    """The customers' references, by POD."""
    found: dict[str, str] = {}
    known = list(dict.fromkeys(pods))
    for place in range(0, len(known), AT_ONCE):
        mine = CustomerPoint.objects.filter(pod__in=known[place : place + AT_ONCE])
        found |= dict(mine.values_list("pod", "reference"))
    return found


def _strip(survey: Survey, names: dict[str, str], period: Period) -> Chart:
    """One row a point with gaps, of the days shown."""
    several = len({one.direction for one in survey.strip}) > 1
    rows = [(_label(one, names, several), _shares(one, period)) for one in survey.strip]
    title = _("Completeness")
    if len(survey.lacking) > ON_THE_STRIP:
        title = _("Completeness of the first %(number)s points with gaps") % {"number": ON_THE_STRIP}
    return completeness_strip(rows, period.first, period.zone, title, csv_url=period.with_query(export="completeness"))


def _label(one: PointDays, names: dict[str, str], several: bool) -> str:
    name = names.get(one.item.pod, one.item.pod)
    return f"{name} · {word(DIRECTION, one.direction)}" if several else name


def _shares(one: PointDays, period: Period) -> NDArray[np.float64]:
    """The share of each day's values that are there over the days of the page; NaN where none is due."""
    shares = np.full(period.days, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.where(one.expected > 0, one.present / one.expected, np.nan)
    begin = (one.first - period.first).days
    shares[begin : begin + len(known)] = known
    return shares


def _facts(survey: Survey, period: Period) -> list[Fact]:
    lacking = {"lacking": len(survey.lacking), "all": len(survey.points)}
    return [
        Fact(_("Days"), day_range(period.first, period.until)),
        Fact(_("Points with values missing"), _("%(lacking)s of %(all)s") % lacking),
        Fact(_("Values missing"), Quantity(survey.expected - survey.present)),
        Fact(_("Values expected"), Quantity(survey.expected)),
    ]


def _what(row: Activation, survey: Survey) -> str:
    """What the button asks, and whom."""
    if not survey.gaps:
        return ""
    first, until = min(gap.first for gap, _held in survey.gaps), max(gap.until for gap, _held in survey.gaps)
    number = len(survey.lacking)
    said = ngettext(
        "%(provider)s is asked for %(number)s point, %(days)s. What is here already stays.",
        "%(provider)s is asked for %(number)s points, %(days)s. What is here already stays.",
        number,
    )
    return said % {"provider": row.subscription.provider_name, "number": number, "days": day_range(first, until)}


def _request(row: DataAsked) -> DataRequest:
    return DataRequest.model_validate(row.request)


def _stage(row: DataAsked) -> str:
    """What became of a request: as it was answered, then as its delivery stands."""
    return row.state if row.state != "taken" else getattr(row, "came", None) or "awaited"


def _delivery(row: DataAsked) -> object:
    if getattr(row, "came", None) is None:
        return "–"
    return CopyId(row.delivery_id, reverse("collection:delivery", args=[row.delivery_id]))


def _why(row: DataAsked) -> str:
    """Why it was refused, or what is to be known of what came."""
    if str(getattr(row, "readings", None)) == "0":
        return _("Nothing came: the provider has none of these values now.")
    return spoken(row.detail) or row.code.replace("_", " ") or "–"


ASKED: list[Column[DataAsked]] = [
    Column(gettext_lazy("Asked"), lambda row: row.created_at),
    Column(gettext_lazy("Points"), lambda row: len(_request(row).pseudonyms) or _("all"), numeric=True),
    Column(gettext_lazy("Days"), lambda row: day_range(_request(row).period.first, _request(row).period.until)),
    Column(gettext_lazy("Granularity"), lambda row: word(GRANULARITY, _request(row).granularity)),
    Column(gettext_lazy("State"), lambda row: state_badge(_stage(row))),
    Column(gettext_lazy("Why"), _why),
    Column(gettext_lazy("Delivery"), _delivery),
]


def _asked(row: Activation) -> list[DataAsked]:
    """The newest data requests under the activation, each with the state its delivery is in."""
    came = Delivery.objects.filter(delivery_id=OuterRef("delivery_id"), provider=row.subscription.provider)
    held = Version.objects.filter(
        delivery__delivery_id=OuterRef("delivery_id"), delivery__provider=row.subscription.provider
    ).order_by("-version")
    newest = row.data_requests.annotate(
        came=Subquery(came.values("state")[:1]), readings=Subquery(held.values(said=KT("manifest__readings"))[:1])
    )
    return list(newest.order_by("-created_at", "-pk")[:LATEST])


def _not_now(row: Activation) -> str:
    """Why nothing can be asked for; empty where it can."""
    if row.state in {"refused", "ended"}:
        return _("Nothing more can be asked for: the activation has ended or was refused.")
    return "" if row.remote_id else _("It can be asked for once the activation has reached the provider.")


@require_POST
@role_required(*WRITERS)
def ask(request: HttpRequest, number: int) -> HttpResponse:
    """Ask the provider again for what is missing of the days shown, and say what was asked for."""
    row = find(number)
    due = due_days(row)
    period = _period(request, row, due) if due else None
    try:
        made = ask_again(row, period.civil() if period else None)
    except NothingMissing:
        messages.info(request, _("Nothing is missing of these days, so nothing was asked for."))
    except MeterhallError as refusal:
        messages.error(request, spoken(refusal.detail))
    else:
        messages.success(request, _told(row, made))
    here = reverse("analysis:missing", args=[number])
    return HttpResponseRedirect(here + (period.href() if period and "from" in request.GET else ""))


def _told(row: Activation, made: Sequence[DataAsked]) -> str:
    """What was asked for and of whom."""
    asked = [_request(one) for one in made]
    number = sum(len(one.pseudonyms) for one in asked)
    said = ngettext(
        "%(provider)s is asked again for %(number)s point, %(days)s. What it answers is told below.",
        "%(provider)s is asked again for %(number)s points, %(days)s. What it answers is told below.",
        number,
    )
    days = day_range(asked[0].period.first, asked[0].period.until)
    return said % {"provider": row.subscription.provider_name, "number": number, "days": days}


pages = [
    path("activations/<int:number>/gaps", missing, name="missing"),
    path("activations/<int:number>/gaps/requests", ask, name="ask_again"),
]
