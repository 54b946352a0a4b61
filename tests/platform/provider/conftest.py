"""A provider with a contract, metering points with holders, and readings; its clock is the test's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from django.test import override_settings

from meterhall.domain.pods import demonstration_pod
from meterhall.domain.protocol.activations import ActivationItem as ItemIn
from meterhall.domain.protocol.activations import ActivationRequest, Schedule
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.consents import GrantedDetail
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.domain.protocol.keys import SigningKey
from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import request_activation
from meterhall.provider.consents.models import Consent
from meterhall.provider.consents.service import grant
from meterhall.provider.contracts.models import Contract
from meterhall.provider.deliveries import build as building
from meterhall.provider.deliveries import curves as curve_reading
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.service import request_data
from meterhall.provider.deliveries.tasks import follow_consents, follow_readings
from meterhall.provider.metering.service import take_readings
from meterhall.provider.points.models import Point
from meterhall.provider.points.schemas import OccupancyIn, PointIn
from meterhall.provider.points.service import register_points
from meterhall.web.home import Home
from meterhall.web.messaging.models import Identity, Peer
from meterhall.web.platform import Platform
from meterhall.web.work.engine import QUEUES, claim, discover, perform

ME, REQUESTER, OTHER, MARKET = "MH0000000117", "MH0000000109", "MH0000000125", "MH0000000001"
HOLDER, NEIGHBOUR = "H-1", "H-2"
MARCH = Period(first=date(2026, 3, 1), until=date(2026, 3, 31))
SCOPE = DataScope(granularities=("PT15M", "PT1H", "P1D"), period=MARCH)
SUMS = DataScope(kind="aggregate", granularities=("PT1H",), period=MARCH)


@dataclass
class Clock:
    now: datetime = field(default_factory=lambda: datetime(2026, 4, 1, 8, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def __hash__(self) -> int:
        return id(self)


@dataclass
class World:
    """The provider as the tests see it."""

    clock: Clock
    home: Home
    keys: dict[str, SigningKey]

    def work(self) -> None:
        """Whatever is due, except what would go over the network."""
        discover()
        queues = [queue for model, queue in QUEUES.items() if model.__module__.startswith("meterhall.provider")]
        for _ in range(200):
            rows = [(queue, row) for queue in queues if (row := claim(queue, self.clock()))]
            if not rows:
                return
            for queue, row in rows:
                perform(queue, row)
                row.refresh_from_db()
                assert not row.last_error, row.last_error
            self.clock.now += timedelta(seconds=1)

    def follow(self) -> None:
        """What the worker does every few seconds, and then what that asks for."""
        follow_consents()
        follow_readings()
        self.work()

    def contract(self, requester: str = REQUESTER, **offer: object) -> str:
        """A contract in force."""
        subscription = new_id("sub")
        scope = offer.pop("scope", DataScope(granularities=("PT15M", "PT1H", "P1D", "P1M")))
        document = contract_document(subscription, requester, self.clock(), scope, offer)
        Contract.objects.create(
            subscription_id=subscription,
            requester=requester,
            requester_name="Sun Coop",
            state="active",
            document=document,
            digest="sha-256:" + "0" * 64,
            access_from=self.clock() - timedelta(days=1),
            access_until=self.clock() + timedelta(days=365),
        )
        return subscription

    def points(self, count: int = 1, holder: str = HOLDER, first: int = 0, **more: object) -> list[Point]:
        """Metering points held since 2020 by `holder`, or as `occupancies` say."""
        stays = more.pop("occupancies", (OccupancyIn(holder_reference=holder, first=date(2020, 1, 1)),))
        pods = [demonstration_pod("IT", first + number).value for number in range(count)]
        register_points(
            tuple(PointIn(pod=pod, zone="Europe/Rome", occupancies=stays, **more) for pod in pods)  # type: ignore[arg-type]
        )
        known = {point.pod: point for point in Point.objects.filter(pod__in=pods)}
        return [known[pod] for pod in pods]

    def readings(self, points: list[Point], first: date, until: date, wh: int = 100, direction: str = "import") -> None:
        """A value in every quarter hour (UTC days), worked in."""
        lines = ["pod,start,energy_wh,direction"]
        start = datetime.combine(first, datetime.min.time(), UTC)
        slots = (until - first).days * 96
        for point in points:
            for slot in range(slots):
                at = (start + slot * timedelta(minutes=15)).isoformat()
                lines.append(f"{point.pod},{at},{wh + slot % 4},{direction}")
        take_readings("\n".join(lines).encode(), "PT15M")
        self.work()

    def consent(
        self, points: list[Point], subscription: str, scope: DataScope = SCOPE, holder: str = HOLDER, **more: object
    ) -> Consent:
        detail = {
            "need": "billing",
            "subscription_id": subscription,
            "scope": scope,
            "purpose": "Advice on saving",
            "access_until": self.clock() + timedelta(days=100),
            "points": tuple(point.handle for point in points),
        } | more
        requester = Contract.objects.get(pk=subscription).requester
        return grant(requester, holder, [GrantedDetail(**detail)])  # type: ignore[arg-type]

    def activate(
        self,
        subscription: str,
        items: list[tuple[str, str]],
        scope: DataScope = SCOPE,
        schedule: Schedule | None = None,
    ) -> Activation:
        """Activate PODs, each with its proof, and have them answered."""
        request = ActivationRequest(
            subscription_id=subscription,
            scope=scope,
            schedule=schedule,
            items=tuple(ItemIn(pod=pod, proof=proof) for pod, proof in items),
        )
        requester = Contract.objects.get(pk=subscription).requester
        taken = request_activation(request, requester, is_sandbox=False)
        self.work()
        return Activation.objects.get(pk=taken.activation_id)

    def activated(self, points: list[Point], scope: DataScope = SCOPE, requester: str = REQUESTER) -> Activation:
        """A contract, a consent and an activation for these points."""
        subscription = self.contract(requester, scope=scope.model_copy(update={"period": None}))
        consent = self.consent(points, subscription, scope)
        return self.activate(subscription, [(point.pod, f"consent:{consent.pk}") for point in points], scope)

    def deliver(self, activation: Activation, **changes: object) -> Delivery:
        """Request data and have it built."""
        asked = {"activation_id": activation.pk, "period": MARCH, "granularity": "PT15M", "format": "csv"} | changes
        taken = request_data(DataRequest(**asked), activation.requester)  # type: ignore[arg-type]
        self.work()
        return Delivery.objects.get(pk=taken.delivery_id)


def contract_document(
    subscription: str, requester: str, now: datetime, scope: object, offer: dict[str, object]
) -> dict[str, object]:
    """A SubscriptionView in force, as the Market Place would send it."""
    from meterhall.domain.protocol.agreements import Party, ServiceContract, SubscriptionView
    from meterhall.domain.protocol.base import FormatName
    from meterhall.domain.protocol.offers import CoverageArea, Offer, Price
    from meterhall.domain.protocol.players import LegalIdentifier

    party = {"legal_id": LegalIdentifier(kind="GLN", value="9520000000004"), "organisation": "Sun Coop"}
    usual: dict[str, object] = {
        "title": "Load curves",
        "scope": scope,
        "formats": get_args(FormatName),
        "price": Price(amount="0", per="free"),
        "countries": ("IT",),
        "coverage": (CoverageArea(kind="operator_code", country="IT", value="999"),),
    }
    contract = ServiceContract(
        subscription_id=subscription,
        environment="regulated",
        general_contract="sha-256:" + "0" * 64,
        offer_id=new_id("off"),
        offer_version=1,
        offer=Offer(**(usual | offer)),  # type: ignore[arg-type]
        provider=Party(access_number=ME, **party),  # type: ignore[arg-type]
        requester=Party(access_number=requester, **party),  # type: ignore[arg-type]
        access_from=now - timedelta(days=1),
        access_until=now + timedelta(days=365),
        drafted_at=now,
    )
    view = SubscriptionView(
        subscription_id=subscription, state="active", contract=contract, digest=contract.fingerprint(), signatures={}
    )
    return view.document()


@pytest.fixture
def world(db: None, tmp_path: Path) -> Iterator[World]:
    """The provider: enrolled, with two requesters and the Market Place among its peers."""
    clock = Clock()
    home = Home.create(tmp_path / "home", settings(), None)
    keys = {number: SigningKey.generate() for number in (REQUESTER, OTHER, MARKET)}
    with override_settings(METERHALL=Platform(home, clock=clock)):
        Identity.objects.create(access_number=ME)
        for number, key in keys.items():
            Peer.objects.create(
                access_number=number,
                name="Sun Coop",
                document={},
                b2b_url="https://peer.example",
                inbox_url="https://peer.example/v1/inbox",
                transport_keys=[key.public.jwk()],
                contract_keys=[key.public.jwk()],
                is_marketplace=number == MARKET,
            )
        yield World(clock, home, keys)


@pytest.fixture
def activation(world: World, monkeypatch: pytest.MonkeyPatch) -> Activation:
    """Five PODs, each under a consent of its own, two to a part."""
    monkeypatch.setattr(curve_reading, "PODS_A_PART", 2)
    monkeypatch.setattr(building, "ITEMS_AT_ONCE", 2)
    points, subscription = world.points(5), world.contract()
    world.readings(points, date(2026, 2, 28), date(2026, 3, 5))
    items = [(point.pod, f"consent:{world.consent([point], subscription).pk}") for point in points]
    return world.activate(subscription, items)


def settings() -> dict[str, object]:
    return {"role": "provider", "name": "Test Grid", "country": "IT", "zone": "Europe/Rome", "minimum_group": 5}


def states(activation: Activation) -> list[tuple[str, str]]:
    """State and code of each item, in order."""
    return list(ActivationItem.objects.filter(activation=activation).values_list("state", "code"))
