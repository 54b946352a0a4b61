"""The provider's two interfaces: B2B for requesters and the Market Place, back office for its own machines."""

from __future__ import annotations

from meterhall.provider.activations.api import add_activations
from meterhall.provider.activations.back_office import add_activation_list
from meterhall.provider.consents.api import add_consents
from meterhall.provider.consents.back_office import add_consent_counts
from meterhall.provider.contracts.api import add_contracts
from meterhall.provider.deliveries.api import add_deliveries
from meterhall.provider.deliveries.back_office import add_delivery_list
from meterhall.provider.metering.api import add_metering
from meterhall.provider.offers.api import add_offers
from meterhall.provider.points.api import add_points
from meterhall.web.api import make_api
from meterhall.web.membership.api import add_discovery, add_membership
from meterhall.web.messaging.api import add_feed, add_inbox
from meterhall.web.security import TokenAuth
from meterhall.web.work.api import add_dead_letters

b2b = make_api(
    "Meterhall provider",
    "Activations, consents and deliveries of a metered data administrator (grid operator).",
    "provider_b2b",
)
add_discovery(b2b)
add_inbox(b2b)
add_feed(b2b, TokenAuth("data", "sandbox"))
add_consents(b2b)
add_activations(b2b)
add_deliveries(b2b)

staff = make_api("Meterhall provider, back office", "For the grid operator's own systems.", "provider_staff")
add_membership(staff)
add_points(staff)
add_metering(staff)
add_offers(staff)
add_contracts(staff)
add_consent_counts(staff)
add_activation_list(staff)
add_delivery_list(staff)
add_dead_letters(staff)
