"""Keep our standing at the Market Place current."""

from __future__ import annotations

from datetime import datetime

import structlog

from meterhall.client.b2b import RemoteRefusal
from meterhall.domain.errors import NotPermitted
from meterhall.domain.protocol.events import Event, PlayerChanged
from meterhall.domain.protocol.players import PlayerView
from meterhall.web.membership.models import HeldAttestation, Standing
from meterhall.web.membership.rotation import proceed
from meterhall.web.membership.service import attestation_for, contact_marketplace, refresh_membership, renew_peers
from meterhall.web.membership.witness import look_at_log
from meterhall.web.messaging.handlers import on
from meterhall.web.messaging.models import Identity
from meterhall.web.messaging.peers import marketplace, my_access_number, remember_player
from meterhall.web.oauth.service import ATTESTATION_LIFE, change_client, suspend_client
from meterhall.web.platform import platform
from meterhall.web.work.engine import every

log = structlog.get_logger(__name__)


@every(3600)
def refresh() -> None:
    """Once an hour: our standing, the word for those we know, and every attestation that is a day old."""
    if not Identity.objects.exists() or not Standing.objects.exists():
        return
    if platform().config.marketplace_url:
        contact_marketplace()
    refresh_membership()
    renew_peers()
    for audience in HeldAttestation.objects.values_list("audience", flat=True):
        try:
            attestation_for(audience)
        except RemoteRefusal as refusal:
            log.info("attestation.refused", audience=audience, code=refusal.remote_code)


@every(60)
def replace_keys() -> None:
    """Go on with the replacement of the transport key when its next step is due."""
    proceed()


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
    suspend_client(data.player.access_number, event.time)


@on("player.keys_changed", PlayerChanged)
def keys_changed(event: Event, data: PlayerChanged) -> None:
    """A partner has new keys."""
    _changed(event, data)
    _change_client(data.player, event.time)


@on("player.endpoints_changed", PlayerChanged)
def endpoints_changed(event: Event, data: PlayerChanged) -> None:
    """A partner is reached elsewhere, or its customers come back to other addresses."""
    _changed(event, data)
    _change_client(data.player, event.time)


def _change_client(player: PlayerView, at: datetime) -> None:
    keys = [key.document() for key in player.keys.transport]
    change_client(player.access_number, keys, player.endpoints.redirect_uris, at)


def _changed(event: Event, data: PlayerChanged) -> None:
    """Only the Market Place speaks about players. Word for us from before such a change is not shown any more."""
    if event.sender != marketplace().access_number:
        raise NotPermitted("A player's standing is the Market Place's to announce.")
    if data.player.access_number == my_access_number():
        HeldAttestation.objects.filter(fetched_at__lte=event.time).delete()
        refresh_membership()
    else:
        remember_player(data.player, event.time + ATTESTATION_LIFE)
