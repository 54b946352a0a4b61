"""The requester's two interfaces: B2B for the Market Place and providers, back office for its own machines."""

from __future__ import annotations

from meterhall.requester.activations.api import add_activations
from meterhall.requester.analysis.api import add_analysis, add_gaps
from meterhall.requester.collection.api import add_collection, add_repository
from meterhall.requester.customers.api import add_customers
from meterhall.requester.partners.api import add_partners
from meterhall.web.api import make_api
from meterhall.web.membership.api import add_discovery, add_membership
from meterhall.web.messaging.api import add_inbox
from meterhall.web.work.api import add_dead_letters

b2b = make_api(
    "Meterhall requester",
    "Inbox and push repository of an eligible party (energy service operator).",
    "requester_b2b",
)
add_discovery(b2b)
add_inbox(b2b)
add_repository(b2b)

staff = make_api("Meterhall requester, back office", "For the eligible party's own systems.", "requester_staff")
add_membership(staff)
add_partners(staff)
add_customers(staff)
add_activations(staff)
add_collection(staff)
add_analysis(staff)
add_gaps(staff)
add_dead_letters(staff)
