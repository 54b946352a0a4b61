"""The portal's navigation: each app's `portal.py` registers its pages; a person sees those of their roles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise

EVERYBODY = "*"
"""A role name that stands for anybody, signed in or not."""


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the registry."""

    label: str | Promise
    url_name: str
    roles: frozenset[str]
    order: int


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry as a person sees it."""

    label: str
    href: str
    current: bool


_places: dict[str, Place] = {}


def register(label: str | Promise, url_name: str, roles: Iterable[str] = (EVERYBODY,), *, order: int = 50) -> None:
    """Put a page into the navigation of people with one of `roles`; lower `order` comes first."""
    _places[url_name] = Place(label, url_name, frozenset(roles), order)


def items(request: HttpRequest, roles: Iterable[str]) -> list[NavItem]:
    """What a person with `roles` sees on this listener, the present page marked."""
    held = {EVERYBODY, *roles}
    found: list[NavItem] = []
    for place in sorted(_places.values(), key=lambda place: (place.order, place.url_name)):
        if not held & place.roles:
            continue
        try:
            href = reverse(place.url_name, urlconf=getattr(request, "urlconf", None))
        except NoReverseMatch:
            continue
        found.append(NavItem(str(place.label), href, False))
    current = max((item.href for item in found if _within(request.path, item.href)), key=len, default=None)
    return [NavItem(item.label, item.href, item.href == current) for item in found]


def _within(path: str, href: str) -> bool:
    return path == href or (href != "/" and path.startswith(href.rstrip("/") + "/"))
