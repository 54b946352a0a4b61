"""What a player has to do at the Market Place before going live."""

from __future__ import annotations

from meterhall.domain.protocol.players import Endpoints
from meterhall.web.check import ToDo, before_live
from meterhall.web.membership import service
from meterhall.web.membership.models import Standing
from meterhall.web.messaging.models import Identity
from meterhall.web.platform import platform

COMMAND = "meterhall {role} enrol --home {home} --legal-id KIND:VALUE --activity ACTIVITY"


@before_live("membership", of_players=True)
def membership() -> str:
    """Enrolled and admitted."""
    identity, standing = Identity.objects.first(), Standing.objects.first()
    if identity is None or standing is None:
        raise ToDo(f"apply at the Market Place: {COMMAND.format(role=platform().role, home=platform().home.path)}")
    status = ((standing.membership or {}).get("player") or {}).get("status", "applied")
    if status != "admitted":
        raise ToDo(f"{identity.access_number} is {status}: the Market Place's operator admits it")
    return f"{identity.access_number} is admitted"


@before_live("general contract", of_players=True)
def general_contract() -> str:
    """Signed by a signer."""
    standing = Standing.objects.first()
    if standing is None or not standing.signature:
        raise ToDo("a signer reads and signs it on the portal, under Membership")
    return "signed"


@before_live("addresses", of_players=True)
def addresses() -> str:
    """Those the Market Place names are those of the settings."""
    known = service.membership()
    if known is None:
        return "named when it is enrolled"
    there, here = known.player.endpoints, service.declared_endpoints()
    for name in Endpoints.model_fields:
        if getattr(there, name) != getattr(here, name):
            role, home = platform().role, platform().home.path
            raise ToDo(
                f"the Market Place names another address than the settings ({name}): tell it by "
                f"meterhall {role} declare-addresses --home {home}"
            )
    return f"the Market Place names {there.b2b}"
