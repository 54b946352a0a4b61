"""Which pages there are: every address of the portals, the name of its picture, and why some have none."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.urls import URLPattern, URLResolver

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "pictures" / "pages"
COMPONENTS = ROOT / "docs" / "pictures" / "components"
KIT = ROOT / "src" / "meterhall" / "web" / "portal" / "templates" / "portal" / "components"
PLATFORMS = ("marketplace", "provider", "requester")
SHARED = ("account", "membership", "failing")
"""First words of the addresses that are the same on each portal; one picture does for all."""
SIZES = ("desktop", "phone")

NO_PAGE = "is no page: a file or a figure for programs"
SENT = "only takes a form or an answer; the page it leads to has its picture"
WITHOUT = {
    "static-one": NO_PAGE, "accent-one": NO_PAGE, "health-live": NO_PAGE, "health-ready": NO_PAGE, "metrics": NO_PAGE,
    "preferences": SENT, "failing-work-one-redelivery": SENT,
    "account-sign-in-passkey": SENT, "account-factors-one-removal": SENT,
    "account-recovery-codes-new": SENT, "account-sign-out": SENT, "marketplace-players-one-one": SENT,
    "marketplace-log-proofs-one": "is a file: the proof to keep",
    "provider-start": "leads each person to the first page of their role",
    "provider-consents-one-withdrawal": SENT, "provider-contracts-one-signature": SENT,
    "provider-meters-one-data.csv": "is a file: the customer's own readings",
    "provider-meters-one-point.json": "is a file: what is kept of the meter",
    "provider-files-one-release": SENT, "provider-files-one-refusal": SENT,
    "provider-offers-one-publication": SENT, "provider-certificate-one": SENT,
    "requester-activations-one-removal": SENT, "requester-activations-one-gaps-requests": SENT,
    "requester-customers-localisation": SENT, "requester-contracts-one-quit": SENT,
    "requester-wishes-one-closing": SENT,
}  # fmt: skip
"""Name of a page -> why it has no picture."""


def ready() -> None:
    """Have Django know the portals' addresses."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()


def urlconf(platform: str) -> str:
    """The module with the addresses of a platform's portal."""
    return f"meterhall.{platform}.urls_portal"


def routes(platform: str) -> list[str]:
    """Every address of a platform's portal as Django writes it, the back-office interface left out."""
    return list(_below(importlib.import_module(urlconf(platform)).urlpatterns, ""))


def _below(patterns: Iterable[URLPattern | URLResolver], before: str) -> Iterator[str]:
    for one in patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLPattern):
            yield route
        elif route != "api/":
            yield from _below(one.url_patterns, route)


def name_of(platform: str, route: str) -> str:
    """The name of a page's picture: `requester-curves-one` for `curves/<uuid:pseudonym>` of the requester."""
    words = re.sub(r"<[^>]*>", "one", route).replace("/", "-").replace("accent-one.css", "accent-one")
    common = {"static", "accent", "preferences", "health", "metrics", *SHARED}
    return words if words.split("-")[0] in common else f"{platform}-{words or 'start'}"


def pages() -> list[str]:
    """The names of all pages, in the order of the platforms and their addresses."""
    return list(dict.fromkeys(name_of(platform, route) for platform in PLATFORMS for route in routes(platform)))


def components() -> list[str]:
    """The names of the kit's components."""
    return sorted(path.stem for path in KIT.glob("*.html"))
