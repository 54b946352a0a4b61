"""What every template knows: whose portal this is, its looks, and the person's navigation."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from meterhall.web.accounts.session import signed_in
from meterhall.web.platform import platform
from meterhall.web.portal import nav
from meterhall.web.portal.accent import accent_url

ROLE_NAMES = {"marketplace": _("Market Place"), "provider": _("Data provider"), "requester": _("Service platform")}
THEME_COOKIE = "mh_theme"
THEMES = ("auto", "light", "dark")


def portal(request: HttpRequest) -> dict[str, object]:
    """The template variable `portal`."""
    config = platform().config
    person = signed_in(request) if hasattr(request, "user") and hasattr(request, "session") else None
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    return {
        "portal": {
            "name": config.name,
            "role": config.role,
            "role_name": ROLE_NAMES[config.role],
            "environment": config.environment,
            "contact": config.contact,
            "zone": config.zone,
            "accent_url": accent_url(config.accent),
            "languages": settings.LANGUAGES,
            "theme": theme if theme in THEMES else "auto",
            "person": person,
            "nav": nav.items(request, person.roles if person else ()),
        }
    }
