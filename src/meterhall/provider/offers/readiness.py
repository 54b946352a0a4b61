"""What has to stand at the Market Place before a provider goes live."""

from __future__ import annotations

from meterhall.provider.offers.models import OwnCertification, OwnOffer
from meterhall.web.check import ToDo, before_live


@before_live("certification")
def certified() -> str:
    """Passed; whether it still holds is the Market Place's to say."""
    newest = OwnCertification.objects.order_by("-requested_at").first()
    if newest is None:
        raise ToDo("ask for the conformance run on the portal, under Certification")
    if newest.status != "passed":
        raise ToDo(f"{newest.certification_id} is {newest.status}: the portal shows each check")
    until = newest.document.get("valid_until")
    return f"passed, holds until {until[:10]}" if until else "passed"


@before_live("offer")
def offered() -> str:
    """At least one that is published."""
    published = OwnOffer.objects.filter(status="published").count()
    if not published:
        raise ToDo("publish one: on the portal, under Offers, or meterhall provider offer publish FILE.json")
    return f"{published} published"
