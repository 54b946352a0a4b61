"""Pages about readings: the files that came in, and one file with the rows that were set aside."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from meterhall.domain.readings.amounts import decimal_text
from meterhall.provider.metering.api import run_view
from meterhall.provider.metering.completeness import DayCount, Late, late
from meterhall.provider.metering.models import IngestRun, QuarantinedRow, RowState
from meterhall.provider.metering.release import MAY_BE_RELEASED, NothingHeld, NotReleasable, OneSlotTwice, decide
from meterhall.provider.points.portal import STAFF
from meterhall.provider.points.service import label_for_holder
from meterhall.web.accounts.access import person_of, role_required
from meterhall.web.portal import nav
from meterhall.web.portal.days import day_words
from meterhall.web.portal.filters import Choice, Search, distinct, state_choice
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.tables import Column, listing, plain_table
from meterhall.web.portal.values import Confirmation, Fact, Link, Quantity, state_badge
from meterhall.web.portal.words import DIRECTION, GRANULARITY, word


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


def _row_link(row: QuarantinedRow) -> Link:
    return Link(str(row.row), f"{reverse('staff:run', args=[row.run_id])}?row={row.row}")


def _amount(row: QuarantinedRow) -> Quantity | str | None:
    """The energy of a row of a known series; else what the file says, with its unit."""
    if row.value is not None and row.series is not None:
        return Quantity(Decimal(decimal_text(row.value, row.series.scale)), "Wh")
    number, _sign, unit = row.amount.partition(" ")
    try:
        return Quantity(Decimal(number), unit) if number else None
    except InvalidOperation:
        return row.amount


def _day_link(one: DayCount) -> object:
    """The day; where series are late, as a link to them."""
    return Link(day_words(one.day), reverse("staff:late", args=[one.day])) if one.missing else one.day


DAYS: list[Column[DayCount]] = [
    Column(gettext_lazy("Day"), _day_link),
    Column(gettext_lazy("Series"), lambda one: one.series, numeric=True),
    Column(gettext_lazy("Complete"), lambda one: one.complete, numeric=True),
    Column(gettext_lazy("Missing or partly missing"), lambda one: one.missing, numeric=True),
]
QUARANTINE: list[Column[QuarantinedRow]] = [
    Column(gettext_lazy("Row"), _row_link, "row", numeric=True),
    Column(gettext_lazy("Rule"), lambda row: row.rule, "rule"),
    Column(gettext_lazy("What it says"), lambda row: spoken(row.sentence)),
    Column(gettext_lazy("Start"), lambda row: row.start_s and datetime.fromtimestamp(row.start_s, UTC), "start_s"),
    Column(gettext_lazy("Amount"), _amount, numeric=True),
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
    Column(gettext_lazy("Decided by"), lambda row: row.decision.by if row.decision else None),
]


@require_safe
@role_required(*STAFF)
def run_list(request: HttpRequest) -> HttpResponseBase:
    """The files that came in, the newest first."""
    return listing(
        request, "metering/runs.html", IngestRun.objects.all(), RUNS, _("Files of readings"), file="files",
        filters=FILTERS, order="-received_at", empty=_("None yet."),
    )  # fmt: skip


FILTERS = (
    Search(gettext_lazy("Name"), ("name__icontains",), name="name"),
    Choice(
        "aside",
        gettext_lazy("Rows set aside"),
        {"yes": gettext_lazy("yes"), "no": gettext_lazy("no")},
        narrowing={"yes": Q(quarantined__gt=0), "no": Q(quarantined=0)},
    ),
)


@require_safe
@role_required(*STAFF)
def run_page(request: HttpRequest, number: int) -> HttpResponseBase:
    """One file: what was written of it, and each row that was set aside with the rule it breaks."""
    run = IngestRun.objects.filter(pk=number).first()
    if run is None:
        raise Http404
    only = request.GET.get("row", "")
    only = only if only.isdecimal() else ""
    every = run.quarantine.all()
    counted = (every.filter(_at(only)) if only else every).order_by().values_list("rule", "sentence")
    rules = counted.annotate(number=Count("pk"))
    told = [(rule, spoken(sentence), number) for rule, sentence, number in rules]
    held = counted.filter(state=RowState.HELD).annotate(number=Count("pk")).order_by("rule")
    filters = (
        Search(gettext_lazy("Row"), finds=_at, name="row"),
        Choice("rule", gettext_lazy("Rule"), distinct(every, "rule")),
        state_choice(every),
    )
    context = {
        "run": run,
        "badge": state_badge(run_view(run).state),
        "facts": _run_facts(run),
        "rules": plain_table(_("By rule"), [_("Rule"), _("What it says"), _("Rows")], told, empty=_("none")),
        "held": [
            (rule, spoken(sentence), number, _choices(run, rule, number, only)) for rule, sentence, number in held
        ],
        "may_act": person_of(request).has_role("operator", "staff"),
        "crumbs": [Link(_("Files"), reverse("staff:runs")), Link(_("File %(n)s") % {"n": run.pk})],
    }
    return listing(
        request, "metering/run.html", every.select_related("series", "decision"), QUARANTINE, _("Rows set aside"),
        file=f"quarantine-{run.pk}", filters=filters, order="row", empty=_("None."), context=context,
    )  # fmt: skip


def _at(text: str) -> Q:
    """The row of this number."""
    return Q(row=int(text)) if text.isdecimal() and len(text) < MOST_DIGITS else Q(pk__in=())


def _run_facts(run: IngestRun) -> list[Fact]:
    return [
        Fact(_("Name"), run.name or _("none")),
        Fact(_("Received"), run.received_at),
        Fact(_("Worked in"), run.finished_at),
        Fact(_("Rows"), run.rows),
        Fact(_("Days written"), run.days_written),
        Fact(_("Days that brought nothing new"), run.days_unchanged),
        Fact(_("Rows set aside"), run.quarantined),
        Fact(_("Of these not listed; the file is kept"), run.unlisted),
        Fact(_("Problem"), run.problem or _("none")),
    ]


def _choices(run: IngestRun, rule: str, number: int, row: str) -> list[Confirmation]:
    """What may be done with the rows of a rule that are set aside, or with one of them."""
    name = f"{rule.lower()}{'-' + row if row else ''}"
    hidden = {"rule": rule} | ({"row": row} if row else {})
    refusal = Confirmation(
        id=f"refuse-{name}",
        button=_("Refuse"),
        title=_("Keep these rows out for good?"),
        text=_("Rows: %(n)s. They do not enter the lake, and stay listed as refused by you.") % {"n": number},
        action=reverse("staff:run_refusal", args=[run.pk]),
        confirm=_("Yes, refuse"),
        danger=True,
        reason=_("Why"),
        hidden=hidden,
    )
    if rule not in MAY_BE_RELEASED:
        return [refusal]
    release = Confirmation(
        id=f"release-{name}",
        button=_("Release"),
        title=_("Let these rows in as they are?"),
        text=_("Rows: %(n)s. They enter the lake as validated, and stay listed as released by you.") % {"n": number},
        action=reverse("staff:run_release", args=[run.pk]),
        confirm=_("Yes, release"),
        reason=_("Why"),
        hidden=hidden,
    )
    return [release, refusal]


@require_POST
@role_required("operator", "staff")
def run_release(request: HttpRequest, number: int) -> HttpResponseBase:
    """Let rows that were set aside in."""
    return _decided(request, number, releases=True, done=_("They enter the lake in a moment."))


@require_POST
@role_required("operator", "staff")
def run_refusal(request: HttpRequest, number: int) -> HttpResponseBase:
    """Keep rows that were set aside out for good."""
    return _decided(request, number, releases=False, done=_("They stay out for good."))


def _decided(request: HttpRequest, number: int, *, releases: bool, done: str) -> HttpResponseBase:
    run, row = IngestRun.objects.filter(pk=number).first(), request.POST.get("row", "")
    if run is None:
        raise Http404
    given = {name: request.POST.get(name, "").replace("\0", "")[:500] for name in ("rule", "reason")}
    rows = (int(row[:18]),) if row.isdecimal() else ()
    try:
        decide(run, releases=releases, by=person_of(request).email, rows=rows, **given)
    except (NothingHeld, NotReleasable):
        messages.error(request, _("None of these rows can be decided about any more."))
    except OneSlotTwice:
        messages.error(request, _("Several of the rows are of one slot: open the row that is right and release it."))
    else:
        messages.success(request, done)
    return redirect("staff:run", number)


MOST_LATE = 1000
MOST_DIGITS = 18
"""As many fit into a number of the database."""
LATE: list[Column[Late]] = [
    Column(
        gettext_lazy("POD"),
        lambda one: Link(label_for_holder(one.point), reverse("staff:point", args=[one.point.handle])),
    ),
    Column(gettext_lazy("Area"), lambda one: one.point.area or "–"),
    Column(gettext_lazy("Direction"), lambda one: word(DIRECTION, one.direction)),
    Column(gettext_lazy("Granularity"), lambda one: word(GRANULARITY, str(one.grain))),
    Column(gettext_lazy("Values there"), lambda one: one.present, numeric=True),
    Column(gettext_lazy("Values expected"), lambda one: one.expected, numeric=True),
]


@require_safe
@role_required(*STAFF)
def late_page(request: HttpRequest, day: str) -> HttpResponseBase:
    """The series that have not all their values of a civil day, each with its metering point."""
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        raise Http404 from None
    found = late(wanted, MOST_LATE)
    filters = (
        Search(gettext_lazy("Area"), texts=lambda one: (one.point.area,)),
        Choice("direction", gettext_lazy("Direction"), DIRECTION, value=lambda one: one.direction),
        Choice(
            "values",
            gettext_lazy("Values there"),
            {"some": gettext_lazy("in part"), "none": gettext_lazy("none")},
            value=lambda one: "some" if one.present else "none",
        ),
    )
    title = _("Late on %(day)s") % {"day": day_words(wanted)}
    lead = _("Only the first %(n)s are shown.") % {"n": MOST_LATE} if len(found) == MOST_LATE else ""
    crumbs = [Link(_("Today"), reverse("staff:dashboard")), Link(title)]
    return listing(
        request, "deliveries/table.html", found, LATE, _("Series with values missing"), file=f"late-{wanted}",
        filters=filters, empty=_("None: every series has all its values."),
        context={"title": title, "lead": lead, "crumbs": crumbs},
    )  # fmt: skip


urlpatterns = [
    path("late/<str:day>", late_page, name="late"),
    path("files", run_list, name="runs"),
    path("files/<int:number>", run_page, name="run"),
    path("files/<int:number>/release", run_release, name="run_release"),
    path("files/<int:number>/refusal", run_refusal, name="run_refusal"),
]
nav.register(gettext_lazy("Files"), "staff:runs", STAFF, order=22)
