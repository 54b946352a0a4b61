"""The Market Place's two interfaces: B2B for players, back office for the operator's own machines."""

from __future__ import annotations

from meterhall.marketplace.agreements.api import add_agreements
from meterhall.marketplace.catalogue.api import add_catalogue
from meterhall.marketplace.certification.api import add_certification
from meterhall.marketplace.ledger.api import add_ledger
from meterhall.marketplace.localisation.api import add_localisation
from meterhall.marketplace.players.api import add_admission, add_players
from meterhall.web.api import make_api
from meterhall.web.membership.api import add_discovery
from meterhall.web.messaging.api import add_feed, add_inbox
from meterhall.web.security import TokenAuth
from meterhall.web.work.api import add_dead_letters

b2b = make_api(
    "Meterhall Market Place",
    "Players, offers, localisation, contracts and the transparency log. No reading and no consent passes here.",
    "marketplace_b2b",
)
add_discovery(b2b)
add_inbox(b2b)
add_feed(b2b, TokenAuth("membership", "market"))
add_players(b2b)
add_agreements(b2b)
add_certification(b2b)
add_catalogue(b2b)
add_localisation(b2b)
add_ledger(b2b)

staff = make_api("Meterhall Market Place, back office", "For the operator's own systems.", "marketplace_staff")
add_admission(staff)
add_dead_letters(staff)
