"""How a platform describes itself to anyone who asks, and the back-office calls about our own membership."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.client.b2b import RemoteRefusal, RemoteUnreachable, UnreadableAnswer
from meterhall.domain.protocol.base import Message, PlayerRole
from meterhall.domain.protocol.players import (
    Activity,
    Discovery,
    Jwk,
    LegalIdentifier,
    Membership,
    PlayerView,
)
from meterhall.web.api import endpoint
from meterhall.web.membership.hooks import log_key
from meterhall.web.membership.rotation import published_keys
from meterhall.web.membership.service import (
    BadEnrolment,
    EnrolledOtherwise,
    NoMarketplace,
    declare_endpoints,
    enrol,
    my_endpoints,
    refresh_membership,
)
from meterhall.web.membership.witness import witness_key
from meterhall.web.messaging.models import Identity
from meterhall.web.messaging.peers import NotEnrolled
from meterhall.web.platform import platform
from meterhall.web.staff.service import StaffAuth

REMOTE = (RemoteRefusal, RemoteUnreachable, UnreadableAnswer)


class EnrolmentIn(Message):
    """What the Market Place cannot take from our settings: who we are by law, and what we do."""

    legal_id: LegalIdentifier
    roles: tuple[PlayerRole, ...]
    activity: Activity


def add_discovery(api: NinjaAPI) -> None:
    """Publish `GET /.well-known/meterhall`."""

    @endpoint(api, "GET", "/.well-known/meterhall", response=Discovery, step="discovery")
    def get_discovery(request: HttpRequest) -> Discovery:
        """Who answers here, in which environment, and with which keys."""
        config = platform().config
        return Discovery(
            role=config.role,
            environment=config.environment,
            organisation=config.name,
            access_number=Identity.objects.values_list("access_number", flat=True).first(),
            keys=tuple(Jwk.model_validate(key.jwk()) for key in published_keys()),
            endpoints=my_endpoints(),
            log_key=log_key() if config.role == "marketplace" else None,
            witness_key=witness_key(),
        )


def add_membership(api: NinjaAPI) -> None:
    """Publish `POST /enrolment` and `GET /enrolment` in the back office."""
    staff = StaffAuth()

    @endpoint(api, "POST", "/enrolment", response=PlayerView, status=202, auth=staff, step="1 enrol",
              refuses=(NoMarketplace, BadEnrolment, EnrolledOtherwise, *REMOTE), calls_out=True)  # fmt: skip
    def post_enrolment(request: HttpRequest, body: EnrolmentIn) -> PlayerView:
        """Apply at the Market Place; applying again gives the same access number."""
        return enrol(body.legal_id, body.roles, body.activity)

    @endpoint(api, "GET", "/enrolment", response=Membership, auth=staff, step="1 enrol",
              refuses=(NotEnrolled, *REMOTE))  # fmt: skip
    def get_enrolment(request: HttpRequest) -> Membership:
        """Our standing at the Market Place, asked for now."""
        return refresh_membership()

    @endpoint(api, "POST", "/enrolment/addresses", response=Membership, auth=staff, step="1 enrol",
              refuses=(NotEnrolled, *REMOTE), calls_out=True)  # fmt: skip
    def post_addresses(request: HttpRequest) -> Membership:
        """Tell the Market Place the addresses that are set now; it tells our partners."""
        return declare_endpoints()
