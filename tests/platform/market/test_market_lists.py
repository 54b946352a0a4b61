"""The Market Place's lists narrow by words and choices, and give as a file what they show."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import override_settings

from meterhall.marketplace.certification.models import Certification
from meterhall.marketplace.ledger.models import PublishedCheckpoint, WitnessCosignature
from meterhall.marketplace.ledger.tree import publish
from meterhall.web.platform import platform
from tests.platform.lists import Get, holds
from tests.platform.market.conftest import Actor, Make
from tests.platform.market.test_market_pages import PAGES, Reader

pytestmark = pytest.mark.django_db


def getter(*roles: str) -> Get:
    """How somebody with these roles opens a page."""
    reader = Reader(*roles)

    def get(path: str) -> HttpResponse:
        with override_settings(ROOT_URLCONF=PAGES):
            return reader.client.get(path, secure=True)  # type: ignore[return-value]

    return get


def test_certifications(provider: Actor, make: Make) -> None:
    hill = make(name="Hill Grid", roles=("provider",), activity="dso").admitted()
    for number, one in enumerate((provider, hill)):
        Certification.objects.filter(provider=one.number).delete()
        Certification.objects.create(
            certification_id=f"cert_{number}", provider=one.number, status=("passed", "failed")[number],
            requested_at=platform().now(),
        )  # fmt: skip
    narrow = {"text=hill": 1, f"text={hill.number}": 1, "text=cert_0": 1, "status=failed": 1, "status=lapsed": 0}
    holds(getter("operator"), "/certifications", narrow, "status=nonsense")


def test_providers_for_anyone(provider: Actor, make: Make) -> None:
    hill = make(name="Hill Grid", roles=("provider",), activity="dso", country="FR").admitted()
    narrow = {"text=HILL": 1, f"text={hill.number.lower()}": 1, "country=FR": 1, "country=SE": 0, "text=nobody": 0}
    holds(getter(), "/providers", narrow, "country=XX")


def test_players(provider: Actor, requester: Actor) -> None:
    narrow = {"text=sun": 1, f"text={provider.number.lower()}": 1, "role=provider": 1, "status=suspended": 0}
    holds(getter("operator"), "/players", narrow, "status=nonsense")


def test_contracts(provider: Actor, requester: Actor) -> None:
    offer = provider.published()
    drafted, signed = requester.subscribe(offer), requester.subscribe(offer)
    requester.sign(signed)
    narrow = {f"id={drafted.subscription_id}": 1, "state=requester_signed": 1, "state=active": 0, "id=sub_none": 0}
    holds(getter("auditor"), "/contracts", narrow, "state=nonsense")


def test_checkpoints_of_the_log(provider: Actor) -> None:
    note = publish().note
    PublishedCheckpoint.objects.all().delete()
    for size in (1, 2):
        checkpoint = PublishedCheckpoint.objects.create(
            size=size, root=b"\x01" * 32, note=note, published_at=platform().now() + timedelta(size)
        )
    word = f"— {provider.number} {base64.b64encode(bytes(76)).decode()}"
    WitnessCosignature.objects.create(
        checkpoint=checkpoint, witness=provider.number, line=word, taken_at=platform().now()
    )
    get = getter("operator")
    holds(
        get, "/log", {"text=1": 1, "cosigned=yes": 1, "cosigned=no": 1, "text=99": 0, "text=many": 0}, "cosigned=half"
    )


def test_checkpoints_are_in_pages_and_the_file_has_them_all(provider: Actor) -> None:
    note = publish().note
    PublishedCheckpoint.objects.all().delete()
    now = platform().now()
    PublishedCheckpoint.objects.bulk_create(
        PublishedCheckpoint(size=size, root=b"\x01" * 32, note=note, published_at=now) for size in range(1, 61)
    )
    get = getter("operator")
    second = get("/log?cosigned=no&page=2").content.decode()
    assert "Page 2 of 3" in second
    assert "?cosigned=no&amp;page=3" in second
    assert len(get("/log?cosigned=no&export=csv&page=2").content.decode().splitlines()) == 61
