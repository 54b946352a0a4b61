"""What the requester's B2B listener serves."""

from django.urls import URLPattern, URLResolver, path

from meterhall.requester.api import b2b
from meterhall.web.health import health_urls

urlpatterns: list[URLPattern | URLResolver] = [*health_urls(), path("", b2b.urls)]
