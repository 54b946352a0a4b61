"""Back-office calls about consents, in numbers only, and about inviting customers to the portal."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpRequest
from ninja import NinjaAPI
from pydantic import Field

from meterhall.domain.protocol.base import Message, ShortText
from meterhall.provider.consents.models import Consent, ConsentItem
from meterhall.provider.consents.service import UnknownHolder, invite_customer
from meterhall.web.accounts.service import BadEmail, OtherHolder
from meterhall.web.api import endpoint
from meterhall.web.platform import platform
from meterhall.web.staff.service import StaffAuth


class RequesterConsents(Message):
    """How many consents one requester holds, by state."""

    requester: str
    requester_name: str
    states: dict[str, int]
    points: int = Field(description="Metering points with at least one consent in force.")


class ConsentCounts(Message):
    requesters: tuple[RequesterConsents, ...]


class InvitationIn(Message):
    """A customer to be let into the portal."""

    email: ShortText = Field(repr=False)
    name: ShortText = Field(repr=False)
    holder_reference: ShortText = Field(repr=False, description="The reference of the holder at the grid operator.")


class Invitation(Message):
    """The link to send to the customer: it works once."""

    link: str = Field(repr=False)


def counts() -> ConsentCounts:
    """The consents of each requester, counted."""
    states: dict[tuple[str, str], dict[str, int]] = {}
    for requester, name, state, number in (
        Consent.objects.order_by("requester").values_list("requester", "requester_name", "state").annotate(Count("pk"))
    ):
        states.setdefault((requester, name), {})[state] = number
    running = ConsentItem.objects.filter(ended_at=None, access_until__gt=platform().now()).order_by()
    points = dict(running.values_list("consent__requester").annotate(Count("point", distinct=True)))
    return ConsentCounts(
        requesters=tuple(
            RequesterConsents(requester=number, requester_name=name, states=held, points=points.get(number, 0))
            for (number, name), held in states.items()
        )
    )


def add_consent_counts(api: NinjaAPI) -> None:
    """Publish the calls."""
    staff = StaffAuth()

    @endpoint(api, "GET", "/consents/counts", response=ConsentCounts, auth=staff, step="7 consent")
    def get_consent_counts(request: HttpRequest) -> ConsentCounts:
        """How many consents each requester holds. Who gave them is the customers' business."""
        return counts()

    @endpoint(api, "POST", "/customers/invitations", response=Invitation, status=201, auth=staff, step="customers",
              refuses=(BadEmail, OtherHolder, UnknownHolder))  # fmt: skip
    def post_invitation(request: HttpRequest, body: InvitationIn) -> Invitation:
        """Invite the holder of metering points to the portal; the answer's link works once within seven days."""
        return Invitation(link=invite_customer(body.email, body.name, body.holder_reference))
