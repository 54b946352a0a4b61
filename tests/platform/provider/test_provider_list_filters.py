"""The provider's lists narrow by words and choices, and give as a file what they show."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from meterhall.provider.activations.models import Activation
from meterhall.provider.contracts.models import Contract
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.metering.service import take_readings
from meterhall.provider.offers.models import OwnOffer
from tests.platform.lists import Get, holds
from tests.platform.provider.conftest import HOLDER, OTHER, REQUESTER, World
from tests.platform.provider.people import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def get(world: World) -> Get:
    """Two requesters, each with a contract, an activation and a delivery; the second's contract has ended."""
    points = world.points(1)
    world.readings(points, date(2026, 3, 1), date(2026, 3, 2))
    for requester in (REQUESTER, OTHER):
        world.deliver(world.activated(points, requester=requester))
    Contract.objects.filter(requester=OTHER).update(state="quit", requester_name="Moon Coop")
    Activation.objects.filter(requester=OTHER).update(state="ended")
    return signed_in("staff").get  # type: ignore[return-value]


def test_activations(get: Get) -> None:
    one = Activation.objects.get(requester=OTHER)
    narrow = {f"text={one.pk}": 1, f"requester={OTHER}": 1, "state=ended": 1, "text=act_none": 0, "state=requested": 0}
    holds(get, "/activations", narrow, "state=nonsense")
    assert ">Moon Coop</option>" in get("/activations").content.decode()


def test_deliveries(get: Get) -> None:
    one = Delivery.objects.get(requester=REQUESTER)
    Delivery.objects.filter(requester=OTHER).update(state="ended")
    narrow = {f"text={one.activation_id}": 1, f"requester={OTHER}": 1, "state=published": 1, "state=expired": 0}
    holds(get, "/deliveries", narrow, "requester=MH0000000000")


def test_consents_by_requester(get: Get) -> None:
    holds(get, "/consent-counts", {f"text={OTHER}": 1, "in_force=no": 0, "text=nobody": 0}, "in_force=perhaps")
    assert HOLDER not in get("/consent-counts").content.decode()


def test_contracts(get: Get) -> None:
    ended = Contract.objects.get(requester=OTHER)
    narrow = {"text=moon": 1, f"text={ended.pk}": 1, f"text={REQUESTER}": 1, "state=active": 1, "state=suspended": 0}
    holds(get, "/contracts", narrow, "state=nonsense")


def test_offers(get: Get, world: World) -> None:
    document = Contract.objects.first().document  # type: ignore[union-attr]
    offer = document["contract"]["offer"]
    for number, (title, status) in enumerate((("Load curves", "published"), ("Daily sums", "draft"))):
        view = {
            "offer_id": f"off_{number:024}", "version": 1, "status": status, "provider": "MH0000000202",
            "provider_name": "Test Grid", "offer": offer, "digest": f"sha-256:{'0' * 64}",
        }  # fmt: skip
        OwnOffer.objects.create(
            offer_id=f"off_{number:024}", version=1, title=title, status=status, document=view, updated_at=world.clock()
        )
    holds(
        get,
        "/offers",
        {"text=SUMS": 1, f"text=off_{0:024}": 1, "status=draft": 1, "status=withdrawn": 0},
        "status=gone",
    )


def test_points_of_an_activation(world: World) -> None:
    points = world.points(2)
    world.readings(points[:1], date(2026, 3, 1), date(2026, 3, 2))
    one = world.activate(
        world.contract(), [(point.pod, "ask_customer") for point in points] + [("IT001E1", "ask_customer")]
    )
    get: Get = signed_in("staff").get  # type: ignore[assignment]
    narrow = {"code=pod_invalid": 1, "state=refused": 1, "state=accepted": 0, f"text={points[0].handle}": 1}
    holds(get, f"/activations/{one.pk}", narrow, "state=nonsense")


def test_rows_set_aside_of_a_file(world: World) -> None:
    [point] = world.points()
    rows = [
        f"{point.pod},2026-03-01T00:00:00Z,-1",
        f"{point.pod},2026-03-01T00:15:00Z,5",
        "IT001E12345678,2026-03-01T00:00:00Z,1",
    ]
    run = take_readings(("pod,start,energy_wh\n" + "\n".join(rows)).encode(), "PT15M")
    world.work()
    get: Get = signed_in("staff").get  # type: ignore[assignment]
    narrow = {"row=1": 1, "row=2": 0, "row=many": 0, "rule=P1": 1, "rule=V1": 1, "state=released": 0}
    holds(get, f"/files/{run.pk}", narrow, "rule=V99")


def test_files_of_readings(get: Get) -> None:
    holds(get, "/files", {"name=nothing": 0, "aside=yes": 0}, "aside=perhaps")


def test_what_is_late_leads_to_the_series_and_their_points(world: World) -> None:
    points = world.points(3, area="10YIT")
    yesterday = world.clock().date() - timedelta(days=1)
    world.readings(points[:1], yesterday - timedelta(days=1), yesterday + timedelta(days=1))
    world.readings(points[1:2], yesterday, yesterday + timedelta(days=1))
    world.readings(points[2:], yesterday - timedelta(days=2), yesterday - timedelta(days=1))
    staff = signed_in("staff")
    page = staff.get("/today").content.decode()
    assert f'href="/late/{yesterday}"' in page
    get: Get = staff.get  # type: ignore[assignment]
    found = get(f"/late/{yesterday}").content.decode()
    assert [f"/points/{point.handle}" in found for point in points] == [False, True, True]
    assert points[1].pod not in found
    holds(get, f"/late/{yesterday}", {"values=some": 1, "values=none": 1, "text=nowhere": 0}, "direction=sideways")
    assert get("/late/tomorrow").status_code == 404
