"""The requester's pages, and the back-office API."""

from django.urls import URLPattern, URLResolver, path

from meterhall.requester.api import staff
from meterhall.web.accounts.urls import account_urls
from meterhall.web.health import health_urls
from meterhall.web.portal.urls import portal_urls

urlpatterns: list[URLPattern | URLResolver] = [
    *health_urls(),
    *portal_urls(),
    *account_urls(),
    path("api/", staff.urls),
]
