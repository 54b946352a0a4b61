"""What the Market Place's portal listener serves: its pages, people's accounts, and the back-office API."""

from django.urls import URLPattern, URLResolver, path

from meterhall.marketplace.agreements.portal import urls as agreements_urls
from meterhall.marketplace.api import staff
from meterhall.marketplace.catalogue.portal import urls as catalogue_urls
from meterhall.marketplace.certification.portal import urls as certification_urls
from meterhall.marketplace.ledger.portal import urls as ledger_urls
from meterhall.marketplace.players.portal import urls as players_urls
from meterhall.web.accounts.urls import account_urls
from meterhall.web.health import health_urls
from meterhall.web.portal.urls import portal_urls
from meterhall.web.work.portal import urls as work_urls

urlpatterns: list[URLPattern | URLResolver] = [
    *portal_urls(),
    *health_urls(),
    *account_urls(),
    *catalogue_urls,
    *players_urls,
    *certification_urls,
    *agreements_urls,
    *ledger_urls,
    *work_urls,
    path("api/", staff.urls),
]
