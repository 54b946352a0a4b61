"""Groups of the provider's own points: who is in one in which month, whether it may be told, and its measures.

No consent is asked: nothing of a single point leaves. What guards it is in `domain.privacy`; see docs/privacy.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby, pairwise
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.errors import InvalidInput
from meterhall.domain.privacy import (
    GroupTooSmall,
    check_difference,
    check_group,
    withheld_slots,
)
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest, GroupAnswer, GroupMonth, GroupOf, Measure
from meterhall.domain.readings import MISSING, CivilCurve, CivilSeries, Curve, Direction, LoadCurve, Quality
from meterhall.domain.readings import Series as CurveSeries
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.civil_numbers import days_around
from meterhall.domain.readings.granularity import GranularityUnavailable, parse_granularity
from meterhall.domain.readings.groups import rescaled
from meterhall.domain.readings.measures import measured
from meterhall.domain.readings.overlay import overlaid
from meterhall.domain.readings.rows import instant_of
from meterhall.lake.lake import NEVER_US, SeriesBlock
from meterhall.provider.deliveries.groups import (
    answered,
    check_granularity,
    check_measures,
    curve_names,
    names_of,
    seen_alone,
)
from meterhall.provider.deliveries.models import Delivery, FrozenGroup, GroupAnswered
from meterhall.provider.metering.civil import curve_of, span, zones_of
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, spec
from meterhall.provider.metering.serving import finest_first, lines_of, load_curve_of, serving
from meterhall.provider.points.models import Point
from meterhall.web.platform import platform
from meterhall.web.sets import pieces

VALUES_AT_ONCE: Final = 4_000_000
"""Of members times slots, 32 MB; a day of a larger group is read all the same."""


class MonthNotBegun(InvalidInput):
    code = "month_not_begun"
    title = "Who is in a group is settled when a month begins; this one has not begun."


@dataclass(frozen=True, slots=True)
class Stretch:
    """The days of a request in one month, and who is in the group then, in one direction."""

    days: Period
    month: date
    direction: str
    points: frozenset[int]


@dataclass(frozen=True, slots=True)
class Told:
    """A stretch as it is told: whether slots were withheld, and whether a value is another than when told before."""

    stretch: Stretch
    withheld: bool
    is_news: bool


@dataclass(slots=True)
class Answer:
    """The curves of a group and what the manifest says of them."""

    curves: list[Curve]
    group: GroupAnswer
    stretches: list[Told]
    at: datetime
    """The values are those known then."""


def months_of(period: Period) -> Iterator[Period]:
    """The days of a period, month by month."""
    first = period.first
    while first < period.until:
        after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        yield Period(first=first, until=min(after, period.until))
        first = after


def stretches_of(request: DataRequest, over: GroupOf) -> list[Stretch]:
    """The request cut into months and directions, its members settled. Raises `MonthNotBegun`."""
    today = platform().now().astimezone(ZoneInfo(platform().config.zone)).date()
    found: list[Stretch] = []
    for direction in request.directions:
        for days in months_of(request.period):
            month = days.first.replace(day=1)
            if month > today:
                raise MonthNotBegun(field="/period")
            found.append(Stretch(days, month, direction, frozen(over, direction, month)))
    return found


def told_stretches(request: DataRequest, over: GroupOf, minimum: int, *, forecast: bool) -> list[Stretch]:
    """The stretches a delivery tells of. A forecast does without the months in which the group was still too small.

    Raises `MonthNotBegun`.
    """
    found = stretches_of(request, over)
    if not forecast:
        return found
    kept: list[Stretch] = []
    for one in reversed(found):
        later = kept and kept[-1].direction == one.direction
        if later and (len(one.points) < minimum or kept[-1].days.first != one.days.until):
            continue
        kept.append(one)
    return kept[::-1]


def frozen(over: GroupOf, direction: str, month: date) -> frozenset[int]:
    """The members of a group in a month: those it was settled with, or settled now and kept; a group of none is not."""
    name = {
        "area": over.area or "",
        "postal_code": over.postal_code or "",
        "usage_class": over.usage_class or "",
        "direction": direction,
        "month": month,
    }
    known = FrozenGroup.objects.filter(**name).first()
    if known is not None:
        return frozenset(known.points)
    points = _members(over, direction, month)
    if not points:
        return frozenset()
    defaults = {"points": points, "frozen_at": platform().now()}
    return frozenset(FrozenGroup.objects.get_or_create(**name, defaults=defaults)[0].points)


def _members(over: GroupOf, direction: str, month: date) -> list[int]:
    """The real points that fit and were measured in this direction on the month's first day."""
    points = Point.objects.filter(is_sandbox=False)
    for name, value in over.document().items():
        points = points.filter(**{name: value})
    measuring = points.filter(series__direction=direction, series__first_day__lte=month)
    return sorted(set(measuring.values_list("pk", flat=True)))


