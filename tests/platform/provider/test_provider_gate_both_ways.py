"""What a part may be let out by is asked by one query over all in it. Its answer is never another than that of item by
item, whatever ended, moved or was narrowed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

from django.db import transaction
from django.db.models import Model

from meterhall.domain.protocol.base import Period
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import frame_of
from meterhall.provider.consents.models import Consent, ConsentItem
from meterhall.provider.deliveries import entitled
from meterhall.provider.deliveries.models import DeliveryPart, PartContent
from meterhall.provider.points.models import Occupancy, Point
from tests.platform.provider.conftest import HOLDER, NEIGHBOUR, OTHER, REQUESTER, SCOPE, World

ROUNDS = 300
Fields = Callable[[random.Random, World], dict[str, object]]


def instant(chance: random.Random, world: World) -> object:
    return world.clock() + timedelta(seconds=chance.choice([-86_400, -1, 0, 1, 86_400]))


def days(chance: random.Random, names: tuple[str, str]) -> dict[str, object]:
    first = date(2026, 2, 20) + timedelta(days=chance.randrange(14))
    return dict(zip(names, (first, first + timedelta(days=chance.randrange(1, 40))), strict=True))


def scope(chance: random.Random) -> dict[str, object]:
    changes: list[dict[str, object]] = [
        {"period": Period(first=date(2026, 3, 1), until=date(2026, 4, 1))},
        {"period": Period(first=date(2026, 3, 1), until=date(2026, 3, 10))},
        {"period": None}, {"granularities": ("PT1H",)}, {"kind": "aggregate"}, {"directions": ("export",)},
    ]  # fmt: skip
    return SCOPE.model_copy(update=chance.choice(changes)).document()


def another(chance: random.Random) -> Point:
    name = str(chance.random())
    return Point.objects.create(handle=name, pod=name, zone="Europe/Rome")


CHANGES: list[tuple[type[Model], Fields]] = [
    (ConsentItem, lambda chance, world: {"ended_at": instant(chance, world)}),
    (ConsentItem, lambda chance, world: {"access_until": instant(chance, world)}),
    (ConsentItem, lambda chance, world: {"subscription_id": chance.choice(["", "sub_another"])}),
    (ConsentItem, lambda chance, world: {"scope": scope(chance)}),
    (ConsentItem, lambda chance, world: {"point": another(chance)}),
    (Consent, lambda chance, world: {"requester": chance.choice([REQUESTER, OTHER])}),
    (Consent, lambda chance, world: {"assurance": chance.choice(["customer_confirmed", "requester_stated"])}),
    (Consent, lambda chance, world: {"holder_reference": chance.choice([HOLDER, NEIGHBOUR])}),
    (Occupancy, lambda chance, world: {"holder_reference": chance.choice([HOLDER, NEIGHBOUR])}),
    (Occupancy, lambda chance, world: {"until": date(2026, 3, 1) + timedelta(days=chance.randrange(40))}),
    (
        Occupancy,
        lambda chance, world: {"first": date(2026, 2, 27) + timedelta(days=chance.randrange(6)), "until": None},
    ),
    (ActivationItem, lambda chance, world: {"state": chance.choice(["ended", "refused", "pending"])}),
    (ActivationItem, lambda chance, world: {"consent_item": chance.choice([None, *ConsentItem.objects.all()])}),
    (ActivationItem, lambda chance, world: days(chance, ("first", "until"))),
    (ActivationItem, lambda chance, world: {"first": None}),
    (PartContent, lambda chance, world: {"first": date(2026, 3, chance.randrange(1, 4))}),
]


def test_all_in_a_part_together_are_judged_as_each_of_them_is(world: World) -> None:
    points, chance = world.points(4), random.Random(20260301)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 4))
    activation = world.activated(points)
    for other in points:  # the point's other holder, and other consents of the same holder, beside the right ones
        Occupancy.objects.create(
            point=other, holder_reference=NEIGHBOUR, first=date(2019, 1, 1), until=date(2020, 1, 1)
        )
    subscription = activation.subscription_id
    world.consent(points[:2], subscription)
    world.consent(points, subscription, need="another")
    delivery = world.deliver(activation, period=Period(first=date(2026, 3, 1), until=date(2026, 3, 4)))
    part = DeliveryPart.objects.get(delivery=delivery)
    frame, seen = frame_of(Activation.objects.get()), Counter[tuple[bool, bool]]()
    for _ in range(ROUNDS):
        with transaction.atomic():
            for model, fields in chance.choices(CHANGES, k=chance.choice([0, 1, 1, 2, 3])):
                row = chance.choice(list(model._default_manager.order_by("pk")))
                model._default_manager.filter(pk=row.pk).update(**fields(chance, world))
            together, each = entitled._by_sets(part, frame), entitled._one_by_one(part, frame)
            assert together is None or each is not None, "let out what item by item is refused"
            seen[together is not None, each is not None] += 1
            transaction.set_rollback(True)
    assert min(seen[True, True], seen[False, False]) > ROUNDS // 5, "both answers are among the states"
