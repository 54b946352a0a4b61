"""A portal with the gallery switched on, and pages that refuse."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from meterhall.domain.errors import Conflict
from meterhall.web.portal.gallery import gallery
from meterhall.web.portal.middleware import csp_form_action
from meterhall.web.portal.urls import portal_urls


def refusing(request: HttpRequest) -> HttpResponse:
    raise Conflict("The offer was withdrawn yesterday.")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken")


def leaving(request: HttpRequest) -> HttpResponse:
    return csp_form_action(HttpResponse("ok"), "https://requester.example:8444/callback?x=1")


urlpatterns = [
    *portal_urls(),
    path("kit", gallery, name="kit"),
    path("refusing", refusing),
    path("broken", broken),
    path("leaving", leaving),
]
