"""Pieces of curves, as files carry them, made into curves and joined where they follow each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import CivilCurve, CivilSeries, Curve, Direction, Granularity, LoadCurve, Series
from meterhall.domain.readings.curves import MisalignedCurve
from meterhall.formats.base import MOST_SLOTS, DecodeError, FileTooLarge


def piece(
    usage_point: str,
    granularity: Granularity,
    direction: Direction,
    scale: int,
    edges: NDArray[np.int64],
    mantissas: NDArray[np.int64],
    quality: NDArray[np.uint8],
    available_at: datetime,
    field: str,
) -> Curve:
    """A curve of these columns; `edges` of equal slots may be just their first. Raises `DecodeError`."""
    try:
        if granularity.civil:
            civil = CivilSeries(usage_point, granularity, direction, scale)
            return CivilCurve(civil, edges, mantissas, quality, available_at)
        series = Series(usage_point, granularity.period_s, direction, scale)
        return LoadCurve(series, datetime.fromtimestamp(int(edges[0]), UTC), mantissas, quality, available_at)
    except (MisalignedCurve, OverflowError, OSError, ValueError) as fault:
        raise DecodeError(str(fault), field=field) from None


def joined(pieces: Iterable[Curve]) -> list[Curve]:
    """The curves the pieces make, series by series in the order they came.

    Pieces of one series that became known at the same time and follow each other without a gap are one curve. Raises
    `DecodeError` where two of a series overlap, and `FileTooLarge`.
    """
    kept: dict[object, list[Curve]] = {}
    slots = 0
    for one in pieces:
        slots += len(one)
        if slots > MOST_SLOTS:
            raise FileTooLarge
        if len(one):
            kept.setdefault((one.series, one.available_at), []).append(one)
    runs = [run for group in kept.values() for run in _runs(sorted(group, key=lambda one: one.start))]
    _check_overlaps(runs)
    return [_join(run) for run in runs]


def _runs(ordered: list[Curve]) -> Iterator[list[Curve]]:
    run = ordered[:1]
    for one in ordered[1:]:
        if run[-1].end != one.start:
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _check_overlaps(runs: list[list[Curve]]) -> None:
    ends: dict[object, datetime] = {}
    for run in sorted(runs, key=lambda run: run[0].start):
        series = run[0].series if run[0].series.scale == 0 else replace(run[0].series, scale=0)
        if series in ends and run[0].start < ends[series]:
            raise DecodeError(f"A slot of a usage point comes twice at {run[0].start}.", field="/start")
        ends[series] = run[-1].end


def _join(run: list[Curve]) -> Curve:
    if len(run) == 1:
        return run[0]
    mantissas = np.concatenate([one.mantissas for one in run])
    quality = np.concatenate([one.quality for one in run])
    first = run[0]
    if isinstance(first, CivilCurve):
        edges = np.concatenate([first.edges, *(one.edges[1:] for one in run[1:])])
        return CivilCurve(first.series, edges, mantissas, quality, first.available_at)
    return LoadCurve(first.series, first.start, mantissas, quality, first.available_at)


def parts(curves: Iterable[Curve], cut: Callable[[Curve], list[int]]) -> Iterator[Curve]:
    """Each curve cut before the slots `cut` names (ascending, without 0 and the end); empty curves are left out."""
    for curve in curves:
        bounds = [0, *cut(curve), len(curve)]
        for first, end in pairwise(bounds):
            if first < end:
                yield _slice(curve, first, end)


def _slice(curve: Curve, first: int, end: int) -> Curve:
    if (first, end) == (0, len(curve)):
        return curve
    mantissas, quality = curve.mantissas[first:end], curve.quality[first:end]
    if isinstance(curve, CivilCurve):
        return replace(curve, edges=curve.edges[first : end + 1], mantissas=mantissas, quality=quality)
    start = curve.start + first * curve.series.resolution
    return replace(curve, start=start, mantissas=mantissas, quality=quality)
