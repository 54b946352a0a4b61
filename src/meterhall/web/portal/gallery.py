"""The component gallery at /kit: every component in every state, for those who write pages. Development only."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from meterhall.web.portal.tables import plain_table
from meterhall.web.portal.values import (
    Badge,
    Confirmation,
    CopyId,
    Fact,
    Link,
    Quantity,
    Sample,
    Step,
    Task,
)

AT = datetime(2026, 3, 29, 9, 30, tzinfo=UTC)


class SampleForm(forms.Form):
    """A form with every kind of field, some of them wrong."""

    organisation = forms.CharField(label="Organisation", help_text="As it stands in the commercial register.")
    email = forms.EmailField(label="E-mail", required=False)
    country = forms.ChoiceField(label="Country", choices=[("BE", "Belgium"), ("IT", "Italy")])
    kind = forms.ChoiceField(label="Data", widget=forms.RadioSelect, choices=[("h", "History"), ("f", "Forecast")])
    accept = forms.BooleanField(label="I accept the general terms")


def gallery(request: HttpRequest) -> HttpResponse:
    """The gallery page."""
    messages.success(request, "The offer is published.")
    messages.error(request, "The certificate has lapsed; the offer is hidden.")
    return render(request, "portal/gallery.html", _context())


def _context() -> dict[str, object]:
    facts = [
        Fact("Access number", CopyId("MH-BE-4F7K2Q", "#")),
        Fact("Energy last year", Quantity(3412.5, "kWh")),
        Fact("Since", date(2026, 1, 1)),
        Fact("State", Badge("active", "success")),
        Fact("Legal id", None),
    ]
    return {
        "crumbs": [Link("Start", "/"), Link("Offers", "#"), Link("History, 15 minutes")],
        "actions": [Link("Second action", "#"), Link("First action", "#", primary=True)],
        "badges": [Badge(tone, tone) for tone in ("neutral", "info", "success", "warning", "danger")],  # type: ignore[arg-type]
        "facts": facts,
        "answers": [Fact("Country", "Belgium", "#"), Fact("Points", 12000, "#"), Fact("Format", "Parquet", "#")],
        "table": plain_table(
            "Offers",
            ["Offer", "Provider", "Price a point and month", "State"],
            [
                [Link("History, 15 minutes", "#"), "Fluvius Demo", Quantity(0.02, "€"), Badge("published", "success")],
                [Link("Day after, hourly", "#"), "Areti Demo", Quantity(0.1, "€"), Badge("lapsed", "warning")],
            ],
        ),
        "empty_table": plain_table("Wishes", ["Wish", "Since"], []),
        "form": SampleForm({"organisation": "", "email": "nobody", "country": "BE"}),
        "tasks": [
            Task("Organisation", Badge("done", "success"), "#"),
            Task("Signer", Badge("to do", "info"), "#", "The person who signs contracts"),
            Task("Keys", Badge("cannot start yet")),
        ],
        "steps": [
            Step("Requested", AT, "Requester", "success", (Fact("Points", 12), Fact("Statement", CopyId("st_9x2")))),
            Step("Acknowledged", AT, "Provider", "success"),
            Step("Statements differ", AT, "Market Place", "danger"),
            Step("Receipt", None),
        ],
        "empty_action": Link("Make the first offer", "#"),
        "confirmation": Confirmation(
            "suspend", "Suspend…", "Suspend this player?", "Its tokens stop at once; its partners are told.", "#",
            "Suspend", danger=True, reason="Reason",
        ),
        "samples": [
            Sample("Python", "from meterhall.client import Requester\n\nrequester.offers(country='BE')"),
            Sample("CLI", "meterhall requester offers --country BE"),
            Sample("curl", "curl https://localhost:8443/v1/offers?country=BE"),
        ],
    }  # fmt: skip
