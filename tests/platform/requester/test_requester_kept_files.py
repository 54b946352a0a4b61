"""What is on this disk: no file of a delivery that was answered or refused, and a lake of few files."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.readings import MISSING
from meterhall.requester.activations.models import Activation
from meterhall.requester.collection import files
from meterhall.requester.collection.models import Delivery, Series
from meterhall.requester.collection.store import lake, spec, withdraw
from meterhall.web.platform import Platform
from meterhall.web.work import schedules

from .conftest import GRID, PSEUDONYMS, START, Clock, GridDouble, curve, ready, work

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """In place of a signal that can't be caught: nothing of the product handles it."""


def on_disk(eso: Platform) -> list[Path]:
    return [file for file in Path(eso.home.path, "files").rglob("*") if file.is_file()]


def first_value() -> int:
    """What the lake has in the first quarter hour."""
    series = Series.objects.get(pseudonym=PSEUDONYMS[0])
    [block] = lake().read([spec(series)], START, START + timedelta(minutes=15))
    return int(block.mantissas[0])


def test_nothing_of_a_delivery_stays_after_a_death_right_after_it_was_answered(
    eso: Platform, activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def die(delivery: Delivery) -> None:
        raise Killed

    grid.publish({1: [curve()]}, delivery_id)
    with monkeypatch.context() as broken:
        broken.setattr(files, "drop_all", die)
        with pytest.raises(Killed):
            ready(delivery_id)
    assert on_disk(eso)
    clock.ahead += timedelta(hours=7)
    work()
    assert not on_disk(eso)
    assert (first_value(), len(grid.receipts())) == (100, 1)


def test_what_a_customer_took_back_goes_though_we_died_just_when_it_had_come_in(
    eso: Platform, activation: Activation, grid: GridDouble, delivery_id: str, clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    put = type(lake()).put

    def withdrawn_meanwhile(*what: Any, **how: Any) -> None:
        withdraw(GRID, [PSEUDONYMS[0]], clock())
        put(*what, **how)
        raise Killed

    grid.publish({1: [curve()]}, delivery_id)
    with monkeypatch.context() as broken:
        broken.setattr(type(lake()), "put", withdrawn_meanwhile)
        with pytest.raises(Killed):
            ready(delivery_id)
    assert first_value() == MISSING
    clock.ahead += timedelta(hours=7)
    work()
    assert Delivery.objects.get().state == "received"
    assert first_value() == MISSING


def test_nothing_of_a_refused_delivery_stays(
    eso: Platform, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    grid.publish({1: [curve()], 2: [curve(PSEUDONYMS[1])]}, delivery_id)
    grid.gone = {2: "activation_ended"}
    assert ready(delivery_id).code == "activation_ended"
    assert grid.paths("/parts/1")
    assert not on_disk(eso)


def test_the_lake_is_compacted_every_hour(
    eso: Platform, activation: Activation, grid: GridDouble, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = "meterhall.requester.collection.tasks.compact"
    monkeypatch.setattr(schedules, "REPEATED", {mine: schedules.REPEATED[mine]})
    for number in range(3):
        delivery_id = new_id("dlv")
        grid.publish({1: [curve(first=100 + number)]}, delivery_id)
        ready(delivery_id)
    assert files_of_months() == {"2025-03": 3}
    schedules.fire_schedules(clock())
    assert files_of_months() == {"2025-03": 1}
    assert first_value() == 102


def files_of_months() -> Counter[str]:
    """How many files the lake's newest version has of each month."""
    return Counter(file.month for file in lake()._table.snapshot().files)
