"""Back-office calls about readings, for the meter-data system."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import NinjaAPI
from pydantic import Field

from meterhall.domain.errors import NotFound
from meterhall.domain.protocol.base import Instant, Message, Page
from meterhall.domain.readings.granularity import UnknownGranularity
from meterhall.provider.metering.completeness import DayCount, completeness
from meterhall.provider.metering.intake import PLAIN, BadProfile, UnknownProfile, load_profile
from meterhall.provider.metering.models import IngestRun, QuarantinedRow
from meterhall.provider.metering.service import take_readings
from meterhall.web.api import Body, endpoint, page
from meterhall.web.platform import platform
from meterhall.web.staff.service import StaffAuth
from meterhall.web.work.models import WorkState


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


class QuarantineView(Message):
    row: int
    rule: str
    sentence: str


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
              takes=Body("application/octet-stream"),
              refuses=(UnknownGranularity, UnknownProfile, BadProfile))  # fmt: skip
    def post_readings(request: HttpRequest, resolution: str = "", name: str = "", profile: str = "") -> RunView:
        """Hand in a file of readings: CSV, Parquet, Arrow, JSON lines or ESPI XML, as the kept `profile` describes it.

        Without a profile its columns are `pod`, `start`, `energy_wh` and, where wanted, `direction` and `quality`.
        """
        described = load_profile(platform().home.path, profile) if profile else PLAIN
        return run_view(take_readings(request.body, resolution, name=name, profile=described))

    @endpoint(api, "GET", "/readings", response=Page[RunView], auth=StaffAuth(), step="readings")
    def get_runs(request: HttpRequest, after: str | None = None, limit: int = 100) -> Page[RunView]:
        """The files that came in, in order."""
        return page(IngestRun.objects.all(), run_view, after=after, limit=limit)

    @endpoint(api, "GET", "/readings/completeness", response=Completeness, auth=StaffAuth(), step="readings")
    def get_completeness(request: HttpRequest, days: int = 7) -> Completeness:
        """How many series have all their values, for each of the last days (UTC)."""
        return Completeness(days=tuple(completeness(min(max(days, 1), 31))))

    @endpoint(api, "GET", "/readings/{int:run}", response=RunView, auth=StaffAuth(), step="readings",
              refuses=(UnknownRun,))  # fmt: skip
    def get_run(request: HttpRequest, run: int) -> RunView:
        """What became of a file."""
        return run_view(_run(run))

    @endpoint(api, "GET", "/readings/{int:run}/quarantine", response=Page[QuarantineView], auth=StaffAuth(),
              step="readings", refuses=(UnknownRun,))  # fmt: skip
    def get_quarantine(
        request: HttpRequest, run: int, after: str | None = None, limit: int = 100
    ) -> Page[QuarantineView]:
        """The rows that were set aside, each with the rule it breaks."""
        return page(_run(run).quarantine.all(), _quarantine_view, after=after, limit=limit)


def _run(number: int) -> IngestRun:
    found = IngestRun.objects.filter(pk=number).first()
    if found is None:
        raise UnknownRun
    return found


def _quarantine_view(row: QuarantinedRow) -> QuarantineView:
    return QuarantineView(row=row.row, rule=row.rule, sentence=row.sentence)
