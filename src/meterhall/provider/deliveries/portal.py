"""The DSO's Monday on one page: what came in, what is late, who waits, what was delivered, which promise is at risk.

From there one click leads to the file and the rule that refused a row, to an activation, to a delivery.
"""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from meterhall.domain.errors import MeterhallError
from meterhall.provider.activations.back_office import counted
from meterhall.provider.activations.back_office import waiting as waiting_activations
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.consents.service import invite_customer
from meterhall.provider.contracts.models import Contract
from meterhall.provider.deliveries.back_office import dead_letters, view, with_newest
from meterhall.provider.deliveries.models import AccessLog, Delivery
from meterhall.provider.deliveries.promises import at_risk
from meterhall.provider.metering.api import run_view
from meterhall.provider.metering.completeness import DayCount, completeness
from meterhall.provider.metering.models import IngestRun, QuarantinedRow
from meterhall.provider.points.service import pod_of
from meterhall.web.accounts.access import person_of, role_required
from meterhall.web.messaging.models import Outbox
from meterhall.web.messaging.service import redeliver
from meterhall.web.portal import nav
from meterhall.web.portal.tables import Column, csv_response, plain_table, table, wants_csv
from meterhall.web.portal.templatetags.portal import day_range
from meterhall.web.portal.values import Confirmation, CopyId, Fact, Link, Quantity, Task, state_badge
from meterhall.web.portal.words import FORMAT, GRANULARITY, REASON, word

STAFF = ("operator", "staff", "auditor")


def _outcome(row: Delivery) -> object:
    outcome = view(row).outcome
    return state_badge(outcome) if outcome else _("none yet")


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
ACTIVATIONS: list[Column[Activation]] = [
    Column(gettext_lazy("Activation"), lambda row: CopyId(row.pk, reverse("staff:activation", args=[row.pk]))),
    Column(gettext_lazy("Requester"), lambda row: CopyId(row.requester)),
    Column(gettext_lazy("Asked"), lambda row: row.created_at, "created_at"),
    Column(gettext_lazy("Accepted"), lambda row: row.accepted, numeric=True),  # type: ignore[attr-defined]
    Column(gettext_lazy("Refused"), lambda row: row.refused, numeric=True),  # type: ignore[attr-defined]
    Column(gettext_lazy("Waiting for the customer"), lambda row: row.pending, numeric=True),  # type: ignore[attr-defined]
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
]
DELIVERIES: list[Column[Delivery]] = [
    Column(gettext_lazy("Delivery"), lambda row: CopyId(row.pk, reverse("staff:delivery", args=[row.pk]))),
    Column(gettext_lazy("Requester"), lambda row: CopyId(row.requester)),
    Column(gettext_lazy("Asked"), lambda row: row.created_at, "created_at"),
    Column(gettext_lazy("Version"), lambda row: row.version, numeric=True),
    Column(gettext_lazy("Readings"), lambda row: view(row).readings, numeric=True),
    Column(gettext_lazy("Missing"), lambda row: view(row).missing, numeric=True),
    Column(gettext_lazy("Receipt"), _outcome),
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
]
QUARANTINE: list[Column[QuarantinedRow]] = [
    Column(gettext_lazy("Row"), lambda row: row.row, "row", numeric=True),
    Column(gettext_lazy("Rule"), lambda row: row.rule, "rule"),
    Column(gettext_lazy("What it says"), lambda row: row.sentence),
]
ITEMS: list[Column[ActivationItem]] = [
    Column(gettext_lazy("Place"), lambda item: item.position + 1, "position", numeric=True),
    Column(gettext_lazy("POD"), lambda item: pod_of(item.point).masked if item.point else None),
    Column(gettext_lazy("Point"), lambda item: CopyId(item.point.handle) if item.point else None),
    Column(gettext_lazy("State"), lambda item: state_badge(item.state), "state"),
    Column(gettext_lazy("Why"), lambda item: f"{item.code}: {item.detail}" if item.code else "–"),
]


