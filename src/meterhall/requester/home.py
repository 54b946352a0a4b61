"""The requester's first page: what is done on the way to the first data, and what is next."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from meterhall.requester.activations.models import Activation, ActivationItem
from meterhall.requester.analysis.lateness import overdue
from meterhall.requester.collection.models import Delivery, Version
from meterhall.requester.customers.models import CustomerPoint
from meterhall.requester.partners.models import Subscription
from meterhall.requester.words import READERS
from meterhall.web.accounts.access import may, role_required
from meterhall.web.membership.service import membership
from meterhall.web.messaging.models import Identity
from meterhall.web.portal.values import Badge, Task


@require_safe
@role_required(*READERS)
def home(request: HttpRequest) -> HttpResponse:
    """The way from enrolment to the first load curve."""
    context = {
        "tasks": [*_membership(request), *_market(), *_data()],
        "rejected": Delivery.objects.filter(state__in=["rejected", "refused"]).count(),
        "mismatched": Version.objects.filter(match="mismatched").count(),
        "unresolved": CustomerPoint.objects.filter(state__in=["unresolved", "ambiguous", "invalid"]).count(),
        "waiting": ActivationItem.objects.filter(state="pending").exclude(place=None).count(),
        "late": overdue(),
    }
    return render(request, "partners/home.html", context)


def _badge(is_done: bool, may_start: bool = True) -> Badge:
    if is_done:
        return Badge(_("done"), "success")
    return Badge(_("to do"), "info") if may_start else Badge(_("cannot start yet"))


def _membership(request: HttpRequest) -> list[Task]:
    known = membership()
    enrolled = Identity.objects.exists()
    admitted = known is not None and known.player.status == "admitted"
    signed = known is not None and known.general_contract_signed
    standing = reverse("membership:standing")
    state = Badge(_("waits for the Market Place"), "warning") if enrolled and not admitted else _badge(admitted)
    return [
        Task(_("Enrol at the Market Place"), state, standing),
        Task(
            _("Sign the general contract"), _badge(signed, admitted),
            reverse("membership:general_contract") if admitted and may(request, "signer") else "",
            _("A signer, once"),
        ),
    ]  # fmt: skip


def _market() -> list[Task]:
    listed, subscribed = CustomerPoint.objects.exists(), Subscription.objects.exists()
    active = Subscription.objects.filter(state="active").exists()
    customers = _("Add your customers and find out who holds their data")
    return [
        Task(customers, _badge(listed), reverse("customers:points")),
        Task(_("Subscribe to an offer"), _badge(subscribed), reverse("partners:offers")),
        Task(_("Have the contract in force"), _badge(active, subscribed), reverse("partners:subscriptions")),
    ]


def _data() -> list[Task]:
    active = Subscription.objects.filter(state="active").exists()
    accepted = ActivationItem.objects.filter(state="accepted").exists()
    received = Delivery.objects.filter(state="received").exists()
    return [
        Task(_("Activate points"), _badge(Activation.objects.exists(), active), reverse("activations:activations")),
        Task(_("Request data"), _badge(received, accepted), reverse("collection:deliveries")),
        Task(_("Look at the first load curve"), _badge(received, received), reverse("analysis:curves")),
    ]


urls: list[URLPattern | URLResolver] = [path("", home, name="home")]
