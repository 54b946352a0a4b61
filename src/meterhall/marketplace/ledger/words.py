"""What each type of statement says, in words."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from meterhall.marketplace.players.words import Words
from meterhall.web.portal.values import Tone

STATEMENT: Words = {
    "player.applied": _("Applied to take part"),
    "player.admitted": _("Admitted"),
    "player.suspended": _("Suspended"),
    "player.keys_changed": _("Keys changed"),
    "player.endpoints_changed": _("Addresses changed"),
    "general_contract.signed": _("General contract signed"),
    "certification.passed": _("Certification passed"),
    "certification.failed": _("Certification failed"),
    "offer.published": _("Offer published"),
    "offer.withdrawn": _("Offer withdrawn"),
    "search.answered": _("Search answered"),
    "wish.registered": _("Wish registered"),
    "localisation.answered": _("Localisation answered"),
    "subscription.requested": _("Subscription requested"),
    "contract.signed": _("Contract signed"),
    "contract.countersigned": _("Contract countersigned"),
    "contract.acknowledged": _("Contract acknowledged"),
    "subscription.quit": _("Subscription ended by the requester"),
    "subscription.quit.acknowledged": _("End of the subscription acknowledged"),
    "activation.requested": _("Activation requested"),
    "activation.acknowledged": _("Activation acknowledged"),
    "activation.refreshed": _("Activation changed"),
    "activation.refreshed.acknowledged": _("Change of the activation acknowledged"),
    "consent.granted": _("Consent given"),
    "consent.ended": _("Consent ended"),
    "processing.ended": _("Processing ended"),
    "provision.confirmed": _("Provision confirmed"),
    "data.requested": _("Data requested"),
    "data.acknowledged": _("Data request acknowledged"),
    "delivery.published": _("Delivery published"),
    "delivery.pushed": _("Delivery pushed"),
    "delivery.received": _("Delivery received"),
    "delivery.rejected": _("Delivery rejected"),
    "receipt.acknowledged": _("Receipt acknowledged"),
}
COUNT: Words = {
    "items": _("Points"),
    "accepted": _("Accepted"),
    "refused": _("Refused"),
    "waiting": _("Waiting"),
    "resolved": _("Found"),
    "unresolved": _("Not found"),
    "readings": _("Readings"),
    "missing": _("Missing readings"),
    "parts": _("Parts"),
    "pods": _("Points"),
    "days": _("Days"),
    "added": _("Added"),
    "removed": _("Removed"),
    "erased": _("Erased readings"),
    "customers": _("Customers"),
    "fitting": _("Offers that fit"),
    "offers": _("Offers found"),
    "checks": _("Checks"),
    "passed": _("Checks passed"),
    "version": _("Version"),
    "requester": _("Signatures of the requester"),
    "provider": _("Signatures of the provider"),
}
_BAD = {"player.suspended", "certification.failed", "delivery.rejected"}
_ENDS = {"offer.withdrawn", "subscription.quit", "consent.ended", "processing.ended"}


def tone(kind: str, matched: bool | None) -> Tone:
    """How a statement is marked: what went wrong, what ended, what two sides agree on."""
    if matched is False or kind in _BAD:
        return "danger"
    if kind in _ENDS:
        return "warning"
    return "success" if matched or kind.endswith("acknowledged") else "info"
