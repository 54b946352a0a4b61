"""Keep our standing at the Market Place current."""

from __future__ import annotations

from meterhall.domain.errors import NotPermitted
from meterhall.domain.protocol.events import Event, PlayerChanged
from meterhall.web.membership.models import HeldAttestation, Standing
from meterhall.web.membership.service import attestation_for, refresh_membership
from meterhall.web.membership.witness import look_at_log
from meterhall.web.messaging.handlers import on
from meterhall.web.messaging.models import Identity
from meterhall.web.messaging.peers import marketplace, my_access_number, remember_player
from meterhall.web.oauth.service import change_keys, suspend_client
from meterhall.web.platform import platform
from meterhall.web.work.engine import every


@every(3600)
def refresh() -> None:
    """Once an hour: our standing, and every attestation that is a day old."""
    if not Identity.objects.exists() or not Standing.objects.exists():
        return
    refresh_membership()
    for audience in HeldAttestation.objects.values_list("audience", flat=True):
        attestation_for(audience)


@every(30)
def witness() -> None:
    """Look at the Market Place's log, and cosign it when it goes on from all we saw before."""
    if platform().role != "marketplace" and Standing.objects.exists():
        look_at_log()


@on("player.admitted", PlayerChanged)
def admitted(event: Event, data: PlayerChanged) -> None:
    """The Market Place admitted us, or a partner again."""
    _changed(event, data)


@on("player.suspended", PlayerChanged)
def suspended(event: Event, data: PlayerChanged) -> None:
    """The Market Place suspended us or a partner; a partner's tokens stop at once."""
    _changed(event, data)
    suspend_client(data.player.access_number)


@on("player.keys_changed", PlayerChanged)
def keys_changed(event: Event, data: PlayerChanged) -> None:
    """A partner has new keys."""
    _changed(event, data)
    change_keys(data.player.access_number, [key.document() for key in data.player.keys.transport])


def _changed(event: Event, data: PlayerChanged) -> None:
    """Only the Market Place speaks about players."""
    if event.sender != marketplace().access_number:
        raise NotPermitted("A player's standing is the Market Place's to announce.")
    if data.player.access_number == my_access_number():
        refresh_membership()
    else:
        remember_player(data.player, None)
