"""Both listeners of a requester under one root."""

from django.urls import path

from meterhall.requester.api import b2b, staff

urlpatterns = [path("api/", staff.urls), path("", b2b.urls)]