@require_safe
@role_required(*STAFF)
def dashboard(request: HttpRequest) -> HttpResponseBase:
    """One look in the morning."""
    waiting = waiting_activations().order_by("created_at")
    context = {
        "tasks": _tasks(waiting.count()),
        "runs": table(request, IngestRun.objects.order_by("-pk")[:8], RUNS, _("What came in"), export=False, id="runs"),
        "days": table(request, completeness(7), DAYS, _("What is late"), export=False, id="days"),
        "waiting": table(request, waiting[:8], ACTIVATIONS, _("Who waits"), export=False, id="waiting"),
        "deliveries": table(
            request,
            with_newest().order_by("-created_at")[:8],
            DELIVERIES,
            _("What was delivered"),
            export=False,
            id="del",
        ),
        "risks": plain_table(
            _("Promises at risk"),
            [_("What"), _("Since"), _("Promised by")],
            [
                (CopyId(one.subject, reverse(f"staff:{one.kind}", args=[one.subject])), one.since, one.due)
                for one in at_risk()
            ],
            empty=_("none"),
        ),
        "letters": [(row, _again(row)) for row in dead_letters().order_by("-created_at")[:20]],
        "may_act": person_of(request).has_role("operator", "staff"),
    }
    return render(request, "deliveries/dashboard.html", context)


def _tasks(waiting: int) -> list[Task]:
    to_sign = Contract.objects.filter(state="requester_signed", signed_at=None).count()
    aside = IngestRun.objects.filter(quarantined__gt=0).order_by("-pk")[:1].count()
    letters, risks = dead_letters().count(), at_risk()
    late = completeness(1)[0].missing
    lines = [
        (_("Readings of yesterday"), late, "#days", _("%(n)s series incomplete")),
        (_("Rows set aside"), aside, "#runs", _("look at the newest file")),
        (_("Customers to be heard"), waiting, reverse("staff:activations"), _("%(n)s activations wait")),
        (_("Contracts"), to_sign, reverse("contracts:list"), _("%(n)s to sign")),
        (_("Promises at risk"), len(risks), "#risks", _("%(n)s soon too late")),
        (_("Messages"), letters, "#letters", _("%(n)s undeliverable")),
    ]
    return [_task(title, number, href, text) for title, number, href, text in lines]


def _task(title: str, number: int, href: str, text: str) -> Task:
    status = state_badge("waiting", text % {"n": number}) if number else state_badge("valid", _("all well"))
    return Task(title, status, href)


def _again(row: Outbox) -> Confirmation:
    return Confirmation(
        id=f"again-{row.pk}",
        button=_("Try again"),
        title=_("Send it once more?"),
        text=_("It is tried from the start, as often as is set."),
        action=reverse("staff:redeliver", args=[row.pk]),
        confirm=_("Yes, try again"),
        hidden={"redeliver": row.pk},
    )


@require_POST
@role_required("operator", "staff")
def redelivery(request: HttpRequest, letter: str) -> HttpResponseBase:
    """Try to deliver a message once more."""
    if not redeliver(letter):
        raise Http404
    messages.success(request, _("It is on its way again."))
    return redirect("staff:dashboard")


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
        "crumbs": [Link(_("Today"), reverse("staff:dashboard")), Link(_("File %(n)s") % {"n": run.pk})],
    }
    return render(request, "deliveries/run.html", context)


@require_safe
@role_required(*STAFF)
def activation_list(request: HttpRequest) -> HttpResponseBase:
    """All activations."""
    rows = counted()
    if wants_csv(request):
        return csv_response("activations", rows.order_by("pk"), ACTIVATIONS)
    shown = table(request, rows, ACTIVATIONS, _("Activations"), empty=_("None yet."), order="-created_at")
    return render(request, "deliveries/table.html", {"title": _("Activations"), "table": shown})


@require_safe
@role_required(*STAFF)
def activation_page(request: HttpRequest, name: str) -> HttpResponseBase:
    """One activation: each point, masked, and its answer."""
    activation = Activation.objects.filter(pk=name).first()
    if activation is None:
        raise Http404
    rows = activation.items.select_related("point")
    shown = table(request, rows, ITEMS, _("Points"), order="position", export=False)
    crumbs = [Link(_("Activations"), reverse("staff:activations")), Link(name)]
    context = {"title": name, "table": shown, "crumbs": crumbs, "badge": state_badge(activation.state)}
    return render(request, "deliveries/table.html", context)


