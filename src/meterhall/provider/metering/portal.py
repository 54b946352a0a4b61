"""Pages about readings: the files that came in, and one file with the rows that were set aside."""

from __future__ import annotations

from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from meterhall.provider.metering.api import run_view
from meterhall.provider.metering.completeness import DayCount
from meterhall.provider.metering.models import IngestRun, QuarantinedRow
from meterhall.provider.points.portal import STAFF
from meterhall.web.accounts.access import role_required
from meterhall.web.portal import nav
from meterhall.web.portal.tables import Column, csv_response, plain_table, table, wants_csv
from meterhall.web.portal.values import Fact, Link, state_badge


def _run_link(run: IngestRun) -> Link:
    return Link(str(run.pk), reverse("staff:run", args=[run.pk]))


RUNS: list[Column[IngestRun]] = [
    Column(gettext_lazy("File"), _run_link),
    Column(gettext_lazy("Name"), lambda run: run.name, "name"),
    Column(gettext_lazy("Received"), lambda run: run.received_at, "received_at"),
    Column(gettext_lazy("Rows"), lambda run: run.rows, numeric=True),
    Column(gettext_lazy("Days written"), lambda run: run.days_written, numeric=True),
    Column(gettext_lazy("Set aside"), lambda run: run.quarantined, "quarantined", numeric=True),
    Column(gettext_lazy("State"), lambda run: state_badge(run_view(run).state)),
]
DAYS: list[Column[DayCount]] = [
    Column(gettext_lazy("Day (UTC)"), lambda one: one.day),
    Column(gettext_lazy("Series"), lambda one: one.series, numeric=True),
    Column(gettext_lazy("Complete"), lambda one: one.complete, numeric=True),
    Column(gettext_lazy("Missing or partly missing"), lambda one: one.missing, numeric=True),
]
QUARANTINE: list[Column[QuarantinedRow]] = [
    Column(gettext_lazy("Row"), lambda row: row.row, "row", numeric=True),
    Column(gettext_lazy("Rule"), lambda row: row.rule, "rule"),
    Column(gettext_lazy("What it says"), lambda row: row.sentence),
]


@require_safe
@role_required(*STAFF)
def run_list(request: HttpRequest) -> HttpResponseBase:
    """The files that came in, the newest first; by name, and those with rows set aside."""
    name, aside = request.GET.get("name", "").strip(), request.GET.get("aside") == "yes"
    rows = IngestRun.objects.filter(name__icontains=name) if name else IngestRun.objects.all()
    if aside:
        rows = rows.filter(quarantined__gt=0)
    if wants_csv(request):
        return csv_response("files", rows.order_by("pk"), RUNS)
    shown = table(request, rows, RUNS, _("Files of readings"), empty=_("No file fits."), order="-received_at")
    return render(request, "metering/runs.html", {"table": shown, "name": name, "aside": aside})


@require_safe
@role_required(*STAFF)
def run_page(request: HttpRequest, number: int) -> HttpResponseBase:
    """One file: what was written of it, and each row that was set aside with the rule it breaks."""
    run = IngestRun.objects.filter(pk=number).first()
    if run is None:
        raise Http404
    rows = run.quarantine.all()
    if wants_csv(request):
        return csv_response(f"quarantine-{run.pk}", rows.order_by("row"), QUARANTINE)
    rules = rows.order_by().values_list("rule", "sentence").annotate(number=Count("pk"))
    context = {
        "run": run,
        "badge": state_badge(run_view(run).state),
        "facts": [
            Fact(_("Name"), run.name or _("none")),
            Fact(_("Received"), run.received_at),
            Fact(_("Worked in"), run.finished_at),
            Fact(_("Rows"), run.rows),
            Fact(_("Days written"), run.days_written),
            Fact(_("Days that brought nothing new"), run.days_unchanged),
            Fact(_("Rows set aside"), run.quarantined),
            Fact(_("Problem"), run.problem or _("none")),
        ],
        "rules": plain_table(_("By rule"), [_("Rule"), _("What it says"), _("Rows")], list(rules), empty=_("none")),
        "table": table(request, rows, QUARANTINE, _("Rows set aside"), empty=_("None."), order="row"),
        "crumbs": [Link(_("Files"), reverse("staff:runs")), Link(_("File %(n)s") % {"n": run.pk})],
    }
    return render(request, "metering/run.html", context)


urlpatterns = [
    path("files", run_list, name="runs"),
    path("files/<int:number>", run_page, name="run"),
]
nav.register(gettext_lazy("Files"), "staff:runs", STAFF, order=22)
