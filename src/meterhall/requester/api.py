"""The requester's two interfaces: B2B for the Market Place and providers, back office for its own machines."""

from __future__ import annotations

from django.http import HttpRequest

from meterhall.domain.protocol.base import Message
from meterhall.domain.protocol.players import Membership
from meterhall.requester.activations.api import add_activations
from meterhall.requester.analysis.api import add_analysis
from meterhall.requester.collection.api import add_collection, add_repository
from meterhall.requester.customers.api import add_customers
from meterhall.requester.partners.api import add_partners
from meterhall.web.api import endpoint, make_api
from meterhall.web.membership.api import add_discovery
from meterhall.web.membership.service import membership
from meterhall.web.messaging.api import add_inbox
from meterhall.web.messaging.models import Identity
from meterhall.web.staff.service import StaffAuth

b2b = make_api(
    "Meterhall requester",
    "Inbox and push repository of an eligible party (energy service operator).",
    "requester_b2b",
)
add_discovery(b2b)
add_inbox(b2b)
add_repository(b2b)

staff = make_api("Meterhall requester, back office", "For the eligible party's own systems.", "requester_staff")


class EnrolmentView(Message):
    """Our standing at the Market Place as last heard."""

    access_number: str | None
    status: str
    general_contract_signed: bool
    membership: Membership | None


@endpoint(staff, "GET", "/enrolment", response=EnrolmentView, auth=StaffAuth(), step="1 enrolment")
def get_enrolment(request: HttpRequest) -> EnrolmentView:
    """Whether we are enrolled and admitted, and whether the general contract is signed."""
    known = membership()
    return EnrolmentView(
        access_number=Identity.objects.values_list("access_number", flat=True).first(),
        status=known.player.status if known else "not_enrolled",
        general_contract_signed=bool(known and known.general_contract_signed),
        membership=known,
    )


add_partners(staff)
add_customers(staff)
add_activations(staff)
add_collection(staff)
add_analysis(staff)