@require_safe
@role_required(*STAFF)
def delivery_list(request: HttpRequest) -> HttpResponseBase:
    """All deliveries."""
    rows = with_newest()
    if wants_csv(request):
        return csv_response("deliveries", rows.order_by("pk"), DELIVERIES)
    shown = table(request, rows, DELIVERIES, _("Deliveries"), empty=_("None yet."), order="-created_at")
    return render(request, "deliveries/table.html", {"title": _("Deliveries"), "table": shown})


@require_safe
@role_required(*STAFF)
def delivery_page(request: HttpRequest, name: str) -> HttpResponseBase:
    """One delivery: its versions, why each replaced the one before, and how often it was fetched."""
    delivery = with_newest().filter(pk=name).first()
    if delivery is None:
        raise Http404
    shown = view(delivery)
    versions = [
        (one.version, word(REASON, one.manifest["reason"]), one.published_at, len(one.manifest["parts"]),
         state_badge(one.outcome) if one.outcome else None, one.code or "–")
        for one in delivery.versions.all()
    ]  # fmt: skip
    heads = [_("Version"), _("Why"), _("Published"), _("Parts"), _("Receipt"), _("Code")]
    context = {
        "title": name,
        "badge": state_badge(delivery.state),
        "facts": [
            Fact(_("Activation"), CopyId(shown.activation_id, reverse("staff:activation", args=[shown.activation_id]))),
            Fact(_("Requester"), CopyId(shown.requester)),
            Fact(_("Days"), day_range(shown.period.first, shown.period.until)),
            Fact(_("Granularity and format"), f"{word(GRANULARITY, shown.granularity)}, {word(FORMAT, shown.format)}"),
            Fact(_("Readings"), Quantity(shown.readings)),
            Fact(_("Missing"), Quantity(shown.missing)),
            Fact(_("Accesses logged"), AccessLog.objects.filter(delivery=delivery).count()),
            Fact(_("Code"), shown.code or "–"),
        ],
        "table": plain_table(_("Versions"), heads, versions, empty=_("Being prepared.")),
        "crumbs": [Link(_("Deliveries"), reverse("staff:deliveries")), Link(name)],
    }
    return render(request, "deliveries/table.html", context)


class InvitationForm(forms.Form):
    """A customer to be let into the portal."""

    email = forms.EmailField(label=gettext_lazy("E-mail address"))
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    holder_reference = forms.CharField(
        label=gettext_lazy("Reference of the holder"),
        max_length=80,
        help_text=gettext_lazy("As the metering points name their holder."),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("operator", "staff")
def invitation(request: HttpRequest) -> HttpResponseBase:
    """Invite the holder of metering points; the link is shown once, for the letter or mail to the customer."""
    form, link = InvitationForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        try:
            link = invite_customer(**form.cleaned_data)
        except MeterhallError as fault:
            field = (fault.field or "").strip("/")
            form.add_error(field if field in form.fields else None, fault.detail)
    return render(request, "deliveries/invitation.html", {"form": form, "link": CopyId(link) if link else None})


urlpatterns = [
    path("today", dashboard, name="dashboard"),
    path("today/messages/<str:letter>/redelivery", redelivery, name="redeliver"),
    path("files/<int:number>", run_page, name="run"),
    path("activations", activation_list, name="activations"),
    path("activations/<str:name>", activation_page, name="activation"),
    path("deliveries", delivery_list, name="deliveries"),
    path("deliveries/<str:name>", delivery_page, name="delivery"),
    path("customers/invitation", invitation, name="invitation"),
]
nav.register(gettext_lazy("Today"), "staff:dashboard", STAFF, order=20)
nav.register(gettext_lazy("Activations"), "staff:activations", STAFF, order=21)
nav.register(gettext_lazy("Deliveries"), "staff:deliveries", STAFF, order=22)
nav.register(gettext_lazy("Invite a customer"), "staff:invitation", ["operator", "staff"], order=23)
