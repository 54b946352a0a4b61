"""A platform's own accent colour as a small stylesheet, readable on light and on dark."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control

from meterhall.web.platform import platform

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
DARK_PAPER: Colour = (22, 26, 29)
READABLE = 4.6
"""Contrast aimed at, a little over WCAG 2.2 AA's 4.5."""


def accent_url(accent: str) -> str:
    """Address of the accent's stylesheet; empty when the role's own accent is used."""
    return reverse("portal:accent", args=[accent[1:].lower()]) if accent else ""


def accent_view(request: HttpRequest, code: str) -> HttpResponse:
    """The stylesheet of this platform's accent."""
    if code != platform().config.accent[1:].lower():
        raise Http404
    response = HttpResponse(stylesheet(f"#{code}"), content_type="text/css; charset=utf-8")
    patch_cache_control(response, public=True, max_age=31_536_000, immutable=True)
    return response


def stylesheet(accent: str) -> str:
    """CSS that sets the accent, darkened for light paper and lightened for dark until text in it can be read."""
    colour = _parse(accent)
    return (
        ":root[data-role] { --accent: light-dark("
        f"{_hex(_until_readable(colour, WHITE, (0, 0, 0)))}, {_hex(_until_readable(colour, DARK_PAPER, WHITE))}); }}\n"
    )


def contrast(one: Colour, other: Colour) -> float:
    """WCAG 2.2 contrast ratio of two sRGB colours."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _until_readable(colour: Colour, paper: Colour, towards: Colour) -> Colour:
    for step in range(21):
        mixed = _mix(colour, towards, step / 20)
        if contrast(mixed, paper) >= READABLE:
            return mixed
    return towards


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parse(accent: str) -> Colour:
    return int(accent[1:3], 16), int(accent[3:5], 16), int(accent[5:7], 16)


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
