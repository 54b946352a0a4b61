"""What the provider's portal listener serves: pages of customers, staff and signers, and the back-office API."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from meterhall.provider.activations import portal as activations
from meterhall.provider.api import staff
from meterhall.provider.consents import customer, overview
from meterhall.provider.consents import portal as consents
from meterhall.provider.contracts import portal as contracts
from meterhall.provider.deliveries import portal as deliveries
from meterhall.provider.metering import portal as metering
from meterhall.provider.offers import portal as offers
from meterhall.provider.points import portal as points
from meterhall.provider.portal import start
from meterhall.web.accounts.urls import account_urls
from meterhall.web.health import health_urls
from meterhall.web.membership.portal import urls as membership_urls
from meterhall.web.portal.urls import portal_urls
from meterhall.web.work.portal import urls as work_urls

STAFF = [
    *deliveries.urlpatterns,
    *points.urlpatterns,
    *metering.urlpatterns,
    *activations.urlpatterns,
    *overview.urlpatterns,
]
"""The pages of the grid operator's own people."""
urlpatterns: list[URLPattern | URLResolver] = [
    *portal_urls(),
    *account_urls(),
    *health_urls(),
    *membership_urls,
    *work_urls,
    path("api/", staff.urls),
    path("", start, name="start"),
    path("", include((consents.urlpatterns, "consents"))),
    path("", include((customer.urlpatterns, "customer"))),
    path("", include((contracts.urlpatterns, "contracts"))),
    path("", include((offers.urlpatterns, "offers"))),
    path("", include((STAFF, "staff"))),
]
