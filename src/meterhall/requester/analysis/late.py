"""The page of how late each provider is: promised times and what came of them, and how far readings have come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from meterhall.requester.activations.models import Activation
from meterhall.requester.analysis.gaps import DAY
from meterhall.requester.analysis.lateness import Due, Lateness, lateness, promised, promises
from meterhall.requester.partners.models import Subscription
from meterhall.requester.words import READERS
from meterhall.web.accounts.access import role_required
from meterhall.web.platform import platform
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Choice, Search, distinct
from meterhall.web.portal.tables import Column, Table, csv_response, listing, table
from meterhall.web.portal.templatetags.portal import duration
from meterhall.web.portal.values import Badge, CopyId, Link, Text
from meterhall.web.portal.words import Words, word

PROMISE: Words = {
    "delivery": gettext_lazy("data asked for"),
    "scheduled": gettext_lazy("a day, week or month by itself"),
}
SHOWN: Final = 25
"""Late deliveries on the page; the file has them all."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One promise of a provider: how many times it came due, how many it was kept, the longest it was overrun."""

    provider: str
    promise: str
    within_s: int
    over: int
    in_time: int
    longest: timedelta | None


@dataclass(frozen=True, slots=True)
class Row:
    """How far the readings of an activation have come, and how many of its deliveries were late."""

    lateness: Lateness
    late: int


def _length(span: timedelta | None) -> str:
    """About how long: in the largest unit of which there are two."""
    if span is None:
        return "–"
    seconds = int(span.total_seconds())
    unit = next((one for one in (86_400, 3600, 60) if seconds >= 2 * one), 1)
    return duration(seconds // unit * unit)


def _activation(row: Activation) -> CopyId:
    return CopyId(row.remote_id, reverse("activations:activation", args=[row.pk]))


def _gaps(row: Activation) -> Link:
    return Link(_("What is missing"), reverse("analysis:missing", args=[row.pk]))


def _result(one: Kept) -> Badge:
    if not one.over:
        return Badge(_("nothing has come due"))
    return Badge(_("held"), "success") if one.in_time == one.over else Badge(_("broken"), "danger")


def _delivery(one: Due) -> object:
    if one.came is None:
        return "–"
    return CopyId(one.delivery_id, reverse("collection:delivery", args=[one.delivery_id]))


def _newest(row: Row) -> object:
    newest = row.lateness.newest
    return newest - DAY if newest else Badge(_("nothing yet"), "warning")


COLUMNS: list[Column[Row]] = [
    Column(gettext_lazy("Activation"), lambda row: _activation(row.lateness.activation)),
    Column(gettext_lazy("Provider"), lambda row: row.lateness.activation.subscription.provider_name),
    Column(gettext_lazy("Newest day that is here"), _newest),
    Column(gettext_lazy("Days behind"), lambda row: "–" if _behind(row) == "nothing" else row.lateness.days_behind,
           numeric=True),
    Column(gettext_lazy("Late deliveries"), lambda row: row.late, numeric=True),
    Column(gettext_lazy("Gaps"), lambda row: _gaps(row.lateness.activation)),
]  # fmt: skip
PROMISES: list[Column[Kept]] = [
    Column(gettext_lazy("Provider"), lambda one: one.provider),
    Column(gettext_lazy("Promise"), lambda one: word(PROMISE, one.promise)),
    Column(gettext_lazy("Promised within"), lambda one: duration(one.within_s)),
    Column(gettext_lazy("Came due"), lambda one: one.over, numeric=True),
    Column(gettext_lazy("In time"), lambda one: one.in_time, numeric=True),
    Column(gettext_lazy("Longest delay"), lambda one: _length(one.longest)),
    Column(gettext_lazy("Result"), _result),
]
LATE: list[Column[Due]] = [
    Column(gettext_lazy("Provider"), lambda one: one.activation.subscription.provider_name),
    Column(gettext_lazy("Activation"), lambda one: _activation(one.activation)),
    Column(gettext_lazy("Promise"), lambda one: word(PROMISE, one.promise)),
    Column(gettext_lazy("Promised by"), lambda one: one.at),
    Column(gettext_lazy("Came"), lambda one: one.came or Badge(_("not yet"), "danger")),
    Column(gettext_lazy("Late by"), lambda one: _length(one.late_by(platform().now()))),
    Column(gettext_lazy("Delivery"), _delivery),
]


def _behind(row: Row) -> str:
    if row.lateness.newest is None:
        return "nothing"
    return "behind" if row.lateness.days_behind else "here"


FILTERS = (
    Search(gettext_lazy("Id of an activation"), texts=lambda row: (row.lateness.activation.remote_id,)),
    Choice(
        "provider",
        gettext_lazy("Provider"),
        distinct(Subscription.objects.all(), "provider", "provider_name"),
        value=lambda row: row.lateness.activation.subscription.provider,
    ),
    Choice(
        "readings",
        gettext_lazy("Readings"),
        {
            "nothing": gettext_lazy("nothing yet"),
            "behind": gettext_lazy("days behind"),
            "here": gettext_lazy("all days are here"),
        },
        value=_behind,
    ),
)


@require_safe
@role_required(*READERS)
def late(request: HttpRequest) -> HttpResponse:
    """Each provider's promises and how they were kept, how far each activation has come, and what came late."""
    now = platform().now()
    dues = list(promised())
    overdue = [one for one in dues if one.late_by(now)]
    overdue.sort(key=lambda one: (one.came is not None, -one.at.timestamp()))
    kept = list(_kept(dues))
    if request.GET.get("export") == "promises":
        return csv_response("promises", kept, PROMISES)
    if request.GET.get("export") == "late":
        return csv_response("late", overdue, LATE)
    counts: dict[int, int] = defaultdict(int)
    for one in overdue:
        counts[one.activation.pk] += 1
    context = {
        "promises": _own(request, kept, PROMISES, _("Promises of the last 90 days"), "promises"),
        "late": _own(request, overdue, LATE, _("What came late, or is late now"), "late"),
        "to_activations": Link(_("Activations"), reverse("activations:activations")),
    }
    rows = [Row(one, counts[one.activation.pk]) for one in lateness()]
    return listing(
        request, "analysis/late.html", rows, COLUMNS, _("How far the readings have come"), file="lateness",
        filters=FILTERS, context=context,
    )  # fmt: skip


def _own(request: HttpRequest, rows: list[Any], columns: Sequence[Column[Any]], caption: Text, name: str) -> Table:
    """A table beside the list, with its own file."""
    shown = table(request, rows[:SHOWN], columns, caption, id=name, export=False)
    return replace(shown, total=len(rows), csv_href=f"?export={name}")


def _kept(dues: Iterable[Due]) -> Iterator[Kept]:
    """The promises of each provider, by its name."""
    now = platform().now()
    found: dict[tuple[str, str, int], list[Due]] = {one: [] for one in promises()}
    for one in dues:
        found.setdefault((one.activation.subscription.provider_name, one.promise, one.within_s), []).append(one)
    for (provider, promise, within_s), some in sorted(found.items()):
        over = [one for one in some if one.is_over(now)]
        spans = [span for one in over if (span := one.late_by(now)) is not None]
        yield Kept(provider, promise, within_s, len(over), len(over) - len(spans), max(spans, default=None))


pages = [path("lateness", late, name="late")]
nav.register(gettext_lazy("Lateness"), "analysis:late", READERS, order=65)
