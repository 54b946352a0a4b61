"""Whether contracts are signed as the signers meant it."""

from __future__ import annotations

from meterhall.domain.protocol.agreements import StandingAcceptance
from meterhall.provider.contracts.models import StandingAcceptanceHeld
from meterhall.web.check import ToDo, before_live
from meterhall.web.platform import platform


@before_live("standing acceptances")
def in_force() -> str:
    """Each names the key that signs under it; when that is replaced contracts wait for a signer."""
    now, key = platform().now(), platform().transport_key.kid
    rows = StandingAcceptanceHeld.objects.filter(registered=True)
    held = [StandingAcceptance.model_validate(row.document) for row in rows]
    running = [one for one in held if now < one.until]
    holding = {offer for one in running if one.transport_kid == key for offer in one.offers}
    stale = {offer for one in running for offer in one.offers} - holding
    if stale:
        raise ToDo(
            f"sign anew on the portal, under Standing acceptances: the transport key was replaced, and contracts under "
            f"{', '.join(sorted(stale))} wait for a signer"
        )
    return f"for {len(holding)} offers" if holding else "none: every contract waits for a signer"
