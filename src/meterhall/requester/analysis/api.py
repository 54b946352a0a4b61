"""Back-office calls for what was collected: readings as JSON or CSV, and how complete they are.

A POD never stands in an address, where a log could keep it: a point is named by its line in the customer list or by its
pseudonym.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from pydantic import Field

from meterhall.domain.errors import InvalidInput, MeterhallError
from meterhall.domain.protocol.base import DirectionName, GranularityName, Instant, Message, Page, Period
from meterhall.domain.readings import MISSING, GranularityUnavailable
from meterhall.domain.readings.civil import in_time
from meterhall.requester.activations.service import UnknownActivation, find
from meterhall.requester.analysis.gaps import Gap, NothingMissing, ask_again, gaps
from meterhall.requester.analysis.lateness import Lateness, lateness
from meterhall.requester.analysis.service import (
    NothingCollected,
    PeriodTooLong,
    Subject,
    completeness,
    csv_rows,
    known_period,
    load_curve,
    series_of,
    subject_of,
    subject_of_pod,
)
from meterhall.requester.collection.models import Series
from meterhall.requester.collection.service import DataRequestView, NotSent, request_view
from meterhall.requester.customers.service import UnknownPoint, find_point
from meterhall.web.api import endpoint, page
from meterhall.web.staff.service import StaffAuth


class BadPeriod(InvalidInput):
    code = "bad_period"
    title = "A period ends after it begins, and lies in the years 1970 to 2199."


REFUSES: tuple[type[MeterhallError], ...] = (NothingCollected, PeriodTooLong, GranularityUnavailable, BadPeriod)


class ReadingsView(Message):
    """A curve: value i is `values[i] × 10**scale` Wh from `edges[i]` to `edges[i + 1]`; null is missing."""

    pseudonyms: tuple[str, ...]
    zone: str
    direction: str
    granularity: str
    scale: int
    edges: tuple[Instant, ...]
    values: tuple[int | None, ...]
    quality: tuple[int | None, ...] = Field(description="ESPI QualityOfReading; null where the value is missing.")
    available_at: Instant


class CompletenessView(Message):
    day: date
    present: int
    expected: int


class GapView(Message):
    """Civil days on end of a point, each with values missing."""

    pod: str = Field(repr=False)
    pseudonym: str
    direction: str
    first: date
    until: date = Field(description="The day after the last.")
    present: int = Field(description="How many values of these days are there.")
    expected: int


class AskedAgain(Message):
    """The data requests for what was missing."""

    requests: tuple[DataRequestView, ...]


class LatenessView(Message):
    """How far the readings of an activation have come."""

    activation: int
    provider: str
    newest: date | None = Field(description="The day after the newest of which anything has come; null: nothing has.")
    due: date = Field(description="The day until which there could be readings.")
    days_behind: int | None


class SeriesView(Message):
    """A series that is held."""

    provider: str
    pseudonym: str
    direction: str
    granularity: str
    group_size: int | None
    measure: str | None
    group: str | None = Field(description="Of a group of the provider's points: which.")
    forecast: bool = Field(description="Whether it is what was expected of days to come, not readings.")
    first_day: date | None
    until_day: date | None
    received_at: Instant | None


def add_analysis(api: NinjaAPI) -> None:
    """Publish the calls."""
    staff = StaffAuth()

    @endpoint(api, "GET", "/series", response=Page[SeriesView], auth=staff, step="readings")
    def get_series(request: HttpRequest, after: str | None = None, limit: int = 100) -> Page[SeriesView]:
        """The series that are held, aggregates included."""
        rows = Series.objects.filter(withdrawn_at=None).exclude(received_at=None)
        return page(rows, _series_view, after=after, limit=limit)

    @endpoint(api, "GET", "/readings/{pseudonym}", response=ReadingsView, auth=staff, step="readings", refuses=REFUSES)
    def get_readings(
        request: HttpRequest,
        pseudonym: str,
        direction: DirectionName = "import",
        granularity: GranularityName | None = None,
        first: date | None = None,
        until: date | None = None,
        format: Literal["json", "csv"] = "json",
        forecast: bool = False,
        known_at: Instant | None = None,
    ) -> ReadingsView | HttpResponse:
        """The load curve of the POD or group behind a pseudonym; `format=csv` for a table, `forecast` for forecasts,
        `known_at` for the values as they were known here at that instant, before later corrections."""
        subject = replace(subject_of(pseudonym), is_forecast=forecast)
        return _answer(subject, direction, granularity, (first, until), format, known_at)

    @endpoint(api, "GET", "/customers/{number}/readings", response=ReadingsView, auth=staff, step="readings",
              refuses=(UnknownPoint, *REFUSES))  # fmt: skip
    def get_customer_readings(
        request: HttpRequest,
        number: int,
        direction: DirectionName = "import",
        granularity: GranularityName | None = None,
        first: date | None = None,
        until: date | None = None,
        format: Literal["json", "csv"] = "json",
        forecast: bool = False,
        known_at: Instant | None = None,
    ) -> ReadingsView | HttpResponse:
        """The load curve of a line of the customer list; `format=csv` for a table, `forecast` for forecasts,
        `known_at` for the values as they were known here at that instant, before later corrections."""
        subject = replace(subject_of_pod(find_point(number).pod), is_forecast=forecast)
        return _answer(subject, direction, granularity, (first, until), format, known_at)

    @endpoint(api, "GET", "/readings/{pseudonym}/completeness", response=list[CompletenessView], auth=staff,
              step="readings", refuses=REFUSES)  # fmt: skip
    def get_completeness(
        request: HttpRequest,
        pseudonym: str,
        direction: DirectionName = "import",
        first: date | None = None,
        until: date | None = None,
    ) -> list[CompletenessView]:
        """How many values of each civil day are there, of how many."""
        subject = subject_of(pseudonym)
        days = completeness(subject, direction, _period(subject, direction, (first, until)))
        return [CompletenessView(day=one.day, present=one.present, expected=one.expected) for one in days]


def add_gaps(api: NinjaAPI) -> None:
    """Publish the calls about what is missing."""
    staff = StaffAuth()

    @endpoint(api, "GET", "/activations/{number}/gaps", response=list[GapView], auth=staff, step="readings",
              refuses=(UnknownActivation,))  # fmt: skip
    def get_gaps(request: HttpRequest, number: int, limit: int = 1000) -> list[GapView]:
        """What is missing of an activation, by point and days on end; the first ones."""
        return [_gap_view(one) for one in islice(gaps(find(number)), max(1, min(limit, 10_000)))]

    @endpoint(api, "POST", "/activations/{number}/gaps/requests", response=AskedAgain, status=202,
              auth=staff, step="8 data request", refuses=(UnknownActivation, NotSent, NothingMissing))  # fmt: skip
    def post_gap_requests(request: HttpRequest, number: int) -> AskedAgain:
        """Ask the provider again for what is missing."""
        return AskedAgain(requests=tuple(map(request_view, ask_again(find(number)))))

    @endpoint(api, "GET", "/lateness", response=list[LatenessView], auth=staff, step="readings")
    def get_lateness(request: HttpRequest) -> list[LatenessView]:
        """How late each provider is, by activation; the one furthest behind first."""
        return [_lateness_view(one) for one in lateness()]


def _gap_view(gap: Gap) -> GapView:
    return GapView(
        pod=gap.item.pod, pseudonym=gap.item.pseudonym, direction=gap.direction, first=gap.first, until=gap.until,
        present=gap.present, expected=gap.expected,
    )  # fmt: skip


def _lateness_view(one: Lateness) -> LatenessView:
    return LatenessView(
        activation=one.activation.pk, provider=one.activation.subscription.provider_name, newest=one.newest,
        due=one.due, days_behind=one.days_behind,
    )  # fmt: skip


def _period(subject: Subject, direction: str, bounds: tuple[date | None, date | None]) -> Period:
    """The days asked for; without bounds, all days there is something of."""
    known = known_period(series_of(subject, direction))
    first, until = bounds[0] or known.first, bounds[1] or known.until
    if first >= until:
        raise BadPeriod(field="/until")
    if not in_time(first, until):
        raise BadPeriod("There are readings of the years 1970 to 2199.", field="/first")
    return Period(first=first, until=max(until, first + timedelta(days=1)))


def _answer(
    subject: Subject,
    direction: str,
    granularity: str | None,
    bounds: tuple[date | None, date | None],
    form: str,
    known_at: datetime | None,
) -> ReadingsView | HttpResponse:
    curve = load_curve(subject, direction, _period(subject, direction, bounds), granularity, known_at)
    if form == "csv":
        lines = HttpResponse("".join(csv_rows(subject, curve)), content_type="text/csv; charset=utf-8")
        lines["Content-Disposition"] = 'attachment; filename="readings.csv"'
        return lines
    there = (curve.mantissas != MISSING).tolist()
    return ReadingsView(
        pseudonyms=subject.pseudonyms,
        zone=subject.zone.key,
        direction=direction,
        granularity=str(curve.granularity),
        scale=curve.series.scale,
        edges=tuple(datetime.fromtimestamp(edge, UTC) for edge in curve.edges.tolist()),
        values=tuple(value if ok else None for value, ok in zip(curve.mantissas.tolist(), there, strict=True)),
        quality=tuple(code if ok else None for code, ok in zip(curve.quality.tolist(), there, strict=True)),
        available_at=curve.available_at,
    )


def _series_view(series: Series) -> SeriesView:
    return SeriesView(
        provider=series.provider,
        pseudonym=series.pseudonym,
        direction=series.direction,
        granularity=series.granularity,
        group_size=series.group_size,
        measure=series.measure or None,
        group=series.group_name or None,
        forecast=series.is_forecast,
        first_day=series.first_day,
        until_day=series.until_day,
        received_at=series.received_at,
    )
