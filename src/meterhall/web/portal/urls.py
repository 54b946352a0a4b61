"""Addresses every portal has: static files, the accent, a person's looks and language, the gallery.

A platform's `urls_portal.py` begins with `*portal_urls()`.
"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from meterhall.web.platform import platform
from meterhall.web.portal.accent import accent_view
from meterhall.web.portal.static import static_view
from meterhall.web.portal.views import preferences


def portal_urls() -> list[URLPattern | URLResolver]:
    """The kit's own addresses, with the component gallery where the setting asks for it."""
    own = [
        path("static/<path:name>", static_view, name="static"),
        path("accent-<slug:code>.css", accent_view, name="accent"),
        path("preferences", preferences, name="preferences"),
    ]
    if platform().config.debug_kit:
        from meterhall.web.portal.gallery import gallery

        own.append(path("kit", gallery, name="kit"))
    return [path("", include((own, "portal"), namespace="portal"))]