def freeze_begun() -> None:
    """Settle this month's members of every group that was asked for last month."""
    today = platform().now().astimezone(ZoneInfo(platform().config.zone)).date()
    month = today.replace(day=1)
    before = date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1)
    for one in FrozenGroup.objects.filter(month=before):
        over = GroupOf(area=one.area or None, postal_code=one.postal_code or None, usage_class=one.usage_class or None)
        frozen(over, one.direction, month)


def check_stretches(stretches: Iterable[Stretch], request: DataRequest, minimum: int) -> None:
    """Refuse, with `GroupTooSmall`, what alone, by a percentile, or held against what was given, tells of few."""
    for one in stretches:
        check_group(len(one.points), minimum, field="/over")
        check_measures(request, len(one.points), minimum)
        earlier = [frozenset(other.points) for other in answered(one.days, [one.direction])]
        check_difference(one.points, earlier, minimum, field="/over")
        left = one.points - seen_alone(set(one.points), one.days)
        if 0 < len(left) < minimum:
            raise GroupTooSmall("Too few of its members are not known one by one.", field="/over")


def note_answer(delivery: Delivery, request: DataRequest, answer: Answer) -> None:
    """Remember what is told, for good. Raises `GroupGranularity` where it would undo what was withheld."""
    for told in answer.stretches:
        one, said = told.stretch, (request.granularity, told.withheld)
        given = answered(one.days, [one.direction])
        check_granularity(given, one.points, *said)
        same = [
            Period(first=other.first, until=other.until)
            for other in given
            if (other.granularity, other.withheld) == said and frozenset(other.points) == one.points
        ]
        GroupAnswered.objects.bulk_create(
            GroupAnswered(
                delivery=delivery,
                first=days.first,
                until=days.until,
                directions=[one.direction],
                points=sorted(one.points),
                granularity=request.granularity,
                withheld=told.withheld,
                answered_at=answer.at,
            )
            for days in ([one.days] if told.is_news else _besides(one.days, same))
        )


def _besides(days: Period, told: Iterable[Period]) -> list[Period]:
    """The days that none of these periods has, in stretches."""
    left = [days]
    for one in told:
        before = [Period(first=part.first, until=min(part.until, one.first)) for part in left if part.first < one.first]
        after = [Period(first=max(part.first, one.until), until=part.until) for part in left if one.until < part.until]
        left = before + after
    return left


def answer(
    delivery: Delivery,
    request: DataRequest,
    over: GroupOf,
    stretches: Sequence[Stretch],
    minimum: int,
    known_at: datetime | None = None,
) -> Answer:
    """The measures of the group over the period: a curve each, in each direction, under a name of its own.

    Of values as they were known then; by now where it is not said.
    """
    names, now = names_of(delivery, request), known_at or platform().now()
    curves: list[Curve] = []
    months: list[GroupMonth] = []
    noted: list[Told] = []
    for direction in request.directions:
        mine = [one for one in stretches if one.direction == direction]
        tables = [_Table(request, one, tuple(names), minimum) for one in mine]
        for table in tables:
            table.fill(now)
            months.append(table.told())
            noted.append(Told(table.stretch, table.withheld > 0, table.is_news))
        curves += [_joined(name, one, direction, request, tables) for one, name in names.items()]
    return Answer(curves, GroupAnswer(over=over, curves=curve_names(names), months=tuple(months)), noted, now)


