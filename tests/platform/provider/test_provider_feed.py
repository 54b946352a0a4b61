"""The change feed of what is told in civil days and months: over a clock change, a corrected month, a month cut by the
consent; and what the requester's client makes of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from meterhall.client.frames import curve_of, frame_of
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import ChangedValues
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import CivilCurve
from meterhall.domain.readings.curves import MisalignedCurve
from meterhall.formats import FORMATS
from meterhall.provider.activations.models import Activation
from meterhall.provider.deliveries import changes as feed
from meterhall.provider.deliveries.changes import changes_since
from meterhall.provider.deliveries.models import AccessLog
from meterhall.provider.metering.service import take_readings
from meterhall.provider.points.models import Point
from tests.platform.provider.conftest import World

pytestmark = pytest.mark.django_db
SPRING = Period(first=date(2026, 1, 1), until=date(2026, 4, 1))
DAY = timedelta(days=1)


def handed_in(world: World, point: Point, resolution: str, values: dict[str, int]) -> None:
    lines = [f"{point.pod},{start},{value}" for start, value in values.items()]
    take_readings("\n".join(["pod,start,energy_wh", *lines]).encode(), resolution)
    world.work()


def told(activation: Activation, since: str | None = None) -> tuple[list[ChangedValues], str]:
    """All that the feed has since a cursor, and the cursor after it."""
    found: list[ChangedValues] = []
    while True:
        page = changes_since(activation, since)
        found, since = [*found, *page.items], page.cursor
        if not page.more:
            return found, since


def scope(*granularities: str, period: Period = SPRING) -> DataScope:
    return DataScope(granularities=granularities, period=period)  # type: ignore[arg-type]


def hours(one: ChangedValues) -> list[float]:
    return [(end - start) / timedelta(hours=1) for start, end in zip(one.edges, one.edges[1:], strict=False)]  # type: ignore[arg-type,index]


DAYS = {f"2026-03-{day}": 1000 + day for day in (27, 28, 29, 30, 31)}


def test_days_are_told_over_the_clock_change_and_a_correction_alone(world: World) -> None:
    [point] = world.points()
    handed_in(world, point, "P1D", DAYS)
    activation = world.activated([point], scope("P1D", "P1M"))
    [first], cursor = told(activation)
    assert (first.resolution, first.values) == ("P1D", (1027, 1028, 1029, 1030, 1031))
    assert hours(first) == [24, 24, 23, 24, 24]
    assert first.start == datetime(2026, 3, 26, 23, tzinfo=UTC)
    assert told(activation, cursor) == ([], cursor)
    handed_in(world, point, "P1D", {"2026-03-29": 2300, "2026-03-31": 1031})
    [news], _ = told(activation, cursor)
    assert (news.values, hours(news)) == ((2300,), [23])
    assert news.available_at > first.available_at
    logged = AccessLog.objects.filter(kind="feed").values_list("granularity", "first", "until")
    assert list(logged.order_by("pk")) == [
        ("P1D", date(2026, 3, 27), date(2026, 4, 1)),
        ("P1D", date(2026, 3, 29), date(2026, 3, 30)),
    ]


def test_days_that_do_not_follow_each_other_are_told_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    [point] = world.points()
    handed_in(world, point, "P1D", {"2026-03-01": 1, "2026-03-02": 2, "2026-03-10": 3})
    activation = world.activated([point], scope("P1D"))
    assert [one.values for one in told(activation)[0]] == [(1, 2), (3,)]
    monkeypatch.setattr(feed, "PAGE_DAYS", 1)
    assert [one.values for one in told(activation)[0]] == [(1,), (2,), (3,)]


def test_a_corrected_month_is_told(world: World) -> None:
    [point] = world.points()
    handed_in(world, point, "P1M", {"2026-01-01": 31_000, "2026-02-01": 28_000, "2026-03-01": 30_958})
    activation = world.activated([point], scope("P1M"))
    [first], cursor = told(activation)
    assert (first.resolution, first.values) == ("P1M", (31_000, 28_000, 30_958))
    assert hours(first) == [31 * 24, 28 * 24, 31 * 24 - 1]
    handed_in(world, point, "P1M", {"2026-02-01": 27_500})
    [news], _ = told(activation, cursor)
    assert (news.values, news.start) == ((27_500,), datetime(2026, 1, 31, 23, tzinfo=UTC))


def test_a_month_that_the_consent_cuts_is_not_told_and_not_delivered(world: World) -> None:
    [point] = world.points()
    handed_in(world, point, "P1M", {"2026-01-01": 31_000, "2026-02-01": 28_000})
    cut = Period(first=date(2026, 1, 2), until=date(2026, 4, 1))
    activation = world.activated([point], scope("P1M", period=cut))
    [only], cursor = told(activation)
    assert only.values == (28_000,)
    delivery = world.deliver(activation, period=cut, granularity="P1M", format="jsonl")
    assert [part["readings"] for part in delivery.versions.get().manifest["parts"]] == [1]
    handed_in(world, point, "P1M", {"2026-01-01": 99})
    assert told(activation, cursor)[0] == []


def test_quarter_hours_contracted_in_days_and_months_are_told_in_whole_days(world: World) -> None:
    [point] = world.points()
    world.readings([point], date(2026, 3, 27), date(2026, 3, 31))
    activation = world.activated([point], scope("P1D"))
    [first], cursor = told(activation)
    assert first.start == datetime(2026, 3, 27, 23, tzinfo=UTC), "in Rome the first day begins before its readings"
    assert (first.values, hours(first)) == ((24 * 406, 23 * 406, 24 * 406), [24, 23, 24])
    world.readings([point], date(2026, 3, 29), date(2026, 3, 30), wh=200)
    [news], _ = told(activation, cursor)
    assert (news.values, hours(news)) == ((406 + 22 * 806, 2 * 806 + 22 * 406), [23, 24])


def test_the_finest_is_told_of_each_series(world: World) -> None:
    quarters, days, months = world.points(3)
    world.readings([quarters], date(2026, 3, 1), date(2026, 3, 2))
    handed_in(world, days, "P1D", {"2026-03-01": 1})
    handed_in(world, months, "P1M", {"2026-03-01": 2})
    wide = scope("PT1H", "P1D", "P1M")
    subscription = world.contract()
    consent = world.consent([quarters, days, months], subscription, wide)
    items = [(point.pod, f"consent:{consent.pk}") for point in (quarters, days, months)]
    activation = world.activate(subscription, items, scope("P1M"))
    Activation.objects.filter(pk=activation.pk).update(scope=wide.document())
    found, _ = told(Activation.objects.get(pk=activation.pk))
    assert sorted((one.resolution, len(one.values)) for one in found) == [("P1D", 1), ("P1M", 1), ("PT1H", 24)]


def test_the_client_has_days_as_it_has_slots(world: World) -> None:
    [point] = world.points()
    handed_in(world, point, "P1D", DAYS)
    [item], _ = told(world.activated([point], scope("P1D")))
    curve = curve_of(ChangedValues.model_validate(item.document()))
    assert isinstance(curve, CivilCurve)
    assert np.diff(curve.edges).tolist() == [86_400, 86_400, 82_800, 86_400, 86_400]
    frame = frame_of([curve], {item.pseudonym: point.pod})
    assert frame["energy_wh"].to_list() == [1027, 1028, 1029, 1030, 1031]
    assert set(frame["resolution"]) == {"P1D"}
    [line] = FORMATS["jsonl"].decode(item.model_dump_json(exclude_none=True).encode())
    assert line.mantissas.tolist() == curve.mantissas.tolist()
    assert line.start == item.start


@pytest.mark.parametrize(
    "changes",
    [{"edges": None}, {"edges": ["2026-03-26T23:00:00Z"]}, {"resolution": "PT1H"}, {"start": "2026-03-26T22:00:00Z"}],
)
def test_edges_are_those_of_civil_slots(changes: dict[str, object]) -> None:
    edges = ["2026-03-26T23:00:00Z", "2026-03-27T23:00:00Z"]
    document = {
        "pseudonym": "0" * 36, "direction": "import", "start": edges[0], "resolution": "P1D", "scale": 0,
        "values": [1], "quality": [17], "available_at": edges[1], "edges": edges,
    }  # fmt: skip
    assert ChangedValues.model_validate(document).edges is not None
    with pytest.raises(ValueError, match="edges"):
        ChangedValues.model_validate(document | changes)


def test_edges_that_do_not_ascend_are_no_curve() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    item = ChangedValues(
        pseudonym="0" * 36, direction="import", start=at, resolution="P1D", scale=0, values=(1,), quality=(17,),
        available_at=at, edges=(at, at),
    )  # fmt: skip
    with pytest.raises(MisalignedCurve):
        curve_of(item)
