"""Back-office calls about readings, for the meter-data system."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from django.db.models import Count
from django.http import HttpRequest
from ninja import NinjaAPI, Query
from pydantic import Field

from meterhall.domain.errors import InvalidInput, NotFound
from meterhall.domain.market import PeriodEmpty
from meterhall.domain.protocol.base import Instant, Message, Page
from meterhall.domain.readings.amounts import decimal_text
from meterhall.domain.readings.granularity import UnknownGranularity
from meterhall.lake import EngineBlind, EngineUnavailable
from meterhall.provider.metering.completeness import DayCount, completeness
from meterhall.provider.metering.held_values import DaysAsked, PointSeries, held_values
from meterhall.provider.metering.intake import PLAIN, BadProfile, UnknownProfile, load_profile
from meterhall.provider.metering.models import Decision, IngestRun, QuarantinedRow, RowState
from meterhall.provider.metering.release import NothingHeld, NotReleasable, OneSlotTwice, decide
from meterhall.provider.metering.service import take_readings
from meterhall.provider.points.service import NoSuchPoint, point_of
from meterhall.web.api import Body, endpoint, page
from meterhall.web.platform import platform
from meterhall.web.staff.service import StaffAuth
from meterhall.web.uploads import UploadTooLarge, uploaded
from meterhall.web.work.models import WorkState

MOST_DAYS = 31
RowStateName = Literal["held", "releasing", "released", "refused", "overtaken"]


class UnknownRun(NotFound):
    code = "unknown_run"
    title = "There is no such ingest run."


class RunView(Message):
    """An ingest run: what came in, what was written, what was set aside."""

    run: int
    name: str = Field(description="What the sender calls the file; empty where it did not say.")
    state: str
    received_at: Instant
    finished_at: Instant | None
    rows: int
    days_written: int
    days_unchanged: int
    quarantined: int
    unlisted: int = Field(description="Rows set aside beyond those the quarantine lists; the file is then kept.")
    opening: int = Field(description="Readings that open a register in the file and so end no slot.")
    problem: str | None


class Completeness(Message):
    days: tuple[DayCount, ...]


class PointReadings(Message):
    """What the lake holds of a metering point, series by series."""

    series: tuple[PointSeries, ...]


class QuarantineView(Message):
    """A row that was set aside: what it says, the rule it breaks, and what somebody decided about it."""

    row: int = Field(
        description="Its place in the file, from 1 on, headings not counted; a wide file has several of one place."
    )
    rule: str
    sentence: str
    direction: str | None
    start: Instant | None
    energy_wh: str | None = Field(description="An exact decimal, where its series is known.")
    amount: str | None = Field(description="What the file says, where the series is not known.")
    text: str | None = Field(description="The row as the file has it, without the POD, where it could not be read.")
    state: RowStateName
    decided_by: str | None
    decided_at: Instant | None


class DecisionIn(Message):
    """Which rows of a file: all that break a rule, or those at places in the file, or both."""

    rule: str = Field("", max_length=10)
    rows: tuple[int, ...] = Field((), max_length=1000)
    reason: str = Field("", max_length=500)


class DecisionView(Message):
    """What was decided about rows that had been set aside."""

    run: int
    releases: bool
    state: str = Field(description="working until the rows are in the lake, then done.")
    by: str
    at: Instant
    rows: int
    released: int
    overtaken: int = Field(description="Rows kept out because their slot got another value meanwhile.")
    refused: int


def decision_view(decision: Decision) -> DecisionView:
    counts = dict(decision.rows.order_by().values_list("state").annotate(number=Count("pk")))
    return DecisionView(
        run=decision.run_id,
        releases=decision.releases,
        state={WorkState.DONE: "done", WorkState.DEAD: "stuck"}.get(WorkState(decision.work_state), "working"),
        by=decision.by,
        at=decision.at,
        rows=sum(counts.values()),
        released=counts.get(RowState.RELEASED, 0),
        overtaken=counts.get(RowState.OVERTAKEN, 0),
        refused=counts.get(RowState.REFUSED, 0),
    )


def run_view(run: IngestRun) -> RunView:
    finished: datetime | None = run.finished_at
    state = (
        "refused" if run.problem else "done" if finished else "stuck" if run.work_state == WorkState.DEAD else "working"
    )
    return RunView(
        run=run.pk,
        name=run.name,
        state=state,
        received_at=run.received_at,
        finished_at=finished,
        rows=run.rows,
        days_written=run.days_written,
        days_unchanged=run.days_unchanged,
        quarantined=run.quarantined,
        unlisted=run.unlisted,
        opening=run.opening,
        problem=run.problem or None,
    )


def add_metering(api: NinjaAPI) -> None:
    """Publish the calls."""

    @endpoint(api, "POST", "/readings", response=RunView, status=202, auth=StaffAuth(), step="readings",
              takes=Body("application/octet-stream", streams=True),
              refuses=(UnknownGranularity, UnknownProfile, BadProfile, UploadTooLarge))  # fmt: skip
    def post_readings(request: HttpRequest, resolution: str = "", name: str = "", profile: str = "") -> RunView:
        """Hand in a file of readings: CSV, Parquet, Arrow, JSON lines, ESPI or CIM; a kept `profile` describes it.

        `resolution` is how long a slot is; ESPI and CIM say it themselves, of each of their series.
        Without a profile its columns are `pod`, `start`, `energy_wh` and, where wanted, `direction` and `quality`.
        """
        described = load_profile(platform().home.path, profile) if profile else PLAIN
        return run_view(take_readings(uploaded(request).content, resolution, name=name, profile=described))

    @endpoint(api, "GET", "/readings", response=Page[RunView], auth=StaffAuth(), step="readings")
    def get_runs(request: HttpRequest, after: str | None = None, limit: int = 100) -> Page[RunView]:
        """The files that came in, in order."""
        return page(IngestRun.objects.all(), run_view, after=after, limit=limit)

    @endpoint(api, "GET", "/readings/completeness", response=Completeness, auth=StaffAuth(), step="readings",
              refuses=(EngineUnavailable, EngineBlind))  # fmt: skip
    def get_completeness(request: HttpRequest, days: int = 7) -> Completeness:
        """How many series have all their values, for each of the last civil days, each in the zone of its point."""
        if not 1 <= days <= MOST_DAYS:
            raise InvalidInput(f"1 to {MOST_DAYS} days are counted.", field="/days")
        return Completeness(days=tuple(completeness(days)))

    @endpoint(api, "GET", "/points/{handle}/readings", response=PointReadings, auth=StaffAuth(), step="readings",
              refuses=(NoSuchPoint, PeriodEmpty, EngineUnavailable, EngineBlind))  # fmt: skip
    def get_held(request: HttpRequest, handle: str, asked: Query[DaysAsked]) -> PointReadings:
        """The readings of a metering point on some days: as they are known now, or as they were known at an instant."""
        return PointReadings(series=held_values(point_of(handle), asked))

    @endpoint(api, "GET", "/readings/{int:run}", response=RunView, auth=StaffAuth(), step="readings",
              refuses=(UnknownRun,))  # fmt: skip
    def get_run(request: HttpRequest, run: int) -> RunView:
        """What became of a file."""
        return run_view(run_of(run))

    @endpoint(api, "GET", "/readings/{int:run}/quarantine", response=Page[QuarantineView], auth=StaffAuth(),
              step="readings", refuses=(UnknownRun,))  # fmt: skip
    def get_quarantine(
        request: HttpRequest, run: int, state: RowStateName | None = None, after: str | None = None, limit: int = 100
    ) -> Page[QuarantineView]:
        """The rows that were set aside, each with the rule it breaks and what was decided about it."""
        rows = run_of(run).quarantine.select_related("series", "decision")
        rows = rows.filter(state=state) if state else rows
        return page(rows, _quarantine_view, after=after, limit=limit)

    @endpoint(api, "POST", "/readings/{int:run}/release", response=DecisionView, status=202, auth=StaffAuth(),
              step="readings", refuses=(UnknownRun, NothingHeld, NotReleasable, OneSlotTwice))  # fmt: skip
    def post_release(request: HttpRequest, run: int, body: DecisionIn) -> DecisionView:
        """Let rows that were set aside by a judgement into the lake as they are."""
        return decision_view(_decide(request, run, body, releases=True))

    @endpoint(api, "POST", "/readings/{int:run}/refusal", response=DecisionView, auth=StaffAuth(),
              step="readings", refuses=(UnknownRun, NothingHeld))  # fmt: skip
    def post_refusal(request: HttpRequest, run: int, body: DecisionIn) -> DecisionView:
        """Keep rows that were set aside out for good."""
        return decision_view(_decide(request, run, body, releases=False))


def _decide(request: HttpRequest, run: int, body: DecisionIn, *, releases: bool) -> Decision:
    by = str(getattr(request, "auth", ""))
    return decide(run_of(run), releases=releases, by=by, rule=body.rule, rows=body.rows, reason=body.reason)


def run_of(number: int) -> IngestRun:
    found = IngestRun.objects.filter(pk=number).first()
    if found is None:
        raise UnknownRun
    return found


def _quarantine_view(row: QuarantinedRow) -> QuarantineView:
    series, decision = row.series, row.decision
    return QuarantineView(
        row=row.row,
        rule=row.rule,
        sentence=row.sentence,
        direction=row.direction or None,
        start=None if row.start_s is None else datetime.fromtimestamp(row.start_s, UTC),
        energy_wh=None if row.value is None or series is None else decimal_text(row.value, series.scale),
        amount=row.amount or None,
        text=row.text or None,
        state=row.state,
        decided_by=decision.by if decision else None,
        decided_at=decision.at if decision else None,
    )
