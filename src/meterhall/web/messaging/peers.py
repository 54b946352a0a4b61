"""Who we are and whom we know: this platform's access number, and the keys and addresses of others."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from meterhall.domain.errors import Conflict, NotFound
from meterhall.domain.protocol.keys import PublicKey
from meterhall.domain.protocol.players import Discovery, Jwk, PlayerView
from meterhall.web.messaging.models import Identity, Peer
from meterhall.web.platform import platform


class NotEnrolled(Conflict):
    code = "not_enrolled"
    title = "This platform has no access number yet; enrol it at the Market Place first."


class UnknownPeer(NotFound):
    code = "unknown_peer"
    title = "No such party is known here."


def my_access_number() -> str:
    """This platform's access number. Raises `NotEnrolled`."""
    number = Identity.objects.values_list("access_number", flat=True).first()
    if number is None:
        raise NotEnrolled
    return number


def set_access_number(number: str) -> None:
    """Remember our access number; it never changes."""
    known = Identity.objects.values_list("access_number", flat=True).first()
    if known not in (None, number):
        raise Conflict(f"This platform is enrolled as {known} already.")
    Identity.objects.get_or_create(access_number=number)


@transaction.atomic
def remember_player(player: PlayerView, vouched_until: datetime | None) -> Peer:
    """Store what the Market Place vouches for about a player; the newest word wins.

    Each word holds equally long, so of two the one that ends later is the newer: an older one, shown or arriving late,
    brings back neither keys that were replaced nor a standing that was lost.
    """
    known = Peer.objects.select_for_update().filter(access_number=player.access_number).first()
    if known is not None and vouched_until is not None and vouched_until < (known.vouched_until or vouched_until):
        return known
    peer, _ = Peer.objects.update_or_create(
        access_number=player.access_number,
        defaults={
            "name": player.organisation,
            "document": player.document(),
            "b2b_url": player.endpoints.b2b,
            "inbox_url": player.endpoints.inbox or "",
            "transport_keys": [key.document() for key in player.keys.transport],
            "contract_keys": [key.document() for key in player.keys.contract],
            "status": player.status,
            "vouched_until": vouched_until,
        },
    )
    return peer


def remember_marketplace(found: Discovery) -> Peer:
    """Store the Market Place as it describes itself over TLS."""
    peer, _ = Peer.objects.update_or_create(
        access_number=found.access_number,
        defaults={
            "name": found.organisation,
            "document": found.document(),
            "b2b_url": found.endpoints.b2b,
            "transport_keys": [key.document() for key in found.keys],
            "is_marketplace": True,
        },
    )
    return peer


def marketplace() -> Peer:
    """The Market Place. Raises `UnknownPeer` before the first contact."""
    found = Peer.objects.filter(is_marketplace=True).first()
    if found is None:
        raise UnknownPeer("The Market Place has not been contacted yet.")
    return found


def peer(access_number: str) -> Peer:
    """A party we know. Raises `UnknownPeer`."""
    found = Peer.objects.filter(access_number=access_number).first()
    if found is None:
        raise UnknownPeer(f"No party with access number {access_number} is known here.")
    return found


def transport_keys(access_number: str) -> list[PublicKey]:
    """The transport keys of a party that is not suspended and whose attestation holds; empty otherwise."""
    found = Peer.objects.filter(access_number=access_number).first()
    if found is None or found.status == "suspended":
        return []
    if found.vouched_until is not None and found.vouched_until < platform().now():
        return []
    return public_keys(found.transport_keys)


def public_keys(jwks: list[dict[str, str]]) -> list[PublicKey]:
    """JWKs as keys."""
    return [PublicKey.from_jwk(Jwk(**jwk).document()) for jwk in jwks]
