"""The Django app of the portal kit."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "meterhall.web.portal"
    label = "web_portal"
