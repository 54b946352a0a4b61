"""The provider's lists narrow by words and choices, and give as a file what they show."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from meterhall.domain.protocol.agreements import StandingAcceptance
from meterhall.provider.activations.models import Activation
from meterhall.provider.consents.models import Consent
from meterhall.provider.contracts.models import Contract, StandingAcceptanceHeld
from meterhall.provider.deliveries.models import AccessLog, Delivery
from meterhall.provider.metering.service import take_readings
from meterhall.provider.offers.models import OwnOffer
from meterhall.provider.points.models import Point
from meterhall.web.platform import platform
from tests.platform.lists import Get, holds
from tests.platform.provider.conftest import HOLDER, NEIGHBOUR, OTHER, REQUESTER, World
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


def test_standing_acceptances(get: Get, world: World) -> None:
    for number, (title, days) in enumerate((("Curves", 10), ("Sums", -10))):
        offer = f"off_{str(number) * 24}"
        OwnOffer.objects.create(
            offer_id=offer, version=1, status="published", title=title, document={}, updated_at=world.clock()
        )
        signed = StandingAcceptance(
            party=REQUESTER, offers=(f"{offer}:1",), most_subscriptions=5, until=world.clock() + timedelta(days=days),
            transport_kid=platform().transport_key.kid, signed_at=world.clock() - timedelta(days=20),
        )  # fmt: skip
        StandingAcceptanceHeld.objects.create(
            digest=f"sha-256:{number}", document=signed.document(), jws="", registered=True
        )
    narrow = {"text=sums": 1, f"text=off_{'0' * 24}": 1, "state=active": 1, "state=ended": 1, "text=nothing": 0}
    signer = signed_in("signer").get
    holds(signer, "/standing-acceptances", narrow, "state=nonsense")  # type: ignore[arg-type]


@pytest.fixture
def mine(world: World) -> Get:
    """A customer of two meters who dealt with two companies; each read often, and one consent of each is running."""
    points = world.points(2)
    world.readings(points, date(2026, 3, 1), date(2026, 3, 2))
    for requester, name in ((REQUESTER, "Sun Coop"), (OTHER, "Moon Coop")):
        subscription = world.contract(requester=requester)
        for place in range(7):
            consent = world.consent([points[place % 2]], subscription)
            state, ended = (("granted", None), ("expired", world.clock()))[place % 2]
            Consent.objects.filter(pk=consent.pk).update(requester_name=name, state=state, ended_at=ended)
            AccessLog.objects.create(
                at=world.clock(), kind="download", requester=requester, point=points[place % 2], consent=consent,
                subscription_id=subscription, first=date(2026, 3, 1), until=date(2026, 3, 2), granularity="PT15M",
                directions=["import"],
            )  # fmt: skip
    return signed_in("customer", holder=HOLDER).get  # type: ignore[return-value]


def test_a_customers_accesses(mine: Get) -> None:
    [first, _second] = Point.objects.order_by("pod")
    narrow = {f"who={OTHER}": 7, f"meter={first.handle}": 8}
    holds(mine, "/accesses", narrow, f"who={HOLDER}", first=_seen)
    page = mine("/accesses").content.decode()
    assert first.pod not in page
    assert ">Moon Coop</option>" in page


def _seen(cell: str) -> str:
    """An instant of a file as the page shows it."""
    local = datetime.fromisoformat(cell).astimezone(ZoneInfo(platform().config.zone))
    return f"{local.day} {local:%b %Y %H:%M}"


def test_a_customers_consents(mine: Get, world: World) -> None:
    ended = "/consents-ended"
    Consent.objects.exclude(ended_at=None).filter(requester=OTHER).update(state="revoked")
    assert '<form class="filters"' not in mine(ended).content.decode(), "six lines are read as they are"
    assert mine(f"{ended}?who={OTHER}").content.decode().count("Moon Coop") > 1
    assert len(mine(f"{ended}?export=csv&state=revoked").content.decode().splitlines()) == 4
    assert mine(f"{ended}?who={HOLDER}&export=csv").status_code == 422
    Consent.objects.update(state="granted", ended_at=None)
    page = mine("/consents").content.decode()
    assert page.count('<form class="filters"') == 1
    assert page.count('class="card"') == 14
    assert mine(f"/consents?who={OTHER}").content.decode().count('class="card"') == 7
    head, *lines = csv.reader(mine(f"/consents?who={OTHER}&export=csv").content.decode().splitlines())
    assert head[:3] == ["Who", "What for", "Which data"]
    assert {line[0] for line in lines} == {"Moon Coop"}
    assert len(lines) == 7
    wrong = mine("/consents?who=nobody").content.decode()
    assert "is not one of the choices" in wrong
    assert "The filter hides all your consents" in wrong
    Consent.objects.filter(requester=OTHER).update(holder_reference=NEIGHBOUR)
    for number in range(4):
        world.consent([Point.objects.order_by("pod")[number % 2]], Contract.objects.get(requester=REQUESTER).pk)
    page = mine("/consents").content.decode()
    assert page.count('class="card"') == 11
    assert '<form class="filters"' not in page, "there is nobody to choose between"
    assert "Moon Coop" not in mine("/consents?export=csv").content.decode(), "a neighbour's"


def test_the_reads_under_one_consent(mine: Get) -> None:
    consent = Consent.objects.filter(requester=REQUESTER).first()
    assert consent is not None
    AccessLog.objects.update(consent=consent)
    first = Point.objects.order_by("pod")[0]
    page = mine(f"/consents/{consent.pk}?meter={first.handle}").content.decode()
    assert ">Clear</a>" in page
    file = mine(f"/consents/{consent.pk}?meter={first.handle}&export=csv").content.decode()
    assert len(file.splitlines()) == 9
    assert mine(f"/consents/{consent.pk}?meter=nonsense&export=csv").status_code == 422
