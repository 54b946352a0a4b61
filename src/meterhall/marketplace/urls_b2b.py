"""What the Market Place's B2B listener serves."""

from django.urls import URLPattern, URLResolver, path

from meterhall.marketplace.api import b2b
from meterhall.web.health import health_urls
from meterhall.web.oauth.urls_b2b import urlpatterns as oauth_urls

urlpatterns: list[URLPattern | URLResolver] = [*health_urls(), *oauth_urls, path("", b2b.urls)]
