"""What a page of the change feed tells: the changed slots of each series as curves, in the granularity it is told in.

Of several series of a point and direction a civil day is told from the one that serves it, and from no other. What is
told in civil days, weeks and months is made in `civil_changes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import Curve, LoadCurve
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.granularity import Granularity, parse_granularity
from meterhall.domain.readings.overlay import in_granularity
from meterhall.provider.deliveries.civil_changes import civil_changes
from meterhall.provider.deliveries.entitled import Entitled
from meterhall.provider.metering.civil import civil_days_of
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import can_be_had, lake, spec
from meterhall.provider.metering.serving import (
    Line,
    cuts_hours,
    each_day,
    lines_of,
    load_curve_of,
    shown_days,
    whole_months,
)
from meterhall.provider.points.holders import FOREVER

DAY, MOMENT = timedelta(days=1), timedelta(seconds=1)
Stretch = tuple[datetime, datetime]
Pair = tuple[Series, date]
"""A series and a UTC day of it in which something changed."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What an activation is told: each series in a granularity, by its primary key; and what may be had, by point."""

    grains: Mapping[int, Granularity]
    lines: Mapping[Line, Sequence[Series]]
    may: Mapping[int, Entitled]

    @property
    def series(self) -> dict[int, Series]:
        """The series that are told."""
        return {one.pk: one for several in self.lines.values() for one in several}

    def curves(self, page: Iterable[tuple[int, date]]) -> Iterator[tuple[Entitled, Curve]]:
        """The curves that these (series, UTC day) pairs are told as."""
        known = self.series
        pairs = [(known[number], day) for number, day in page]
        alone = [pair for pair in pairs if len(self._beside(pair[0])) == 1]
        shown = self._shown([pair for pair in pairs if len(self._beside(pair[0])) > 1])
        stretches: dict[int, list[Stretch]] = {}
        days: dict[int, set[date]] = {number: days for number, days in shown.items() if self.grains[number].civil}
        for one, day in alone:
            if self.grains[one.pk].civil:
                days.setdefault(one.pk, set()).update(each_day(civil_days_of(one, day, self._zone(one))))
            else:
                stretches.setdefault(one.pk, []).append((_utc(day), _utc(day + DAY)))
        for number in shown.keys() - days.keys():
            stretches[number] = _by_utc_day(sorted(shown[number]), self._zone(known[number]))
        yield from self._timed(stretches)
        beside = {self._line(known[number]) for number in shown}
        civil = [(known[number], some) for number, some in days.items()]
        yield from civil_changes(civil, self.grains, self.may, beside)

    def _shown(self, pairs: Sequence[Pair]) -> dict[int, set[date]]:
        """Of series beside others the civil days that changed and are told from that very series."""
        found: dict[int, set[date]] = {}
        zones = {one.point_id: self.may[one.point_id].point.zone for one, _ in pairs}
        for wanted in {self._common(one) for one, _ in pairs}:
            some = [pair for pair in pairs if self._common(pair[0]) == wanted]
            found |= shown_days(some, self.lines, zones, wanted)
        known = self.series
        return {number: whole_months(days) if known[number].grain.monthly else days for number, days in found.items()}

    def _common(self, series: Series) -> Granularity | None:
        """The granularity all series of a point and direction are told in; None where they differ."""
        grains = {self.grains[one.pk] for one in self._beside(series)}
        return grains.pop() if len(grains) == 1 else None

    def _timed(self, stretches: Mapping[int, list[Stretch]]) -> Iterator[tuple[Entitled, Curve]]:
        """The slots of one length in these stretches, each cut to what is the holder's of it; all in one read."""
        if not any(stretches.values()):
            return
        known = self.series
        some = sorted((known[number] for number in stretches), key=lambda one: (one.resolution_s, one.pk))
        every = [stretch for several in stretches.values() for stretch in several]
        start, end = _utc(min(every)[0].date()), _utc((max(end for _, end in every) - MOMENT).date() + DAY)
        blocks = lake().read([spec(one) for one in some], start, end)
        for number, run in groupby(blocks, key=lambda block: block.spec.id):
            one = known[number]
            mine = self.may[one.point_id]
            whole = load_curve_of(one, mine.item.pseudonym, list(run))
            for first, until in _of_holder(stretches[number], mine):
                low, high = (int((at - start).total_seconds()) // one.resolution_s for at in (first, until))
                values, quality = whole.mantissas[low:high], whole.quality[low:high]
                curve = LoadCurve(whole.series, first, values, quality, whole.available_at)
                yield mine, in_granularity(curve, self.grains[number], self._zone(one))

    def _line(self, series: Series) -> Line:
        return series.point_id, series.direction

    def _beside(self, series: Series) -> Sequence[Series]:
        return self.lines[self._line(series)]

    def _zone(self, series: Series) -> ZoneInfo:
        return ZoneInfo(self.may[series.point_id].point.zone)


def telling(known: Iterable[Series], scope: DataScope, may: Mapping[int, Entitled]) -> Telling:
    """How these series of points that may be had are told under a scope; some are not."""
    grains = {one.pk: grain for one in known if (grain := finest(one, scope)) is not None}
    lines = lines_of(one for one in known if one.direction in scope.directions and one.pk in grains)
    whole = {line: [one for one in several if not cuts_hours(one)] for line, several in lines.items()}
    return Telling(grains, {line: whole[line] or several[:1] for line, several in lines.items()}, may)


def finest(series: Series, scope: DataScope) -> Granularity | None:
    """The finest granularity of the scope the series can be had in: what the feed tells it in."""
    grains = [parse_granularity(name) for name in scope.granularities]
    fitting = [one for one in grains if can_be_had(series, one) and not (one.civil and cuts_hours(series))]
    return min(fitting, key=lambda one: (one.most_days, one.period_s), default=None)


def _by_utc_day(days: Sequence[date], zone: ZoneInfo) -> list[Stretch]:
    """Civil days, in order, as stretches of which none lies in two UTC days; those that follow each other as one."""
    found: list[Stretch] = []
    for day in days:
        start, end = midnight(zone, day), midnight(zone, day + DAY)
        edges = [start, *(at for at in (_utc(start.date() + n * DAY) for n in (1, 2)) if start < at < end), end]
        for first, until in pairwise(edges):
            if found and found[-1][1] == first and first.time() != time():
                found[-1] = found[-1][0], until
            else:
                found.append((first, until))
    return found


def _of_holder(stretches: Iterable[Stretch], mine: Entitled) -> Iterator[Stretch]:
    zone = ZoneInfo(mine.point.zone)
    held = [(midnight(zone, days.first), _end(days, zone)) for days in mine.days]
    for start, end in stretches:
        for first, until in held:
            cut = max(start, first), min(end, until)
            if cut[0] < cut[1]:
                yield cut


def _end(days: Period, zone: ZoneInfo) -> datetime:
    return datetime.max.replace(tzinfo=UTC) if days.until == FOREVER else midnight(zone, days.until)


def _utc(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