class _Table:
    """The measures of one stretch, filled a few days at a time."""

    def __init__(self, request: DataRequest, stretch: Stretch, measures: Sequence[Measure], minimum: int) -> None:
        self.stretch = stretch
        self._minimum = minimum
        self._told = [
            (Period(first=other.first, until=other.until), other.answered_at)
            for other in answered(stretch.days, [stretch.direction])
            if other.answered_at and frozenset(other.points) == stretch.points
        ]
        self._wanted = parse_granularity(request.granularity)
        self._measures, self._zone = measures, ZoneInfo(platform().config.zone)
        found = Series.objects.filter(direction=stretch.direction)
        known = [one for some in pieces(stretch.points) for one in found.filter(point__in=some)]
        lines = lines_of(known).items()
        self._serving = {point: serving(several, self._wanted) for (point, _), several in lines}
        if not self._serving:
            raise GroupTooSmall("Nothing is kept of its members any more.", field="/over")
        self.scale = min(one.scale for several in self._serving.values() for one in several)
        self.edges: list[NDArray[np.int64]] = []
        self.values: dict[Measure, list[NDArray[np.int64]]] = {one: [] for one in measures}
        self.known: datetime | None = None
        self.there = self.expected = self.withheld = 0
        self.is_news = False

    def told(self) -> GroupMonth:
        """What the manifest says of it."""
        return GroupMonth(
            month=self.stretch.month,
            direction=self.stretch.direction,
            pods=len(self.stretch.points),
            values=self.there,
            expected=self.expected,
            withheld=self.withheld,
        )

    def fill(self, now: datetime) -> None:
        """Read what is known of the members by now, and measure it, some slots at once."""
        for days in self._pieces():
            matrix, edges = self._matrix(days, now)
            told = [self._matrix(days, at)[0] for at in self._told_at(days)]
            step = max(VALUES_AT_ONCE // len(matrix), 1)
            for at in range(0, matrix.shape[1], step):
                cut = slice(at, at + step)
                self._measure(matrix[:, cut], [before[:, cut] for before in told])
            self.edges.append(edges)

    def _measure(self, values: NDArray[np.int64], before: Sequence[NDArray[np.int64]]) -> None:
        there = values != MISSING
        self.is_news |= any(bool((one != values).any()) for one in before)
        hidden = withheld_slots([*before, values], platform().config.largest_share_percent, self._minimum)
        self.there += int(there.sum())
        self.expected += values.size
        self.withheld += int((there.all(axis=0) & hidden).sum())
        for one, found in measured(values, self._measures).items():
            self.values[one].append(np.where(hidden, MISSING, found))

    def _told_at(self, days: Period) -> list[datetime]:
        """When these days were told before; of a week or month that is one slot, when one of its days was."""
        return sorted(
            {
                at
                for told, at in self._told
                if days.within(told)
                or (self._wanted.most_days > 1 and told.first < days.until and days.first < told.until)
            }
        )

    def _pieces(self) -> Iterator[Period]:
        """The days in runs that may be held at once, each told before as a whole or not; of a week or month that
        is one slot all there are."""
        days = self.stretch.days
        if self._wanted.most_days > 1:
            while days.first < days.until:
                after = min(days_around(self._wanted, days.first)[1], days.until)
                yield Period(first=days.first, until=after)
                days = Period(first=after, until=days.until)
            return
        most = max(VALUES_AT_ONCE // (max(len(self.stretch.points), 1) * 96), 1)
        first, until = self.stretch.days.first.toordinal(), self.stretch.days.until.toordinal()
        bounds = {day.toordinal() for told, _ in self._told for day in (told.first, told.until)}
        edges = sorted({first, until, *(one for one in bounds if first < one < until)})
        for start, end in pairwise(edges):
            for at in range(start, end, most):
                yield Period(first=date.fromordinal(at), until=date.fromordinal(min(at + most, end)))

    def _matrix(self, days: Period, at: datetime) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The members' values in the granularity asked for, as known at an instant, and the slots' edges.

        The shape is (members, slots); a member of which nothing is kept is missing throughout.
        """
        table = self._table(days, at)
        return self._overlaid(days, at) if table is None else table

    def _table(self, days: Period, at: datetime) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """The matrix as the lake reads it where every member has one series, all of the same equal slots and scale."""
        several = list(self._serving.values())
        kinds = {(one.resolution_s, one.civil, one.scale) for of in several for one in of}
        step_s, (resolution_s, civil, _) = self._wanted.period_s, next(iter(kinds))
        start, end = (midnight(self._zone, day).astimezone(UTC) for day in (days.first, days.until))
        cut = not step_s or step_s % resolution_s or int(start.timestamp()) % step_s or int(end.timestamp()) % step_s
        if cut or civil or len(kinds) > 1 or any(len(of) > 1 for of in several):
            return None
        values, known_us = lake().table([spec(of[0]) for of in several], start, end, step_s, as_known_at=at)
        newest = int(known_us.max())
        if newest != NEVER_US:
            self.known = max(instant_of(newest), self.known or instant_of(newest))
        silent = np.full((len(self.stretch.points) - len(values), values.shape[1]), MISSING)
        edges = np.arange(int(start.timestamp()), int(end.timestamp()) + 1, step_s, dtype=np.int64)
        return np.concatenate((values, silent)) if len(silent) else values, edges

    def _overlaid(self, days: Period, at: datetime) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The matrix made of the members' curves."""
        matrix, edges, row = np.zeros((0, 0), np.int64), np.zeros(1, np.int64), 0
        waiting: dict[int, dict[int, Curve]] = {}
        for series, native, zone in self._natives(days, at):
            mine, several = waiting.setdefault(series.point_id, {}), self._serving[series.point_id]
            mine[series.pk] = native
            if len(mine) < len(several):
                continue
            curve = overlaid([mine[one.pk] for one in several], self._wanted, zone)
            del waiting[series.point_id]
            if not row:
                matrix, edges = np.full((len(self.stretch.points), len(curve)), MISSING), curve.edges
            elif not np.array_equal(curve.edges, edges):
                said = "Civil days, weeks or months of another zone than the group's are not of its slots."
                raise GranularityUnavailable(said, field="/granularity")
            there = np.where(curve.present, curve.mantissas, 0)
            matrix[row] = np.where(curve.present, rescaled(there, curve.series.scale, self.scale), MISSING)
            row += 1
        return matrix, edges

    def _natives(self, days: Period, at: datetime) -> Iterator[tuple[Series, Curve, ZoneInfo]]:
        """The curve of each series in its own slots, as known at an instant, and the zone of its days; those of one
        point not far apart, the coarsest last."""
        start, end = midnight(self._zone, days.first), midnight(self._zone, days.until)
        members = [self._serving[point] for point in sorted(self._serving)]
        batch = max(VALUES_AT_ONCE // (96 * max((days.until - days.first).days, 1)), 1)
        zones = zones_of(one for several in members for one in several if one.civil)
        alike = sorted(members, key=lambda several: [(one.civil, one.resolution_s) for one in several])
        for part in pieces(alike, batch):
            ordered = finest_first(one for several in part for one in several)
            for civil, run in groupby(ordered, key=lambda one: bool(one.civil)):
                by_number = {one.pk: one for one in run}
                between = span(days) if civil else (start, end)
                blocks = lake().read([spec(one) for one in by_number.values()], *between, as_known_at=at)
                for number, found in groupby(blocks, key=lambda block: block.spec.id):
                    one, mine = by_number[number], list(found)
                    self._heard(mine)
                    if civil:
                        zone = ZoneInfo(zones[number])
                        yield one, curve_of(one, "member", zone, days, [days], mine), zone
                    else:
                        yield one, load_curve_of(one, "member", mine), self._zone

    def _heard(self, blocks: list[SeriesBlock]) -> None:
        """Keep when the youngest of these values became known, where it is the youngest of all."""
        known = max((one.available_at for one in blocks if one.available_at), default=None)
        if known is not None:
            self.known = max(known, self.known or known)


def _joined(name: str, measure: Measure, direction: str, request: DataRequest, tables: Sequence[_Table]) -> Curve:
    """One measure over all months, at the finest scale of them. A week that lies in two months is a slot of both, in
    each without a value: its members are not the same."""
    scale = min(table.scale for table in tables)
    parts = []
    for table in tables:
        values = np.concatenate(table.values[measure])
        moved = rescaled(np.where(values == MISSING, 0, values), table.scale, scale)
        parts.append(np.where(values == MISSING, MISSING, moved))
    pieces_ = [edges for table in tables for edges in table.edges]
    starts, places = np.unique(np.concatenate([one[:-1] for one in pieces_]), return_index=True)
    edges, mantissas = np.append(starts, pieces_[-1][-1]), np.concatenate(parts)[places]
    quality = np.full(len(mantissas), Quality.DERIVED, np.uint8)
    known = max((table.known for table in tables if table.known), default=platform().now())
    wanted = parse_granularity(request.granularity)
    if wanted.civil:
        return CivilCurve(CivilSeries(name, wanted, Direction(direction), scale), edges, mantissas, quality, known)
    start = datetime.fromtimestamp(int(edges[0]), tz=ZoneInfo("UTC"))
    return LoadCurve(CurveSeries(name, wanted.period_s, Direction(direction), scale), start, mantissas, quality, known)
