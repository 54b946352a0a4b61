"""The DSO's Monday on one page: what came in, what is late, who waits, what was delivered, which promise is at risk.

From there one click leads to the file and the rule that refused a row, to an activation, to a delivery.
"""

from __future__ import annotations

import structlog
from django import forms
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from meterhall.domain.errors import MeterhallError, Unavailable
from meterhall.provider.activations.back_office import waiting as waiting_activations
from meterhall.provider.activations.portal import ACTIVATIONS
from meterhall.provider.consents.service import invite_customer
from meterhall.provider.contracts.models import Contract
from meterhall.provider.contracts.names import requester_choice
from meterhall.provider.deliveries.back_office import said_by, view, with_newest
from meterhall.provider.deliveries.models import AccessLog, Delivery
from meterhall.provider.deliveries.promises import at_risk
from meterhall.provider.metering.completeness import DayCount, completeness
from meterhall.provider.metering.models import IngestRun
from meterhall.provider.metering.portal import DAYS, RUNS
from meterhall.provider.points.portal import STAFF
from meterhall.web.accounts.access import role_required
from meterhall.web.machine import unwritable
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Search, state_choice
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.tables import Column, listing, plain_table, table
from meterhall.web.portal.templatetags.portal import day_range
from meterhall.web.portal.values import CopyId, Fact, Link, Quantity, Task, state_badge
from meterhall.web.portal.words import FORMAT, GRANULARITY, REASON, word
from meterhall.web.work.letters import laid_aside, tried_again

log = structlog.get_logger(__name__)


def _outcome(row: Delivery) -> object:
    outcome = view(row).outcome
    return state_badge(outcome) if outcome else _("none yet")


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


@require_safe
@role_required(*STAFF)
def dashboard(request: HttpRequest) -> HttpResponseBase:
    """One look in the morning."""
    waiting, days = waiting_activations().order_by("created_at"), _days()
    context = {
        "tasks": _tasks(waiting.count(), days),
        "runs": table(request, IngestRun.objects.order_by("-pk")[:8], RUNS, _("What came in"), export=False, id="runs"),
        "days": table(
            request, days, DAYS, _("What is late"), empty=_("The readings cannot be read now."), export=False, id="days"
        ),
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
    }
    return render(request, "deliveries/dashboard.html", context)


def _days() -> list[DayCount]:
    """How complete the last days are; none where the readings cannot be read: the page opens all the same."""
    try:
        return completeness(7)
    except (OSError, Unavailable):
        log.warning("dashboard.no_readings", exc_info=True)
        return []


def _tasks(waiting: int, days: list[DayCount]) -> list[Task]:
    to_sign = Contract.objects.filter(state="requester_signed", signed_at=None).count()
    aside = IngestRun.objects.filter(quarantined__gt=0).order_by("-pk")[:1].count()
    risks = at_risk()
    lines = [
        (_("Readings of yesterday"), days[0].missing if days else -1, "#days", _("%(n)s series incomplete")),
        (_("Rows set aside"), aside, "#runs", _("look at the newest file")),
        (_("Customers to be heard"), waiting, reverse("staff:activations"), _("%(n)s activations wait")),
        (_("Contracts"), to_sign, reverse("contracts:list"), _("%(n)s to sign")),
        (_("Promises at risk"), len(risks), "#risks", _("%(n)s soon too late")),
        (_("Failing work"), laid_aside(), reverse("work:letters"), _("%(n)s laid aside")),
        (_("Work tried again"), tried_again(), reverse("work:letters"), _("%(n)s failing")),
    ]
    return [_disk(), *(_task(title, number, href, text) for title, number, href, text in lines)]


def _disk() -> Task:
    """Whether what comes in can be kept."""
    found = unwritable()
    if not found:
        return Task(_("Disk"), state_badge("valid", _("all well")))
    hint = _("Nothing that comes in is kept until it can be written: %(what)s") % {"what": f"{found[0]}: {_(found[1])}"}
    return Task(_("Disk"), state_badge("failed", _("cannot be written")), hint=hint)


def _task(title: str, number: int, href: str, text: str) -> Task:
    if number < 0:
        return Task(title, state_badge("failed", _("not known")), href)
    status = state_badge("waiting", text % {"n": number}) if number else state_badge("valid", _("all well"))
    return Task(title, status, href)


@require_safe
@role_required(*STAFF)
def delivery_list(request: HttpRequest) -> HttpResponseBase:
    """All deliveries."""
    return listing(
        request, "deliveries/table.html", with_newest(), DELIVERIES, _("Deliveries"), file="deliveries",
        filters=FILTERS, order="-created_at", empty=_("None yet."), context={"title": _("Deliveries")},
    )  # fmt: skip


FILTERS = (
    Search(
        gettext_lazy("Id of a delivery, an activation or a requester"),
        ("delivery_id", "activation_id", "requester__iexact"),
    ),
    requester_choice(Delivery.objects.all()),
    state_choice(Delivery.objects.all()),
)


@require_safe
@role_required(*STAFF)
def delivery_page(request: HttpRequest, name: str) -> HttpResponseBase:
    """One delivery: its versions, why each replaced the one before, and how often it was fetched."""
    delivery = with_newest().filter(pk=name).first()
    if delivery is None:
        raise Http404
    shown = view(delivery)
    versions = [
        (one.version, word(REASON, said_by(one).reason), one.published_at, said_by(one).parts,
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
            form.add_error(field if field in form.fields else None, spoken(fault.detail))
    return render(request, "deliveries/invitation.html", {"form": form, "link": CopyId(link) if link else None})


urlpatterns = [
    path("today", dashboard, name="dashboard"),
    path("deliveries", delivery_list, name="deliveries"),
    path("deliveries/<str:name>", delivery_page, name="delivery"),
    path("customers/invitation", invitation, name="invitation"),
]
nav.register(gettext_lazy("Today"), "staff:dashboard", STAFF, order=20)
nav.register(gettext_lazy("Deliveries"), "staff:deliveries", STAFF, order=24)
nav.register(gettext_lazy("Invite a customer"), "staff:invitation", ["operator", "staff"], order=26)
