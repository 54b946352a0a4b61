"""Working a file of readings into the lake: read in blocks, brought to series, checked, committed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from meterhall.domain.errors import InvalidInput, TooLarge
from meterhall.domain.readings.amounts import in_scale
from meterhall.domain.readings.checked import checked
from meterhall.domain.readings.curves import DAY_S, MISSING, Quality
from meterhall.domain.readings.granularity import Granularity
from meterhall.domain.readings.judging import Limits
from meterhall.domain.readings.rows import DayMatrix, Rows
from meterhall.domain.readings.rules import Rule
from meterhall.domain.readings.sequences import register_deltas, told_apart
from meterhall.provider.metering.civil import begun, day_after, numbered, place, resting, zones_of
from meterhall.provider.metering.held import Held
from meterhall.provider.metering.intake import Block, Profile, profile_of, read_blocks
from meterhall.provider.metering.intake.gathering import Gathering, Taken, joined, together
from meterhall.provider.metering.models import TOO_LATE, IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.register import SERIES_AT_ONCE, Register
from meterhall.provider.metering.resolution import lie_oddly, of_coarser, of_finer
from meterhall.provider.metering.service import bounded, ingest_folder, lake
from meterhall.web.ahead import ahead
from meterhall.web.platform import platform
from meterhall.web.sets import pieces, write_back

STUCK_DAYS, MONTH_DAYS = 7, 30
LEEWAY = timedelta(minutes=5)
"""By how much the meter-data system's clock may be ahead of ours."""


def work_in(run: IngestRun) -> None:
    """Put the run's rows into the lake, then write down what came of it; safe to repeat after a crash anywhere.

    The lake commits first, under the run's number; a repeated run finds its number there and only writes it down.
    """
    path = ingest_folder() / run.file
    if run.finished_at is not None and not path.exists():
        return  # all was done but the note of it
    if IngestRun.objects.filter(pk__gt=run.pk, problem="").exclude(finished_at=None).exists():
        refuse(run, TOO_LATE)
        path.unlink(missing_ok=True)
        return
    works, left = list[_Work](), [run.grain]
    profile, held = profile_of(run.profile), Held()
    while left:
        work = _Work(run, profile, left.pop(0), held, is_first=not works)
        works.append(work)
        if not work.ingest(path):
            break
        left += work.others
    if not run.problem:
        _write_down(run, works, held)
    if run.problem or not run.unlisted:
        path.unlink(missing_ok=True)


def refuse(run: IngestRun, reason: str) -> None:
    """Write down that nothing of a file was taken in."""
    run.problem, run.finished_at = reason[:500], platform().now()
    run.save(update_fields=["problem", "finished_at"])


