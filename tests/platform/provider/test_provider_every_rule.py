"""Every rule is broken by a file that comes in as any does; a rule that no file can break is none.

A slot for which no row ever comes breaks no rule: it stays without a value, and a delivery counts it as missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from meterhall.domain.pods import demonstration_pod
from meterhall.domain.readings import MISSING, Rule
from meterhall.provider.metering.intake import profile_of
from meterhall.provider.metering.models import IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.register import DIRECTION, UNKNOWN
from meterhall.provider.metering.service import lake, spec, take_readings
from tests.platform.provider.conftest import World
from tests.platform.provider.test_provider_intake import green_button

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = "2026-03-01T00:00:00Z"
STRANGER = demonstration_pod("IT", 999).value
REGISTERS: dict[str, object] = {"registers": True}
IN_ROME: dict[str, object] = {"zone": "Europe/Rome"}
Content = Callable[[str], bytes]
"""A file of the readings of a POD."""


def csv(*rows: str, more: str = "") -> Content:
    """Rows behind the POD; `more` are further columns than start and amount."""
    return lambda pod: "\n".join([f"pod,start,energy_wh{more}", *(f"{pod},{row}" for row in rows)]).encode()


def quarters(values: list[int]) -> Content:
    return csv(*(f"{(START + place * timedelta(minutes=15)).isoformat()},{wh}" for place, wh in enumerate(values)))


def of_hours(pod: str) -> bytes:
    return json.dumps({"pod": pod, "start": FIRST, "resolution": "PT1H", "values": [1, 2]}).encode()


BREAKS: dict[str, tuple[Content, dict[str, object]]] = {
    "V1": (csv(f"{FIRST},-1"), {}),
    "V2": (csv(f"{FIRST},15000001"), {}),
    "V3": (csv(f"{FIRST},"), {}),
    "V4": (csv(f"{FIRST},1", f"{FIRST},1"), {}),
    "V5": (csv(f"{FIRST},1", f"{FIRST},2"), {}),
    "V6": (csv("2026-03-01T00:07:00Z,1"), {}),
    "V8": (csv(f"{FIRST},1,3", more=",quality"), {}),
    "V9": (csv("1969-12-31T23:45:00Z,1"), {}),
    "V10": (quarters([100 + place % 7 for place in range(95)] + [65_535]), {}),
    "V11": (quarters([100] * 96), {}),
    "V12": (csv("2026-04-01T08:00:00Z,1"), {}),
    "V13": (csv(f"{FIRST},much"), {}),
    "V14": (csv(f"{FIRST},7.5"), {}),
    "V15": (of_hours, {}),
    "V16": (csv("2026-03-29T02:30,1"), IN_ROME),
    "V17": (csv("2025-10-26T02:30,1"), IN_ROME),
    "V18": (quarters([10, 5]), REGISTERS),
    "V19": (csv(f"{FIRST},10", "2026-03-01T00:30:00Z,12"), REGISTERS),
    "V20": (lambda pod: green_button(pod, {6: [3000]}), {}),
    "P1": (lambda pod: csv(f"{FIRST},1")(STRANGER), {}),
    "P2": (csv(f"{FIRST},1,sideways", more=",direction"), {}),
}
"""A file that breaks this rule and no other, and how it is described."""


def rules_of(run: IngestRun) -> set[str]:
    return set(run.quarantine.values_list("rule", flat=True))


def test_a_file_breaks_each_rule_and_no_rule_is_left(world: World) -> None:
    points = world.points(len(BREAKS), maximum_power_w=60_000_000)
    runs = {
        rule: take_readings(content(point.pod), "PT15M", profile=profile_of(settings))
        for point, (rule, (content, settings)) in zip(points, BREAKS.items(), strict=True)
    }
    world.work()
    assert {rule: rules_of(run) for rule, run in runs.items()} == {rule: {rule} for rule in BREAKS}
    every = {rule.id for rule in Rule} | {UNKNOWN[0], DIRECTION[0]}
    assert set(QuarantinedRow.objects.values_list("rule", flat=True)) == every
    sentences = dict(QuarantinedRow.objects.values_list("rule", "sentence"))
    assert sentences == {rule.id: rule.sentence for rule in Rule} | dict((UNKNOWN, DIRECTION))


@pytest.mark.parametrize(("times", "rules", "kept"), [(1, {"V17"}, []), (2, set(), [1, 2]), (3, {"V17"}, [])])
def test_a_clock_time_that_comes_twice_is_told_by_both_being_there(
    world: World, times: int, rules: set[str], kept: list[int]
) -> None:
    pod = world.points()[0].pod
    rows = [f"2025-10-26T02:00,{place}" for place in range(1, times + 1)]
    run = take_readings(csv(*rows)(pod), "PT1H", profile=profile_of(IN_ROME))
    world.work()
    assert rules_of(run) == rules
    twice = datetime(2025, 10, 26, tzinfo=UTC), datetime(2025, 10, 26, 2, tzinfo=UTC)
    values = np.concatenate([one.mantissas for one in lake().read([spec(Series.objects.get())], *twice)])
    assert values[values != MISSING].tolist() == kept
