"""Commands about rows set aside: let them into the lake as they are, or keep them out for good; who did it is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np
import structlog
from django.db import transaction
from django.db.models import QuerySet
from numpy.typing import NDArray

from meterhall.domain.errors import Conflict, InvalidInput
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.readings.curves import Quality
from meterhall.domain.readings.granularity import parse_granularity
from meterhall.domain.readings.rows import Rows, matrices
from meterhall.domain.readings.rules import JUDGEMENTS
from meterhall.provider.metering.civil import numbered, resting, zones_of
from meterhall.provider.metering.models import Decision, IngestRun, QuarantinedRow, RowState, Series
from meterhall.provider.metering.service import lake, spec
from meterhall.provider.metering.working import widen
from meterhall.web.platform import platform
from meterhall.web.sets import pieces, write_back
from meterhall.web.work.models import WorkState

log = structlog.get_logger(__name__)
MAY_BE_RELEASED = frozenset(rule.id for rule in JUDGEMENTS)
ESTIMATED = frozenset(code for code in Quality if Quality.MANUALLY_EDITED <= code <= Quality.MIXED) - {
    Quality.QUESTIONABLE
}
"""Qualities that say how a value came about, which a release does not change."""


class NothingHeld(Conflict):
    code = "nothing_held"
    title = "No row of the file that is still set aside fits."


class NotReleasable(Conflict):
    """Hand in what is right instead, or refuse the rows."""

    code = "not_releasable"
    title = "A row that breaks this rule cannot be kept as it is."


class OneSlotTwice(Conflict):
    code = "one_slot_twice"
    title = "Several of the rows are of one slot; say which one by its row."


def decide(
    run: IngestRun, *, releases: bool, by: str, rule: str = "", rows: Sequence[int] = (), reason: str = ""
) -> Decision:
    """Release or refuse the rows of a run that are set aside: those of a rule, or those at these places in the file.

    Released rows enter the lake in a moment, unless their slot got another value since. Deciding the same again is the
    same decision. Raises `NothingHeld`, `NotReleasable` and `OneSlotTwice`.
    """
    if not rule and not rows:
        raise InvalidInput("Say which rows: by their rule, or by their places in the file.", field="/rows")
    with transaction.atomic():
        chosen = _chosen(run, rule, rows)
        held = list(chosen.filter(state=RowState.HELD).select_for_update())
        if not held:
            return _decided_before(chosen, releases)
        if releases:
            _check(held)
        now = platform().now()
        decision = Decision.objects.create(
            run=run, token=new_id("rel"), releases=releases, by=by[:120], at=now, reason=reason[:500], due_at=now,
            work_state=WorkState.PENDING if releases else WorkState.DONE,
        )  # fmt: skip
        state = RowState.RELEASING if releases else RowState.REFUSED
        for some in pieces(row.pk for row in held):
            QuarantinedRow.objects.filter(pk__in=some).update(state=state, decision=decision)
    log.info("quarantine.decided", run=run.pk, released=releases, rows=len(held))
    return decision


def _chosen(run: IngestRun, rule: str, rows: Sequence[int]) -> QuerySet[QuarantinedRow]:
    found = run.quarantine.all()
    found = found.filter(rule=rule) if rule else found
    return found.filter(row__in=rows[:1000]) if rows else found


def _decided_before(chosen: QuerySet[QuarantinedRow], releases: bool) -> Decision:
    known = Decision.objects.filter(rows__in=chosen, releases=releases).order_by("-pk").first()
    if known is None:
        raise NothingHeld(field="/rows")
    return known


def _check(held: Iterable[QuarantinedRow]) -> None:
    slots: Counter[tuple[int, int]] = Counter()
    for row in held:
        if row.rule not in MAY_BE_RELEASED or row.value is None or row.series_id is None or row.start_s is None:
            raise NotReleasable(f"Row {row.row} breaks {row.rule}: {row.sentence}", field="/rows")
        slots[row.series_id, row.start_s] += 1
    if max(slots.values()) > 1:
        raise OneSlotTwice(field="/rows")


def carry_out(decision: Decision) -> None:
    """Let the released rows in; safe to repeat after a crash anywhere. The lake commits first, under the token."""
    app = f"release/{decision.token}"
    rows = list(decision.rows.filter(state=RowState.RELEASING).select_related("series"))
    if lake().last_transaction(app) is None:
        late = _overtaken(rows, decision.run.finished_at or decision.at)
        _mark([row for row in rows if row.pk in late], RowState.OVERTAKEN)
        rows = [row for row in rows if row.pk not in late]
        if rows:
            known = _series(rows)
            days = list(matrices([spec(series) for series in known.values()], _as_rows(rows, known)))
            lake().put(days, available_at=platform().now(), transaction=(app, 1))
    with transaction.atomic():
        _mark(rows, RowState.RELEASED)
        widen(_series(rows), _spans(rows))
    log.info("quarantine.released", run=decision.run_id, rows=len(rows))


def _overtaken(rows: list[QuarantinedRow], then: datetime) -> set[int]:
    """The rows whose slot got a value since the file was worked in, and not theirs."""
    late: set[int] = set()
    by_series: dict[int, list[QuarantinedRow]] = {}
    for row in rows:
        by_series.setdefault(row.series_id or 0, []).append(row)
    known = _series(rows)
    for number, some in by_series.items():
        series = known[number]
        starts = _starts(some, {number: series})
        before, now = (_held_at(series, starts, known_at) for known_at in (then, None))
        values = np.array([row.value for row in some], np.int64)
        moved = (before != now) & (now != values)
        late |= {row.pk for row, is_late in zip(some, moved.tolist(), strict=True) if is_late}
    return late


def _held_at(series: Series, starts: NDArray[np.int64], known_at: datetime | None) -> NDArray[np.int64]:
    first = datetime.fromtimestamp(int(starts.min()), UTC)
    end = datetime.fromtimestamp(int(starts.max()) + series.resolution_s, UTC)
    blocks = lake().read([spec(series)], first, end, as_known_at=known_at)
    values = np.concatenate([block.mantissas for block in blocks])
    found: NDArray[np.int64] = values[(starts - int(starts.min())) // series.resolution_s]
    return found


def _series(rows: Iterable[QuarantinedRow]) -> dict[int, Series]:
    return {row.series_id: row.series for row in rows if row.series is not None and row.series_id is not None}


def _starts(rows: Sequence[QuarantinedRow], known: dict[int, Series]) -> NDArray[np.int64]:
    """Where the rows rest in the lake: at their start, those of civil days and months under their date."""
    starts = np.array([row.start_s for row in rows], np.int64)
    ids = np.array([row.series_id for row in rows], np.int64)
    zones = zones_of(one for one in known.values() if one.civil)
    for civil in {one.civil for one in known.values()} - {""}:
        grain = parse_granularity(civil)
        chosen = np.flatnonzero(np.isin(ids, [pk for pk, one in known.items() if one.civil == civil]))
        starts[chosen] = resting(grain, numbered(ids[chosen], starts[chosen], zones, grain))
    return starts


def _as_rows(rows: list[QuarantinedRow], known: dict[int, Series]) -> Rows:
    quality = [row.quality if row.quality in ESTIMATED else Quality.VALIDATED for row in rows]
    return Rows(
        np.array([row.series_id for row in rows], np.int64),
        _starts(rows, known),
        np.array([row.value for row in rows], np.int64),
        np.array(quality, np.uint8),
    )


def _spans(rows: list[QuarantinedRow]) -> dict[int, tuple[int, int]]:
    spans: dict[int, tuple[int, int]] = {}
    for row, start in zip(rows, _starts(rows, _series(rows)).tolist(), strict=True):
        number = row.series_id or 0
        first, last = spans.get(number, (start, start))
        spans[number] = min(first, start), max(last, start)
    return spans


def _mark(rows: list[QuarantinedRow], state: RowState) -> None:
    for row in rows:
        row.state = state
    write_back(rows, ["state"])