class _Work:
    """One run's rows of one resolution on their way.

    The first work is of what the run was handed in as; rows that the file says are of another are left to one more
    each, which are its `others`.
    """

    def __init__(self, run: IngestRun, profile: Profile, grain: Granularity, held: Held, *, is_first: bool) -> None:
        self.run, self.profile, self.held, self._is_first = run, profile, held, is_first
        self.gathering = Gathering(ingest_folder() / f"run-{run.pk}")
        self.others: dict[Granularity, None] = {}
        self.count = self.opening = self.written = self.unchanged = 0
        self._grain, self._step_s, self._zones = grain, grain.period_s or DAY_S, dict[int, str]()
        self._register = Register(self._step_s, profile.scale, str(grain) if grain.civil else "")
        self._astray: Counter[int] = Counter()
        self._spans: dict[int, tuple[int, int]] = {}
        self._limits = limits(run.received_at, grain)
        self._latest_end = int((run.received_at + LEEWAY).timestamp())

    def ingest(self, path: Path) -> bool:
        """Put the rows of the file that are this work's into the lake, or find that they are there; False where the
        file is none and was refused as a whole."""
        app = "ingest" if self._is_first else f"ingest/{self._grain}"
        try:
            if not self._read(path):
                return False
            put = lake().put(ahead(self.parts()), available_at=platform().now(), transaction=(app, self.run.pk))
            if not put.applied:
                for _ in self.parts():
                    pass  # once more what is set aside, which nobody has written down yet
            self.written, self.unchanged = put.written, put.unchanged
        finally:
            self.gathering.clear()
        return True

    def _read(self, path: Path) -> bool:
        """Take in this work's rows of the file; a file that is none is refused, with the reason, and False is."""
        try:
            for block in read_blocks(path, self.profile, self._grain):
                if block.grain == self._grain or (block.grain is None and self._is_first):
                    self.take(block)
                elif block.grain is not None and self._is_first:
                    self.others[block.grain] = None
        except (InvalidInput, TooLarge) as fault:
            refuse(self.run, fault.detail)
            return False
        return True

    def take(self, block: Block) -> None:
        """Bring the rows of a block to their series; those that have none, or cannot be read, are set aside."""
        series = np.array(self._register.find(block.points), np.int64)[block.which]
        if self._grain.civil:
            fresh = (one for pk, one in self._register.series.items() if pk not in self._zones)
            self._zones |= zones_of(fresh)
            place(block, series, self._zones, self._grain)
            self._astray.update(series[(block.rules == Rule.MISALIGNED) & (series >= 0)].tolist())
        values = self._in_scale(block, series)
        kept = (block.rules == 0) & (series >= 0)
        self.count += len(block)
        aside = np.flatnonzero(~kept)
        if len(aside):
            rules = [
                (Rule(rule).id, Rule(rule).sentence) if rule else self._register.rules[block.points[which]]
                for rule, which in zip(block.rules[aside].tolist(), block.which[aside].tolist(), strict=True)
            ]
            self.held.of_block(block, aside, rules)
        counts = self.profile.registers if block.registers is None else block.registers
        register = np.broadcast_to(np.uint8(counts), len(block))
        taken = Taken(block.rows, series, block.starts, block.again_s, values, block.quality, register)
        self.gathering.add(taken if kept.all() else taken.where(kept))

    def _in_scale(self, block: Block, series: NDArray[np.int64]) -> NDArray[np.int64]:
        """The amounts as mantissas of their series; what is not whole there breaks the rule of units."""
        lengths, scales = self._lengths(block, series), self._register.scales()
        if len(scales) == 1 and len(lengths) == 1:
            return self._of_scale(block, series, slice(None), int(lengths[0]), scales.pop())
        values = block.stated.copy()
        for scale, slot_s in product(scales, np.unique(lengths).tolist()):
            ids = np.array(sorted(pk for pk, one in self._register.series.items() if one.scale == scale), np.int64)
            chosen = np.flatnonzero(np.isin(series, ids) & (lengths == slot_s))
            values[chosen] = self._of_scale(block, series, chosen, slot_s, scale)
        return values

    @staticmethod
    def _of_scale(
        block: Block, series: NDArray[np.int64], chosen: slice | NDArray[np.int64], slot_s: int, scale: int
    ) -> NDArray[np.int64]:
        values, broken, beyond = in_scale(block.stated[chosen], block.places, block.unit, slot_s, scale)
        rules = block.rules[chosen]
        rules[(broken | beyond) & (rules == 0) & (series[chosen] >= 0)] = Rule.UNIT
        block.rules[chosen] = rules
        return values

    def _lengths(self, block: Block, series: NDArray[np.int64]) -> NDArray[np.int64]:
        """How long each row's slot is, in seconds; one for all, but for a mean power of civil days or months."""
        if not (self._grain.civil and block.unit.is_power):
            return np.array([self._step_s], np.int64)
        numbers = numbered(series, block.starts, self._zones, self._grain)
        first, after = (begun(series, one, self._zones, self._grain) for one in (numbers, numbers + 1))
        return after - first

    def parts(self) -> Iterator[DayMatrix]:
        """The days of the rows that keep every rule; no two matrices share a series. The others are set aside."""
        self._spans = {}
        for share in self.gathering.parts():
            known = {pk: self._register.series[pk] for piece in share for pk in _distinct(piece.series_ids)}
            taken, rows = self._settled(share, known)
            specs = bounded(known.values(), self._register.power_of)
            days, aside = checked(specs, rows, self._limits)
            if len(aside):
                self.held.of_series(joined(taken).where(aside.rows), aside.rules, known)
            for matrix in days:
                self._stretch(matrix)
                yield matrix

    def _settled(self, pieces: list[Taken], known: dict[int, Series]) -> tuple[list[Taken], list[Rows]]:
        """The rows after what only a whole series says, and as they rest in the lake. What is unsure is set aside."""
        if self._grain.civil or any(piece.register.any() or piece.again_s.any() for piece in pieces):
            pieces = [self._in_sequence(joined(pieces), known)]
        pieces = self._at_resolution(pieces, known)
        starts = [piece.starts for piece in pieces]
        if self._grain.civil:
            over, at = self._resting(pieces[0], known)
            pieces, starts = [over], [at]
        pairs = zip(pieces, starts, strict=True)
        return pieces, [Rows(one.series_ids, start, one.values, one.quality) for one, start in pairs]

    def _in_sequence(self, taken: Taken, known: dict[int, Series]) -> Taken:
        """The rows after what only a whole series says: equal clock times told apart, registers made differences."""
        starts, unsure = told_apart(taken.series_ids, taken.starts, taken.again_s)
        if starts is not taken.starts:
            taken = replace(taken, starts=starts)
        if unsure.any():
            self.held.of_series(taken.where(unsure), np.full(unsure.sum(), Rule.CLOCK_TWICE, np.uint8), known)
            taken = taken.where(~unsure)
        counts = taken.register.astype(bool)
        if not counts.any():
            return taken
        counted = self._differences(taken.where(counts), known)
        return counted if counts.all() else together(counted, taken.where(~counts))

    def _differences(self, taken: Taken, known: dict[int, Series]) -> Taken:
        """What registers counted between their readings; what cannot be said is set aside."""
        ids, step = taken.series_ids, 1 if self._grain.civil else self._step_s
        at = numbered(ids, taken.starts, self._zones, self._grain) if self._grain.civil else taken.starts
        end = at + step * (self.profile.label == "end")
        deltas, rules, opens = register_deltas(ids, end, taken.values, step, self._rollover(taken, known))
        start = begun(ids, end - step, self._zones, self._grain) if self._grain.civil else end - step
        taken = replace(taken, starts=start, values=deltas)
        self.opening += int(opens.sum())
        broken = rules != 0
        if broken.any():
            self.held.of_series(taken.where(broken), rules[broken], known, has_value=False)
        return taken.where(~broken & ~opens)

    def _at_resolution(self, pieces: list[Taken], known: dict[int, Series]) -> list[Taken]:
        """The rows that lie as the slots of the file do; those of a series that lie as longer or shorter ones do are
        set aside. They are looked at where one series' do, or where it has others beside it."""
        fresh = {pk for pk, series in known.items() if series.first_day is None}
        beside, step = self._register.beside & known.keys(), self._step_s
        first = next((int(piece.series_ids[0]) for piece in pieces if len(piece)), -1)
        sample = [piece.starts[piece.series_ids == first] for piece in pieces]
        astray = self._grain.civil or lie_oddly(np.concatenate(sample), step, first in fresh)
        if not (beside or astray):
            return pieces
        taken = joined(pieces)
        ids, at, off = taken.series_ids, taken.starts, taken.starts % step != 0
        if self._grain.civil:
            at, step, off = numbered(ids, at, self._zones, self._grain), 1, np.zeros(len(taken), np.bool_)
        wrong = of_finer(ids, off, self._astray) | of_coarser(ids, at, step, fresh, beside)
        if wrong.any():
            self.held.of_series(taken.where(wrong), np.full(wrong.sum(), Rule.RESOLUTION, np.uint8), known)
            taken = taken.where(~wrong)
        return [taken]

    def _resting(self, taken: Taken, known: dict[int, Series]) -> tuple[Taken, NDArray[np.int64]]:
        """The rows of civil days and months that are over, and where they rest in the lake."""
        numbers = numbered(taken.series_ids, taken.starts, self._zones, self._grain)
        ends = begun(taken.series_ids, numbers + 1, self._zones, self._grain)
        early = (ends > self._latest_end) & (taken.quality != Quality.PROJECTED)
        if early.any():
            self.held.of_series(taken.where(early), np.full(early.sum(), Rule.FUTURE, np.uint8), known)
        return taken.where(~early), resting(self._grain, numbers[~early])

    def _rollover(self, taken: Taken, known: dict[int, Series]) -> NDArray[np.int64] | None:
        if self.profile.rollover is None:
            return None
        places = max(-int(self.profile.rollover.as_tuple().exponent), 0)
        stated = np.array([int(self.profile.rollover.scaleb(places))], np.int64)
        turns = np.full(max(known) + 1, MISSING, np.int64)
        for pk, series in known.items():
            made, broken, beyond = in_scale(stated, places, self.profile.unit, self._step_s, series.scale)
            turns[pk] = MISSING if broken[0] or beyond[0] else made[0]
        return turns[taken.series_ids]

    def _stretch(self, days: DayMatrix) -> None:
        """Remember from when to when each series has days that went in."""
        ids, first = np.unique(days.series_ids, return_index=True)
        last = np.append(first[1:], len(days)) - 1
        starts = days.days.astype(np.int64) * DAY_S
        spans = zip(starts[first].tolist(), starts[last].tolist(), strict=True)
        self._spans |= dict(zip(ids.tolist(), spans, strict=True))

    def widen(self) -> None:
        """Note which days there are now of each series."""
        widen(self._register.series, self._spans)


