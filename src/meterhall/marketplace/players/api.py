"""Calls about players: enrolment, one's own standing, keys, others, attestations; and the operator's decisions."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import NinjaAPI
from pydantic import StringConstraints

from meterhall.domain.identifiers import InvalidLegalId, UnknownCountry, UnverifiableLegalId
from meterhall.domain.market import WrongState
from meterhall.domain.market.declared import AddressInvalid
from meterhall.domain.market.enrolment import ENROLMENT_REFUSALS, InvalidKey, KeyTwice, NoOverlap
from meterhall.domain.market.texts import TextHoldsPod
from meterhall.domain.protocol.base import Message, Page, Signed
from meterhall.domain.protocol.keys import BadSignature
from meterhall.domain.protocol.players import AttestationRequest, Attested, Membership, PlayerStatus, PlayerView
from meterhall.marketplace.players import service
from meterhall.marketplace.players.models import Player
from meterhall.web.api import endpoint, page
from meterhall.web.security import TokenAuth, caller
from meterhall.web.staff.service import StaffAuth


class Decided(Message):
    """Why the operator decides so; the player reads it."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=4000)]


def add_players(api: NinjaAPI) -> None:
    """Publish the calls of players."""
    anyone_enrolled, member = TokenAuth("membership", "market"), TokenAuth("market")

    @endpoint(api, "POST", "/v1/players", response=PlayerView, status=202, step="1 enrol",
              refuses=(BadSignature, UnknownCountry, InvalidLegalId, UnverifiableLegalId, *ENROLMENT_REFUSALS,
                       TextHoldsPod, service.LegalIdTaken, service.KeyTaken, service.EnrolmentDiffers))  # fmt: skip
    def post_player(request: HttpRequest, body: Signed) -> PlayerView:
        """Apply to take part: an Enrolment signed with the transport key it declares. Inactive until admitted."""
        return service.enrol(body.jws)

    @endpoint(api, "GET", "/v1/players/me", response=Membership, auth=anyone_enrolled, step="1 enrol")
    def get_membership(request: HttpRequest) -> Membership:
        """The caller's own standing and, once admitted, an attestation to itself."""
        return service.membership(caller(request))

    @endpoint(api, "PUT", "/v1/players/me/keys", response=PlayerView, auth=anyone_enrolled, step="keys",
              refuses=(BadSignature, InvalidKey, KeyTwice, NoOverlap, service.KeyTaken,
                       service.ContractKeyNeeded))  # fmt: skip
    def put_keys(request: HttpRequest, body: Signed) -> PlayerView:
        """Replace the caller's keys: a KeySet that overlaps with the present one, signed with a present key."""
        return service.change_keys(caller(request), body.jws)

    @endpoint(api, "PUT", "/v1/players/me/endpoints", response=PlayerView, auth=anyone_enrolled, step="keys",
              refuses=(BadSignature, AddressInvalid))  # fmt: skip
    def put_endpoints(request: HttpRequest, body: Signed) -> PlayerView:
        """Replace the caller's addresses: an Endpoints, all of it, signed with a transport key."""
        return service.change_endpoints(caller(request), body.jws)

    @endpoint(api, "GET", "/v1/players/{number}", response=PlayerView, auth=member, step="list",
              refuses=(service.UnknownPlayer,))  # fmt: skip
    def get_player(request: HttpRequest, number: str) -> PlayerView:
        """A player as others see it."""
        return service.find_view(number)

    @endpoint(api, "POST", "/v1/attestations", response=Attested, auth=member, step="1 admit",
              refuses=(service.PlayerNotAdmitted, service.UnknownAudience))  # fmt: skip
    def post_attestation(request: HttpRequest, body: AttestationRequest) -> Attested:
        """The Market Place's word for the caller to another player; it holds seven days."""
        return service.vouch(caller(request), body.audience)


def add_admission(api: NinjaAPI) -> None:
    """Publish the operator's calls."""
    staff = StaffAuth()
    refuses = (service.UnknownPlayer, WrongState)

    @endpoint(api, "GET", "/players", response=Page[PlayerView], auth=staff, step="1 admit")
    def list_players(
        request: HttpRequest, status: PlayerStatus | None = None, after: str | None = None, limit: int = 100
    ) -> Page[PlayerView]:
        """All players, applicants included."""
        rows = Player.objects.filter(status=status) if status else Player.objects.all()
        return page(rows, service.view, after=after, limit=limit, by="access_number")

    @endpoint(api, "POST", "/players/{number}/admission", response=PlayerView, auth=staff, step="1 admit",
              refuses=refuses)  # fmt: skip
    def admit_player(request: HttpRequest, number: str) -> PlayerView:
        """Admit an applicant."""
        return service.admit(number, by=caller(request))

    @endpoint(api, "POST", "/players/{number}/refusal", response=PlayerView, auth=staff, step="1 admit",
              refuses=refuses)  # fmt: skip
    def refuse_player(request: HttpRequest, number: str, body: Decided) -> PlayerView:
        """Turn an applicant down, with the reason."""
        return service.refuse(number, by=caller(request), reason=body.reason)

    @endpoint(api, "POST", "/players/{number}/suspension", response=PlayerView, auth=staff, step="1 admit",
              refuses=refuses)  # fmt: skip
    def suspend_player(request: HttpRequest, number: str, body: Decided) -> PlayerView:
        """Stop a player at once."""
        return service.suspend(number, by=caller(request), reason=body.reason)

    @endpoint(api, "POST", "/players/{number}/reinstatement", response=PlayerView, auth=staff, step="1 admit",
              refuses=refuses)  # fmt: skip
    def reinstate_player(request: HttpRequest, number: str, body: Decided) -> PlayerView:
        """Let a suspended player back in."""
        return service.reinstate(number, by=caller(request), reason=body.reason)
