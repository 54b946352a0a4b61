"""What is corrected after it was delivered is delivered anew to who agreed to that, and to nobody who did not."""

from __future__ import annotations

from datetime import date

import pytest

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope, ServiceOption
from meterhall.provider.activations.models import Activation
from meterhall.provider.consents.service import revoke
from meterhall.provider.contracts.models import Contract
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.service import newest
from meterhall.provider.points.models import Point
from tests.platform.provider.conftest import HOLDER, SCOPE, World
from tests.platform.provider.test_provider_deliveries import curves

pytestmark = pytest.mark.django_db
FEW = Period(first=date(2026, 3, 1), until=date(2026, 3, 3))
CORRECTIONS = ServiceOption(code="corrections", title="Redelivery when a reading is corrected")
REPORT = ServiceOption(code="weekly_report", title="A report every week")


def contracted(
    world: World, points: list[Point], offered: tuple[ServiceOption, ...], chosen: tuple[str, ...]
) -> Activation:
    """An activation under a contract whose offer has these options, of which some were chosen."""
    subscription = world.contract(scope=DataScope(granularities=SCOPE.granularities), options=offered)
    contract = Contract.objects.get(pk=subscription)
    contract.document["contract"]["options"] = list(chosen)
    contract.save()
    consent = world.consent(points, subscription)
    return world.activate(subscription, [(point.pod, f"consent:{consent.pk}") for point in points])


@pytest.mark.parametrize(
    ("offered", "chosen", "versions"),
    [
        ((), (), 2),
        ((REPORT,), (), 2),
        ((CORRECTIONS, REPORT), ("corrections",), 2),
        ((CORRECTIONS, REPORT), ("weekly_report",), 1),
        ((CORRECTIONS,), (), 1),
    ],
)
def test_a_correction_goes_to_who_agreed_to_it(
    world: World, offered: tuple[ServiceOption, ...], chosen: tuple[str, ...], versions: int
) -> None:
    points = world.points()
    world.readings(points, date(2026, 2, 28), date(2026, 3, 4))
    delivery = world.deliver(contracted(world, points, offered, chosen), period=FEW, granularity="PT1H")
    world.readings(points, date(2026, 3, 1), date(2026, 3, 2), wh=900)
    world.follow()
    delivery.refresh_from_db()
    assert delivery.version == versions
    assert newest(delivery).manifest["reason"] == ("correction" if versions == 2 else "requested")
    asked_anew = world.deliver(delivery.activation, period=FEW, granularity="PT1H")
    assert (curves(asked_anew) == curves(delivery)) == (versions == 2), "who asks anew is told what is known now"


def test_who_did_not_agree_still_loses_what_ends(world: World) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 4))
    activation = contracted(world, points, (CORRECTIONS,), ())
    delivery = world.deliver(activation, period=FEW, granularity="PT1H")
    item = activation.items.get(position=0)
    revoke(item.consent_item.consent_id, HOLDER, (points[0].handle,))
    world.follow()
    found = Delivery.objects.get(pk=delivery.pk)
    assert (found.version, newest(found).manifest["reason"]) == (2, "revocation")
    assert newest(found).manifest["withdrawn"] == [item.pseudonym]
