"""OAuth's addresses on the B2B listener; the page where customers consent is the portal's."""

from __future__ import annotations

from django.urls import URLPattern, path

from meterhall.web.oauth import views

urlpatterns: list[URLPattern] = [
    path("oauth/token", views.token),
    path("oauth/par", views.par),
    path("oauth/jwks", views.jwks),
    path(".well-known/oauth-authorization-server", views.metadata),
]