def _write_down(run: IngestRun, works: list[_Work], held: Held) -> None:
    """What came of the run, in one transaction; before it which days there are now of each series, which may be of a
    million and would keep every other writer waiting."""
    for work in works:
        work.widen()
    with transaction.atomic():
        run.quarantine.all().delete()
        for row in held.rows:
            row.run = run
        QuarantinedRow.objects.bulk_create(held.rows, batch_size=500)
        run.rows, run.opening = sum(work.count for work in works), sum(work.opening for work in works)
        run.quarantined, run.unlisted = len(held), len(held) - len(held.rows)
        run.days_written = sum(work.written for work in works)
        run.days_unchanged = sum(work.unchanged for work in works)
        run.finished_at = platform().now()
        run.save()


def _distinct(series_ids: NDArray[np.int64]) -> list[int]:
    """The distinct ids, sorted; without a sort where they are near each other."""
    low, high = int(series_ids.min()), int(series_ids.max())
    if high - low > 4 * len(series_ids) + 1_000_000:
        return [int(one) for one in np.unique(series_ids)]
    seen = np.zeros(high - low + 1, np.bool_)
    seen[series_ids - low] = True
    found: list[int] = (np.flatnonzero(seen) + low).tolist()
    return found


def limits(received_at: datetime, grain: Granularity) -> Limits:
    """What the provider holds its readings against, of a file that came in then.

    Civil days are stuck after a week, months never; a month counts as thirty days. When a civil period ends the zone
    says, and `_Work` looks after it.
    """
    config = platform().config
    stuck_h = config.stuck_hours
    if grain.civil and stuck_h:
        stuck_h = 0 if grain.monthly else max(stuck_h, STUCK_DAYS * 24)
    return Limits(
        spike_times=config.spike_times,
        spike_floor_w=config.spike_floor_w * (MONTH_DAYS if grain.monthly else 1),
        stuck_h=stuck_h,
        stuck_floor_w=config.stuck_floor_w,
        latest_end=None if grain.civil else int((received_at + LEEWAY).timestamp()),
    )


def widen(known: dict[int, Series], spans: dict[int, tuple[int, int]]) -> None:
    """Widen the known days of each series by the first and the last start of what went in, some thousands at a time."""
    wider = []
    for pk, (first, last) in spans.items():
        series = known[pk]
        from_day = datetime.fromtimestamp(first, UTC).date()
        until = day_after(series.grain, datetime.fromtimestamp(last, UTC).date())
        if (series.first_day or until) <= from_day and (series.until_day or from_day) >= until:
            continue
        series.first_day = min(from_day, series.first_day or from_day)
        series.until_day = max(until, series.until_day or until)
        wider.append(series)
    for some in pieces(wider, SERIES_AT_ONCE):
        write_back(some, ["first_day", "until_day"])
