"""What the Market Place's portal listener serves: the back-office API; pages are added beside."""

from django.urls import URLPattern, URLResolver, path

from meterhall.marketplace.api import staff
from meterhall.web.health import health_urls

urlpatterns: list[URLPattern | URLResolver] = [*health_urls(), path("api/", staff.urls)]
