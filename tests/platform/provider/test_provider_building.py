"""How a version comes to be: laid down part by part, made one at once, whatever ends or breaks off meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from meterhall.domain.protocol.deliveries import Manifest
from meterhall.provider.activations.models import Activation
from meterhall.provider.consents.service import revoke
from meterhall.provider.deliveries import build as building
from meterhall.provider.deliveries.build import build
from meterhall.provider.deliveries.drawing import Drawn, draw_curves, folder
from meterhall.provider.deliveries.gate import open_part
from meterhall.provider.deliveries.models import UNPUBLISHED, Delivery, DeliveryPart, PartContent
from meterhall.provider.deliveries.service import UnknownDelivery, live_parts, newest
from meterhall.web.work.engine import NotYet
from tests.platform.provider.building import asked, withdraw
from tests.platform.provider.conftest import World


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> list[int]:
    """Let something happen when the first part is laid down, once; how many parts were drawn in all, at last."""
    drawn: list[int] = []

    def draw(*args: Any) -> Iterator[Drawn]:
        for one in draw_curves(*args):
            drawn.append(one.part.number)
            yield one
            if len(drawn) == 1:
                happens()

    monkeypatch.setattr(building, "draw_curves", draw)
    return drawn


def said(delivery: Delivery) -> list[tuple[str, ...]]:
    """Who is in each part of the newest manifest."""
    return [part.pseudonyms for part in Manifest.model_validate(newest(delivery).manifest).parts]


def names(activation: Activation, *positions: int) -> tuple[str, ...]:
    found = dict(activation.items.values_list("position", "pseudonym"))
    return tuple(sorted(found[position] for position in positions))


def test_what_ends_while_parts_are_made_is_not_in_the_version_and_the_others_are_not_made_again(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = asked(activation)
    drawn = meanwhile(monkeypatch, lambda: withdraw(activation, 0))
    build(delivery)
    assert said(delivery) == [names(activation, 2, 3), names(activation, 4), names(activation, 1)]
    assert drawn == [1, 2, 3, 4], "only of the part that could not stay something was made anew"
    assert not DeliveryPart.objects.filter(replaced_reason=UNPUBLISHED).exists()
    assert {file.name for file in (folder() / delivery.pk).iterdir()} == {
        part.path.rpartition("/")[2] for part in live_parts(delivery)
    }


def test_another_customers_end_costs_nothing(
    world: World, activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = world.points(1, holder="H-9", first=70)
    elsewhere = world.consent(others, world.contract(), holder="H-9")
    delivery = asked(activation)
    drawn = meanwhile(monkeypatch, lambda: revoke(elsewhere.pk, "H-9"))
    build(delivery)
    assert drawn == [1, 2, 3]
    assert len(said(delivery)) == 3


def test_a_later_version_has_what_may_stay_and_makes_the_rest_anew(
    world: World, activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = asked(activation)
    build(delivery)
    delivery.refresh_from_db()
    withdraw(activation, 2)
    drawn = meanwhile(monkeypatch, lambda: withdraw(activation, 0))
    build(delivery)
    assert said(delivery) == [names(activation, 4), names(activation, 3), names(activation, 1)]
    assert drawn == [4, 5]
    reasons = dict(DeliveryPart.objects.filter(delivery=delivery).values_list("number", "replaced_reason"))
    assert reasons == {1: "revocation", 2: "revocation", 3: "", 4: "", 5: ""}


def test_what_is_laid_down_is_nobodys_until_it_is_a_version_and_a_crash_leaves_nothing(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = asked(activation)

    def crash(*args: object) -> None:
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(building, "_publish", crash)
        with pytest.raises(RuntimeError):
            build(delivery)
    assert [part.replaced_reason for part in delivery.parts.all()] == [UNPUBLISHED] * 3
    assert not live_parts(delivery).exists()
    with pytest.raises(UnknownDelivery):
        open_part(delivery, 1)
    build(delivery)
    assert [part.number for part in live_parts(delivery)] == [1, 2, 3]
    assert delivery.parts.count() == 3
    assert PartContent.objects.count() == 5
    assert len(list((folder() / delivery.pk).iterdir())) == 3


def test_of_two_attempts_one_is_the_version(activation: Activation, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = asked(activation)
    meanwhile(monkeypatch, lambda: building.forget_unfinished(delivery))
    with pytest.raises(NotYet):
        build(delivery)
    assert not delivery.versions.exists()
    build(delivery)
    assert len(said(delivery)) == 3


def test_where_everything_ends_meanwhile_nothing_is_published(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    from meterhall.provider.deliveries.service import NothingAccepted

    delivery = asked(activation)
    meanwhile(monkeypatch, lambda: [withdraw(activation, position) for position in range(5)])
    with pytest.raises(NothingAccepted):
        build(delivery)
    assert not delivery.versions.exists()
