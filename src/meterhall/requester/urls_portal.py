"""What the requester's portal listener serves: its pages, people's accounts, and the back-office API."""

from django.urls import URLPattern, URLResolver, path

from meterhall.requester.activations.portal import urls as activation_urls
from meterhall.requester.analysis.portal import urls as analysis_urls
from meterhall.requester.api import staff
from meterhall.requester.collection.portal import urls as collection_urls
from meterhall.requester.customers.portal import urls as customer_urls
from meterhall.requester.home import urls as home_urls
from meterhall.requester.partners.portal import urls as partner_urls
from meterhall.web.accounts.urls import account_urls
from meterhall.web.health import health_urls
from meterhall.web.membership.portal import urls as membership_urls
from meterhall.web.portal.urls import portal_urls
from meterhall.web.work.portal import urls as work_urls

urlpatterns: list[URLPattern | URLResolver] = [
    *portal_urls(),
    *health_urls(),
    *account_urls(),
    *home_urls,
    *membership_urls,
    *partner_urls,
    *customer_urls,
    *activation_urls,
    *collection_urls,
    *analysis_urls,
    *work_urls,
    path("api/", staff.urls),
]
