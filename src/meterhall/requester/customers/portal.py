"""The customer list: hand it in, see who holds each POD, fix what was mistyped in place."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from pydantic import ValidationError

from meterhall.domain.errors import MeterhallError
from meterhall.domain.identifiers import EEA
from meterhall.requester import samples
from meterhall.requester.customers import service
from meterhall.requester.customers.models import CustomerPoint
from meterhall.requester.customers.service import CustomerPointChange, CustomerPointIn
from meterhall.requester.words import POINT, READERS, WRITERS
from meterhall.web.accounts.access import may, role_required
from meterhall.web.portal import nav
from meterhall.web.portal.filters import COUNTRIES, Choice, Search, distinct
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.tables import Column, listing
from meterhall.web.portal.values import Fact, Link, Text, state_badge
from meterhall.web.portal.words import word

MOST_LINES = 10_000
TONES = {"localised": "valid", "unresolved": "pending", "ambiguous": "pending", "invalid": "failed", "new": "new"}


class ListForm(forms.Form):
    """Lines of customer and POD, pasted or as a file."""

    lines = forms.CharField(
        label=gettext_lazy("Customers and their points of delivery"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text=gettext_lazy("One a line: your reference; POD; country where the POD does not say it"),
    )
    file = forms.FileField(label=gettext_lazy("Or a CSV file with these columns"), required=False)

    def clean(self) -> dict[str, Any]:
        """The lines as they will be kept; the first that cannot be is named."""
        answers = super().clean() or {}
        found = (
            answers["file"].read().decode("utf-8-sig", "replace") if answers.get("file") else answers.get("lines", "")
        )
        answers["found"] = found_lines = []
        for number, cells in enumerate(_rows(found), 1):
            try:
                found_lines.append(_line(cells))
            except (ValidationError, IndexError):
                raise forms.ValidationError(
                    _("Line %(number)s has no reference and POD, or a country that is none."), params={"number": number}
                ) from None
        if not 0 < len(found_lines) <= MOST_LINES:
            raise forms.ValidationError(_("Give between 1 and %(most)s lines."), params={"most": MOST_LINES})
        return answers


COLUMNS_OF_LIST = ("reference", "pod", "country")


def _rows(text: str) -> Iterator[list[str]]:
    """Reference, POD and country of each line, whichever of the usual separators is used.

    Columns are found by a heading that names a `pod`, in any order; without one they stand in this order. Where no
    column is a reference, the POD is.
    """
    head = text.partition("\n")[0]
    separator = next((mark for mark in ";\t," if mark in head), ";")
    places: list[int | None] = [0, 1, 2]
    for cells in csv.reader(io.StringIO(text), delimiter=separator):
        stripped = [cell.strip() for cell in cells]
        names = [cell.lower() for cell in stripped]
        if "pod" in names:
            places = [names.index(name) if name in names else None for name in COLUMNS_OF_LIST]
            places[0] = names.index("pod") if places[0] is None else places[0]
        elif any(stripped):
            yield [stripped[at] if at is not None and at < len(stripped) else "" for at in places]


def _line(cells: list[str]) -> CustomerPointIn:
    country = cells[2].upper() if len(cells) > 2 else ""
    return CustomerPointIn(reference=cells[0], pod=cells[1], country=country or None)


class PointForm(forms.Form):
    """The two things that can be mistyped."""

    pod = forms.CharField(label=gettext_lazy("Point of delivery"), max_length=60)
    country = forms.ChoiceField(label=gettext_lazy("Country"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["country"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - as declared above
        field.choices = [("", _("as the POD says"))] + [(code, code) for code in sorted(EEA)]


def _edit(row: CustomerPoint) -> Link:
    return Link(row.pod, reverse("customers:point", args=[row.pk]))


COLUMNS: list[Column[CustomerPoint]] = [
    Column(gettext_lazy("Customer"), lambda row: row.reference, "reference"),
    Column(gettext_lazy("Point of delivery"), _edit, "pod"),
    Column(gettext_lazy("Country"), lambda row: row.country, "country"),
    Column(gettext_lazy("Grid operator"), lambda row: row.operator, "operator"),
    Column(
        gettext_lazy("State"),
        lambda row: state_badge(TONES.get(row.state, row.state), word(POINT, row.state)),
        "state",
    ),
    Column(gettext_lazy("Why"), lambda row: spoken(row.detail) or row.code.replace("_", " ") or "–"),
]


@require_safe
@role_required(*READERS)
def points(request: HttpRequest) -> HttpResponse:
    """The list, by state, country and grid operator."""
    writes = may(request, *WRITERS)
    context = {
        "samples": samples.localisation(),
        "actions": [Link(_("Add customers"), reverse("customers:add"), primary=True)] if writes else [],
        "waiting": writes and CustomerPoint.objects.filter(provider="").exclude(state="invalid").count(),
    }
    return listing(
        request, "customers/points.html", CustomerPoint.objects.all(), COLUMNS, _("Points of delivery"),
        file="customers", filters=FILTERS, order="reference", context=context,
    )  # fmt: skip


def _states() -> list[tuple[str, Text]]:
    """The states with how many lines are in each."""
    counts = dict(CustomerPoint.objects.order_by().values_list("state").annotate(Count("pk")))
    return [(code, f"{label} ({counts[code]})") for code, label in POINT.items() if code in counts]


NOT_FOUND = Q(state__in=("unresolved", "ambiguous", "invalid"))
FILTERS = (
    Search(gettext_lazy("Reference of the customer"), ("reference__icontains",)),
    Choice("country", gettext_lazy("Country"), distinct(CustomerPoint.objects.all(), "country"), known=COUNTRIES),
    Choice("operator", gettext_lazy("Grid operator"), distinct(CustomerPoint.objects.all(), "operator")),
    Choice("state", gettext_lazy("State"), _states, known=POINT),
    Choice(
        "look",
        gettext_lazy("Needs a look"),
        {"yes": gettext_lazy("yes"), "no": gettext_lazy("no")},
        narrowing={"yes": NOT_FOUND, "no": ~NOT_FOUND},
    ),
)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*WRITERS)
def add(request: HttpRequest) -> HttpResponse:
    """Hand in a list; it is localised at once."""
    form = ListForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        kept = service.take_points(tuple(form.cleaned_data["found"]))
        _localise(request, kept)
        return HttpResponseRedirect(reverse("customers:points"))
    crumbs = [Link(_("Customers"), reverse("customers:points")), Link(_("Add"))]
    return render(request, "customers/add.html", {"form": form, "crumbs": crumbs})


@require_POST
@role_required(*WRITERS)
def localise(request: HttpRequest) -> HttpResponse:
    """Ask again about every point that has no provider."""
    _localise(request, list(CustomerPoint.objects.filter(provider="")))
    return HttpResponseRedirect(reverse("customers:points"))


def _localise(request: HttpRequest, rows: list[CustomerPoint]) -> None:
    try:
        found = service.localise(rows)
    except MeterhallError as refusal:
        messages.error(request, _("The list is kept; the Market Place did not answer: %s") % spoken(refusal.detail))
        return
    text = ngettext("%d point was found.", "%d points were found.", found.resolved) % found.resolved
    messages.success(request, text)
    if found.unresolved:
        left = ngettext("%d point needs a look.", "%d points need a look.", found.unresolved) % found.unresolved
        messages.warning(request, left)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*READERS, writers=WRITERS)
def point(request: HttpRequest, number: int) -> HttpResponse:
    """Correct a line; it is localised at once."""
    row = service.find_point(number)
    form = PointForm(request.POST or None, initial={"pod": row.pod, "country": row.country})
    if request.method == "POST" and "remove" in request.POST:
        service.remove_point(row)
        messages.success(request, _("The line is off the list."))
        return HttpResponseRedirect(reverse("customers:points"))
    if request.method == "POST" and form.is_valid():
        change = CustomerPointChange(pod=form.cleaned_data["pod"], country=form.cleaned_data["country"] or None)
        try:
            changed = service.change_point(row, change)
        except MeterhallError as refusal:
            form.add_error("pod", spoken(refusal.detail))
        else:
            _localise(request, [changed])
            return HttpResponseRedirect(reverse("customers:points"))
    context = {
        "row": row,
        "form": form if may(request, *WRITERS) else None,
        "badge": state_badge(TONES.get(row.state, row.state), word(POINT, row.state)),
        "why": spoken(row.detail) or row.code.replace("_", " "),
        "facts": [
            Fact(_("Grid operator"), row.operator or _("not found")),
            Fact(_("Country"), row.country),
            *([] if may(request, *WRITERS) else [Fact(_("Point of delivery"), row.pod)]),
        ],
        "crumbs": [Link(_("Customers"), reverse("customers:points")), Link(row.reference)],
    }
    return render(request, "customers/point.html", context)


_pages = [
    path("customers", points, name="points"),
    path("customers/new", add, name="add"),
    path("customers/localisation", localise, name="localise"),
    path("customers/<int:number>", point, name="point"),
]
urls: list[URLPattern | URLResolver] = [path("", include((_pages, "customers")))]
nav.register(gettext_lazy("Customers"), "customers:points", READERS, order=40)
