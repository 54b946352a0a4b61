"""The component gallery at /kit: every component in every state, for those who write pages. Development only."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from meterhall.web.portal.charts import Chart, Line, SlaBar, completeness_strip, heatmap, load_curve_chart, sla_bars
from meterhall.web.portal.filters import Choice, Search, filtered
from meterhall.web.portal.periods import Period
from meterhall.web.portal.tables import FilterShown, Heading, Table, plain_table
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
ZONE = ZoneInfo("Europe/Brussels")


class SampleForm(forms.Form):
    """A form with every kind of field, some of them wrong."""

    organisation = forms.CharField(label="Organisation", help_text="As it stands in the commercial register.")
    email = forms.EmailField(label="E-mail", required=False)
    country = forms.ChoiceField(label="Country", choices=[("BE", "Belgium"), ("IT", "Italy")])
    kind = forms.ChoiceField(label="Data", widget=forms.RadioSelect, choices=[("h", "History"), ("f", "Forecast")])
    accept = forms.BooleanField(label="I accept the general terms")


def gallery(request: HttpRequest) -> HttpResponse:
    """The gallery page."""
    messages.info(request, "The certification runs; look again in a minute.")
    messages.success(request, "The offer is published.")
    messages.warning(request, "The certificate lapses in five days.")
    messages.error(request, "The certificate has lapsed; the offer is hidden.")
    return render(request, "portal/gallery.html", _context(request) | {"charts": _charts()})


def _charts() -> list[Chart]:
    """The charts, over made-up lines with gaps, estimates and a clock change."""
    two_days = _made_up("Main meter", datetime(2026, 3, 28, 0, tzinfo=ZONE).astimezone(UTC), 47 * 4, holes=((60, 70),))
    week = _made_up("House", datetime(2026, 10, 20, 22, tzinfo=UTC), 7 * 96)
    other = _made_up("Heat pump", datetime(2026, 10, 20, 22, tzinfo=UTC), 7 * 96, height=900)
    year = _made_up(
        "Main meter", datetime(2025, 12, 31, 23, tzinfo=UTC), 35_040, holes=((9000, 11_000), (20_000, 20_004))
    )
    period = Period(date(2026, 3, 28), date(2026, 3, 30), ZONE)
    spans = {"spring": two_days, "year": year}
    shares = np.ones((4, 90))
    shares[1, 20:25], shares[1, 25], shares[2, 60:], shares[3, 40:43] = 0, 0.4, np.nan, 0.9
    strip = [(f"pod_{index}7fq2", row) for index, row in enumerate(shares)]
    return [
        load_curve_chart([spans["spring"]], ZONE, "Two days in March", power=True, links=period.links()),
        load_curve_chart([week, other], ZONE, "A week, two series", id="week", power=True),
        load_curve_chart([spans["year"]], ZONE, "A year", id="year", csv_url="#"),
        heatmap(spans["year"], ZONE, "When the energy is used"),
        completeness_strip(strip, date(2026, 1, 1), ZONE, "What has arrived"),
        sla_bars([SlaBar("Answers within 24 h", 0.995, 0.99), SlaBar("Deliveries by 06:00", 0.91, 0.98)], "Promises"),
    ]


def _made_up(
    label: str, start: datetime, slots: int, holes: tuple[tuple[int, int], ...] = (), height: int = 400
) -> Line:
    edges = int(start.timestamp()) + 900 * np.arange(slots + 1, dtype=np.int64)
    hour = (edges[:-1] % 86_400) / 3600
    season = 1 + 0.5 * np.cos((edges[:-1] % 31_557_600) / 31_557_600 * 2 * np.pi)
    noise = np.random.default_rng(7).gamma(2.0, 0.5, slots)
    energies = height * season * (0.2 + np.exp(-((hour - 7) ** 2) / 4) + 1.4 * np.exp(-((hour - 18) ** 2) / 8)) * noise
    for a, b in holes:
        energies[a:b] = np.nan
    estimated = np.zeros(slots, dtype=bool)
    estimated[slots // 5 : slots // 5 + slots // 20] = True
    return Line(label, edges, energies, estimated)


def _filter(request: HttpRequest, hidden_rows: int) -> FilterShown:
    """The form above a list."""
    filters = (
        Search("Offer or provider"),
        Choice("state", "State", {"published": "published", "lapsed": "lapsed"}),
    )
    return FilterShown(filtered(request, [], filters).form, True, "#", hidden_rows)


def _table(request: HttpRequest) -> Table:
    """A table that is searched, sorted, goes on to further pages and can be had as a file."""
    head = ["Offer", "Provider", "Price a point and month", "State"]
    made = plain_table(
        "Offers",
        head,
        [
            [Link("Day after, hourly", "#"), "Hill Grid", Quantity(0.1, "€"), Badge("lapsed", "warning")],
            [Link("History, 15 minutes", "#"), "River Grid", Quantity(0.02, "€"), Badge("published", "success")],
        ],
    )
    sorted_by = [Heading(one, one == head[2], "#", "ascending" if one == head[0] else "") for one in head[:3]]
    return replace(
        made, headings=[*sorted_by, Heading(head[3], False)], total=61, page=2, pages=3,
        previous_href="#", next_href="#", csv_href="#", filter=_filter(request, 0),
    )  # fmt: skip


def _context(request: HttpRequest) -> dict[str, object]:
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
        "badges": [Badge(tone, tone) for tone in ("neutral", "info", "success", "warning", "danger")],
        "facts": facts,
        "answers": [Fact("Country", "Belgium", "#"), Fact("Points", 12000, "#"), Fact("Format", "Parquet", "#")],
        "table": _table(request),
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
