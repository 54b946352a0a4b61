"""A B2B listener that has no pages of people."""

from django.urls import URLPattern

from meterhall.web.health import health_urls

urlpatterns: list[URLPattern] = [*health_urls()]
