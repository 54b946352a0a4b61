"""The call of localisation."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.protocol.localisation import LocalisationReply, LocalisationRequest
from meterhall.marketplace.localisation.service import answer
from meterhall.marketplace.players.service import PlayerNotAdmitted
from meterhall.web.api import endpoint
from meterhall.web.security import TokenAuth, caller


def add_localisation(api: NinjaAPI) -> None:
    """Publish the call."""

    @endpoint(api, "POST", "/v1/localisations", response=LocalisationReply, auth=TokenAuth("market"),
              step="4 localisation", idempotent=False, refuses=(PlayerNotAdmitted,))  # fmt: skip
    def post_localisation(request: HttpRequest, body: LocalisationRequest) -> LocalisationReply:
        """Who may hold each point, with reason and confidence; many candidates where it is ambiguous, never a guess."""
        return answer(caller(request), body)
