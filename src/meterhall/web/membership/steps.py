"""Which step towards the Market Place is missing, in words for the person who met a refusal."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from meterhall.web.membership.models import Standing
from meterhall.web.messaging.models import Identity
from meterhall.web.portal.values import Link

CODES = frozenset(
    {"scope_missing", "invalid_client", "general_contract_unsigned", "player_not_admitted", "not_enrolled"}
)
"""Refusals of other platforms that end once the step is taken."""


def missing_step() -> tuple[str, Link] | None:
    """What has to be done first, and where; None when this organisation has taken every step, or is none's member."""
    try:
        address = reverse("membership:standing")
    except NoReverseMatch:
        return None
    page = Link(_("Membership"), address)
    standing = Standing.objects.first()
    if not Identity.objects.exists() or standing is None:
        return _("This organisation has not applied at the Market Place yet."), page
    known = standing.membership or {}
    if (known.get("player") or {}).get("status", "applied") != "admitted":
        return _("The Market Place has not admitted this organisation yet; its operator decides."), page
    if not known.get("general_contract_signed"):
        return _("The general contract is not signed yet: a signer of this organisation reads and signs it."), page
    return None
