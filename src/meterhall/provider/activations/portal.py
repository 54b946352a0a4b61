"""Pages about activations for the grid operator's staff: all of them, and one with each point's answer."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from meterhall.provider.activations.back_office import counted
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.contracts.names import requester_choice
from meterhall.provider.points.portal import STAFF
from meterhall.provider.points.service import pod_of
from meterhall.web.accounts.access import role_required
from meterhall.web.portal import nav
from meterhall.web.portal.filters import Choice, Search, distinct, state_choice
from meterhall.web.portal.spoken import spoken
from meterhall.web.portal.tables import Column, listing
from meterhall.web.portal.values import CopyId, Link, state_badge

ACTIVATIONS: list[Column[Activation]] = [
    Column(gettext_lazy("Activation"), lambda row: CopyId(row.pk, reverse("staff:activation", args=[row.pk]))),
    Column(gettext_lazy("Requester"), lambda row: CopyId(row.requester)),
    Column(gettext_lazy("Asked"), lambda row: row.created_at, "created_at"),
    Column(gettext_lazy("Accepted"), lambda row: row.accepted, numeric=True),  # type: ignore[attr-defined]
    Column(gettext_lazy("Refused"), lambda row: row.refused, numeric=True),  # type: ignore[attr-defined]
    Column(gettext_lazy("Waiting for the customer"), lambda row: row.pending, numeric=True),  # type: ignore[attr-defined]
    Column(gettext_lazy("State"), lambda row: state_badge(row.state), "state"),
]
ITEMS: list[Column[ActivationItem]] = [
    Column(gettext_lazy("Place"), lambda item: item.position + 1, "position", numeric=True),
    Column(gettext_lazy("POD"), lambda item: pod_of(item.point).masked if item.point else None),
    Column(gettext_lazy("Point"), lambda item: CopyId(item.point.handle) if item.point else None),
    Column(gettext_lazy("State"), lambda item: state_badge(item.state), "state"),
    Column(gettext_lazy("Why"), lambda item: f"{item.code}: {spoken(item.detail)}" if item.code else "–"),
]


@require_safe
@role_required(*STAFF)
def activation_list(request: HttpRequest) -> HttpResponseBase:
    """All activations."""
    return listing(
        request, "deliveries/table.html", counted(), ACTIVATIONS, _("Activations"), file="activations",
        filters=FILTERS, order="-created_at", empty=_("None yet."), context={"title": _("Activations")},
    )  # fmt: skip


FILTERS = (
    Search(
        gettext_lazy("Id of an activation, a contract or a requester"),
        ("activation_id", "subscription_id", "requester__iexact"),
    ),
    requester_choice(Activation.objects.all()),
    state_choice(Activation.objects.all()),
)


@require_safe
@role_required(*STAFF)
def activation_page(request: HttpRequest, name: str) -> HttpResponseBase:
    """One activation: each point, masked, and its answer."""
    activation = Activation.objects.filter(pk=name).first()
    if activation is None:
        raise Http404
    rows = activation.items.select_related("point")
    crumbs = [Link(_("Activations"), reverse("staff:activations")), Link(name)]
    return listing(
        request, "deliveries/table.html", rows, ITEMS, _("Points"), file=name, order="position",
        filters=(
            Search(gettext_lazy("Point"), ("point__handle",)),
            Choice("code", gettext_lazy("Reason"), distinct(activation.items.all(), "code")),
            state_choice(activation.items.all()),
        ),
        context={"title": name, "crumbs": crumbs, "badge": state_badge(activation.state)},
    )  # fmt: skip


urlpatterns = [
    path("activations", activation_list, name="activations"),
    path("activations/<str:name>", activation_page, name="activation"),
]
nav.register(gettext_lazy("Activations"), "staff:activations", STAFF, order=23)
