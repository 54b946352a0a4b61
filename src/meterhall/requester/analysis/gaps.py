"""What an activation is missing, by point and civil day; asking again for what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.errors import Conflict
from meterhall.domain.protocol.activations import ItemAnswer
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import (
    CIVIL_DAY,
    CIVIL_MONTH,
    CIVIL_WEEK,
    MISSING,
    Granularity,
    midnight,
    parse_granularity,
)
from meterhall.domain.readings.civil_numbers import days_around
from meterhall.domain.readings.resampling import slot_edges
from meterhall.requester.activations.models import Activation, ActivationItem
from meterhall.requester.analysis.lateness import of_points
from meterhall.requester.analysis.service import slot_s
from meterhall.requester.collection.models import CivilValue, DataAsked, Series
from meterhall.requester.collection.service import DataRequestIn, request_data
from meterhall.requester.collection.store import lake, spec
from meterhall.requester.collection.zones import zone_of_pod
from meterhall.requester.partners.service import contract_of
from meterhall.web.platform import platform

DAY: Final = timedelta(days=1)
AT_ONCE: Final = 200
"""Points read together."""
MOST_ASKED: Final = 10_000
"""Pseudonyms of one data request."""


class NothingMissing(Conflict):
    code = "nothing_missing"
    title = "Every value that may be had by now is here."


@dataclass(frozen=True, slots=True)
class Gap:
    """Civil days on end of one point and direction, each with values missing: so many are there, of so many."""

    item: ActivationItem
    direction: str
    first: date
    until: date
    present: int
    expected: int


@dataclass(frozen=True, slots=True)
class PointDays:
    """How many values of each civil day from `first` on are there of a point and direction, of how many; 0 expected
    where none may be had."""

    item: ActivationItem
    direction: str
    first: date
    present: NDArray[np.int64]
    expected: NDArray[np.int64]
    is_held: bool
    """Whether there is anything of it, on whichever day."""

    def gaps(self) -> Iterator[Gap]:
        """Days on end with values missing."""
        lacks = np.concatenate(([False], self.present < self.expected, [False]))
        bounds = np.flatnonzero(lacks[1:] != lacks[:-1]).reshape(-1, 2)
        for start, stop in bounds.tolist():
            there, wanted = int(self.present[start:stop].sum()), int(self.expected[start:stop].sum())
            yield Gap(self.item, self.direction, self.first + DAY * start, self.first + DAY * stop, there, wanted)


def point_days(activation: Activation, within: Period | None = None) -> Iterator[PointDays]:
    """What is there of each point in its order: of the holder's days that are over, within the activation's period and
    the days given.

    The values of a day are counted in the finest granularity of which one is held, of a day without any in the finest
    that is held at all; of a point of which nothing is held, in the finest of the activation. Of sums and of forecasts
    there is nothing to tell.
    """
    scope = of_points(activation)
    if scope is None:
        return
    items = activation.items.filter(state="accepted").order_by("position").iterator()
    while some := list(islice(items, AT_ONCE)):
        for direction in scope.directions:
            yield from _counted(some, direction, scope, within)


def gaps(activation: Activation, within: Period | None = None) -> Iterator[Gap]:
    """The gaps of all its points, as `point_days` counts."""
    for one in point_days(activation, within):
        yield from one.gaps()


def due_days(activation: Activation) -> Period | None:
    """From the first to the last of the days that are over and that some point may be had of; None without such."""
    scope = of_points(activation)
    if scope is None:
        return None
    today = platform().now().astimezone(ZoneInfo(platform().config.zone)).date()
    answers = activation.items.filter(state="accepted").values_list("answer", flat=True).iterator()
    days = {(one.first, one.until) for answer in answers for one in _days(answer, scope, today)}
    return Period(first=min(first for first, _ in days), until=max(until for _, until in days)) if days else None


def ask_again(activation: Activation, within: Period | None = None) -> list[DataAsked]:
    """Data requests for the points with gaps, over the days from the first gap to the last; sent by the worker.

    Raises `NothingMissing`, `NotSent`.
    """
    found = list(gaps(activation, within))
    if not found:
        raise NothingMissing
    scope = DataScope.model_validate(activation.scope)
    offered = contract_of(activation.subscription_id).offer.formats
    names = list(dict.fromkeys(gap.item.pseudonym for gap in found))
    return [
        request_data(
            activation,
            DataRequestIn(
                activation=activation.pk,
                period=Period(first=min(gap.first for gap in found), until=max(gap.until for gap in found)),
                granularity=min(scope.granularities, key=slot_s),
                format="parquet" if "parquet" in offered else offered[0],
                directions=scope.directions,
                pseudonyms=tuple(names[place : place + MOST_ASKED]),
            ),
        )
        for place in range(0, len(names), MOST_ASKED)
    ]


def _counted(
    items: Sequence[ActivationItem], direction: str, scope: DataScope, within: Period | None
) -> Iterator[PointDays]:
    zones = {item.pk: zone_of_pod(item.pod) for item in items}
    now = platform().now()
    today = {zone: now.astimezone(zone).date() for zone in set(zones.values())}
    days = {item.pk: _cut(_days(item.answer, scope, today[zones[item.pk]]), within) for item in items}
    whole = [period for several in days.values() for period in several]
    if not whole:
        return
    first, until = min(one.first for one in whole), max(one.until for one in whole)
    edges = {
        zone: slot_edges(CIVIL_DAY, zone, midnight(zone, first), midnight(zone, until)) for zone in set(zones.values())
    }
    held = _held([item.pseudonym for item in items], direction)
    there = _by_day(held, {item.pseudonym: edges[zones[item.pk]] for item in items})
    finest_s = min(map(slot_s, scope.granularities))
    for item in items:
        lengths = np.diff(edges[zones[item.pk]])
        nothing = np.zeros(len(lengths), np.int64), np.full(len(lengths), finest_s, np.int64)
        present, slots = there.get(item.pseudonym, nothing)
        due = _due(days[item.pk], first, len(lengths))
        for grain in (CIVIL_WEEK, CIVIL_MONTH):
            due_slots = _due(_whole_slots(days[item.pk], grain), first, len(lengths))
            due = np.where(slots == slot_s(str(grain)), due_slots, due)
        expected = np.where(due, np.maximum(1, lengths // slots), 0)
        yield PointDays(item, direction, first, present, expected, item.pseudonym in held)


def _due(days: Sequence[Period], first: date, count: int) -> NDArray[np.bool_]:
    """Which of so many days from the first on are among these."""
    due = np.zeros(count, np.bool_)
    for period in days:
        due[(period.first - first).days : (period.until - first).days] = True
    return due


def _whole_slots(days: Sequence[Period], grain: Granularity) -> list[Period]:
    """The weeks or months that are whole in these days: of any other no value is ever had."""
    cut = [(days_around(grain, one.first - DAY)[1], days_around(grain, one.until)[0]) for one in days]
    return [Period(first=first, until=until) for first, until in cut if first < until]


def _cut(days: Sequence[Period], within: Period | None) -> list[Period]:
    """The days that are within those given."""
    if within is None:
        return list(days)
    cut = [(max(one.first, within.first), min(one.until, within.until)) for one in days]
    return [Period(first=first, until=until) for first, until in cut if first < until]


def _days(said: dict[str, Any] | None, scope: DataScope, today: date) -> list[Period]:
    """The holder's days of a point, by the answer for it, that are over and within the activation's period."""
    answer = ItemAnswer.model_validate(said) if said else None
    bound = scope.period or Period(first=date(1970, 1, 1), until=today)
    readings = answer.readings if answer and answer.readings else bound
    stretches = answer.stretches if answer and answer.stretches else (readings,)
    cut = [(max(one.first, bound.first), min(one.until, bound.until, today)) for one in stretches]
    return [Period(first=first, until=until) for first, until in cut if first < until]


def _held(pseudonyms: Sequence[str], direction: str) -> dict[str, list[Series]]:
    """What is held of each pseudonym, the finest first."""
    found = Series.objects.filter(pseudonym__in=pseudonyms, direction=direction, is_forecast=False, withdrawn_at=None)
    held: dict[str, list[Series]] = {}
    for one in sorted(found.exclude(received_at=None), key=lambda one: slot_s(one.granularity)):
        held.setdefault(one.pseudonym, []).append(one)
    return held


def _by_day(
    held: Mapping[str, Sequence[Series]], edges: Mapping[str, NDArray[np.int64]]
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """How many values there are of each pseudonym on each day, and how long their slots are, in seconds.

    A day is that of the finest series with a value on it; a coarser one is looked at where a finer one has none.
    """
    found = {}
    for name, several in held.items():
        days = len(edges[name]) - 1
        found[name] = np.zeros(days, np.int64), np.full(days, slot_s(several[0].granularity), np.int64)
    for level in range(max(map(len, held.values()), default=0)):
        coarser = {name: several[level] for name, several in held.items() if len(several) > level}
        some = {name: series for name, series in coarser.items() if (found[name][0] == 0).any()}
        for name, counts in _present(some, edges).items():
            present, slots = found[name]
            fresh = (present == 0) & (counts > 0)
            present[fresh], slots[fresh] = counts[fresh], slot_s(some[name].granularity)
    return found


def _present(held: Mapping[str, Series], edges: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """How many values are there of each pseudonym on each day; of one that has days, weeks or months only, one or none.

    Of a series that is whole over all the days nothing is read.
    """
    counts = {name: np.zeros(len(edges[name]) - 1, np.int64) for name in held}
    if not held:
        return counts
    names = {series.pk: name for name, series in held.items()}
    start, end = min(int(one[0]) for one in edges.values()), max(int(one[-1]) for one in edges.values())
    values = CivilValue.objects.filter(series__in=names, start_s__lt=end, end_s__gt=start)
    for number, begins_s, ends_s in values.values_list("series_id", "start_s", "end_s"):
        name = names[number]
        counts[name][slice(*np.searchsorted(edges[name], (begins_s, ends_s)).tolist())] = 1
    equal = [series for series in held.values() if not parse_granularity(series.granularity).civil]
    specs = sorted(map(spec, equal), key=lambda one: one.resolution_s)
    period = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    lacking = lake().lacking(specs, *period)
    for one in specs:
        if one.id not in lacking:
            counts[names[one.id]] = np.diff(edges[names[one.id]]) // one.resolution_s
    some = [one for one in specs if one.id in lacking]
    blocks = lake().read(some, *period) if some else ()
    for block in blocks:
        name = names[block.spec.id]
        slots = int(block.start.timestamp()) + np.flatnonzero(block.mantissas != MISSING) * block.spec.resolution_s
        place = np.searchsorted(edges[name], slots, side="right") - 1
        inside = place[(place >= 0) & (place < len(counts[name]))]
        counts[name] += np.bincount(inside, minlength=len(counts[name]))
    return counts
