"""How a player describes itself to anyone who asks."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.protocol.players import Discovery
from meterhall.web.api import endpoint
from meterhall.web.membership.hooks import log_key
from meterhall.web.membership.service import my_endpoints, public_jwk
from meterhall.web.membership.witness import witness_key
from meterhall.web.messaging.models import Identity
from meterhall.web.platform import platform


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
            keys=(public_jwk(platform().transport_key),),
            endpoints=my_endpoints(),
            log_key=log_key() if config.role == "marketplace" else None,
            witness_key=witness_key(),
        )
