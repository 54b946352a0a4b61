"""Pages of the provider in another language: rules, reasons, findings and classes come in it too."""

from __future__ import annotations

from datetime import date

import pytest
from django.conf import settings
from django.test import Client

from meterhall.domain.protocol.activations import REFUSALS
from meterhall.domain.readings.rules import SENTENCES
from meterhall.provider.metering.service import take_readings
from meterhall.provider.offers.models import OwnCertification
from tests.platform.provider.conftest import World
from tests.platform.provider.people import signed_in

pytestmark = pytest.mark.django_db
ENGLISH = [*SENTENCES.values(), *REFUSALS.values(), "No such metering point is registered.", "household"]
CHECKS = [
    {"name": "oauth_metadata", "passed": True, "detail": "client_credentials, private_key_jwt and DPoP are offered."},
    {"name": "answers", "passed": False, "detail": "Sandbox POD 1 is refused: pod_unknown."},
]


@pytest.fixture
def italian(world: World) -> Client:
    client = signed_in("staff")
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "it"
    return client


def page(client: Client, path: str) -> str:
    """A page, which holds none of the sentences in English."""
    text = client.get(path).content.decode()
    assert '<html lang="it"' in text
    assert [one for one in ENGLISH if one in text] == []
    return text


def test_rules_and_amounts_of_rows_set_aside(world: World, italian: Client) -> None:
    [point] = world.points()
    lines = [f"{point.pod},2026-03-01T00:00:00Z,-1", "IT001E12345678,2026-03-01T00:00:00Z,12345"]
    run = take_readings(("pod,start,energy_wh\n" + "\n".join(lines)).encode(), "PT15M")
    world.work()
    text = page(italian, f"/files/{run.pk}")
    assert "Nessun punto di misura del genere è registrato." in text
    assert "12.345\u202fWh" in text
    assert "e0 " not in text


def test_reasons_of_refused_pods_and_classes_of_customers(world: World, italian: Client) -> None:
    [point] = world.points()
    world.readings([point], date(2026, 3, 1), date(2026, 3, 2))
    activation = world.activate(world.contract(), [("IT001E12345678", "ask_customer")])
    assert "pod_unknown: Il fornitore non ha un tale POD." in page(italian, f"/activations/{activation.pk}")
    assert "abitazione" in page(italian, "/points")
    assert "abitazione" in page(italian, f"/points/{point.handle}")


def test_findings_of_a_certification(world: World, italian: Client) -> None:
    document = {
        "certification_id": f"crt_{'0' * 24}", "status": "failed", "checks": CHECKS,
        "requested_at": "2026-03-01T00:00:00Z",
    }  # fmt: skip
    OwnCertification.objects.create(
        certification_id=document["certification_id"], status="failed", document=document, requested_at=world.clock()
    )
    text = page(italian, "/certificate")
    assert "server di autorizzazione" in text
    assert "Il POD di prova 1 è rifiutato: pod_unknown." in text
    assert [one["detail"] for one in CHECKS if one["detail"] in text] == []
