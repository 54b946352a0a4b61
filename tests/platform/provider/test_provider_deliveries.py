"""Deliveries: what is in them, what replaces them, and what the gate lets out."""

from __future__ import annotations

from datetime import date

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import Manifest
from meterhall.formats import FORMATS
from meterhall.provider.consents.service import revoke
from meterhall.provider.deliveries.build import folder
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.service import live_parts, newest
from tests.platform.provider.conftest import HOLDER, World


def manifest(delivery: Delivery) -> Manifest:
    return Manifest.model_validate(newest(delivery).manifest)


def curves(delivery: Delivery) -> dict[str, list[int]]:
    """The mantissas of each usage point in the newest version."""
    found: dict[str, list[int]] = {}
    for part in live_parts(delivery):
        for curve in FORMATS[delivery.request["format"]].decode((folder() / part.path).read_bytes()):
            found[curve.series.usage_point] = curve.mantissas.tolist()
    return found


def test_a_delivery_has_every_slot_of_the_period_and_says_what_is_missing(world: World) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 20))
    delivery = world.deliver(world.activated(points))
    made = manifest(delivery)
    slots = 30 * 96 - 4  # the clock goes forward on the 29th
    there = 19 * 96 + 4  # from midnight in Rome, which is 23:00 UTC
    assert (made.readings, sum(part.missing for part in made.parts)) == (2 * there, 2 * (slots - there))
    assert [len(values) for values in curves(delivery).values()] == [slots, slots]


def test_withdrawing_for_one_point_leaves_untouched_parts_as_they_are(world: World, monkeypatch: object) -> None:
    from meterhall.provider.deliveries import build

    points = world.points(4)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 5))
    activation = world.activated(points)
    old, build.PODS_A_PART = build.PODS_A_PART, 2
    try:
        delivery = world.deliver(activation, period=Period(first=date(2026, 3, 1), until=date(2026, 3, 3)))
        before = manifest(delivery)
        consent = activation.items.first().consent_item.consent
        revoke(consent.pk, HOLDER, (points[0].handle,))
        world.follow()
    finally:
        build.PODS_A_PART = old
    delivery.refresh_from_db()
    after = manifest(delivery)
    assert (after.version, after.reason, after.supersedes) == (2, "revocation", newest_before(before))
    assert after.withdrawn == (activation.items.get(position=0).pseudonym,)
    assert before.parts[1] == after.parts[0], "the part without the withdrawn point is the same file"
    assert len(after.parts[1].pseudonyms) == 1
    assert [file.name.split("-")[0] for file in sorted((folder() / delivery.pk).iterdir())] == ["2", "3"]


def newest_before(before: Manifest) -> str:
    return before.fingerprint()
