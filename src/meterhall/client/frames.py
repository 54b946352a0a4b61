"""Load curves as frames: one slot a row. A slot without a value has a row without one; zero is a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from meterhall.client.checks import granularity_of
from meterhall.domain.protocol.deliveries import ChangedValues
from meterhall.domain.readings import (
    MISSING,
    CivilCurve,
    CivilSeries,
    Curve,
    Direction,
    LoadCurve,
    Quality,
    Series,
    parse_granularity,
)
from meterhall.domain.readings.rows import epoch_us

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

QUALITIES = tuple(quality.name.lower() for quality in Quality)
COLUMNS = ("pod", "direction", "start", "resolution", "energy_wh", "quality", "available_at")


def schema() -> pl.Schema:
    """The columns of a frame: `pod`, `direction` (import, export, net), `start` (UTC), `resolution` (ISO 8601),
    `energy_wh` (null: missing), `quality` (null: missing), `available_at` (UTC)."""
    import polars as pl

    instant = pl.Datetime("us", "UTC")
    kinds = (pl.String(), pl.String(), instant, pl.String(), pl.Float64(), pl.Enum(QUALITIES), instant)
    return pl.Schema(dict(zip(COLUMNS, kinds, strict=True)))


def frame_of(curves: Iterable[Curve], pods: Mapping[str, str]) -> pl.DataFrame:
    """The curves as one frame. `pods` names the POD behind each pseudonym; others keep their pseudonym."""
    import polars as pl

    found, kinds = [curve for curve in curves if len(curve)], schema()
    if not found:
        return pl.DataFrame(schema=kinds)
    of = np.repeat(np.arange(len(found)), [len(curve) for curve in found])
    there = pl.Series(np.concatenate([curve.present for curve in found]))
    energy = [np.where(curve.present, curve.mantissas, 0) * 10.0**curve.series.scale for curve in found]
    places = _PLACE[np.concatenate([np.where(curve.present, curve.quality, 0) for curve in found])]
    columns = {
        "pod": _each([pods.get(curve.series.usage_point, curve.series.usage_point) for curve in found], of),
        "direction": _each([str(curve.series.direction) for curve in found], of),
        "start": pl.Series(np.concatenate([curve.starts for curve in found]) * 1_000_000).cast(kinds["start"]),
        "resolution": _each([str(granularity_of(curve)) for curve in found], of),
        "energy_wh": pl.Series(np.concatenate(energy)),
        "quality": pl.Series(QUALITIES, dtype=kinds["quality"]).gather(places),
        "available_at": _each([epoch_us(curve.available_at) for curve in found], of).cast(kinds["available_at"]),
    }
    empty = [pl.when(there).then(pl.col(name)).alias(name) for name in ("energy_wh", "quality")]
    return pl.DataFrame(columns).with_columns(empty)


_PLACE = np.zeros(256, np.int64)
"""Where the name of each quality code stands in `QUALITIES`."""
_PLACE[[int(quality) for quality in Quality]] = np.arange(len(QUALITIES))


def _each(values: list[Any], of: np.ndarray) -> pl.Series:
    """The value of each row's curve."""
    import polars as pl

    return pl.Series(values).gather(of)


def curve_of(values: ChangedValues) -> Curve:
    """An item of a change feed as a curve. Raises `MisalignedCurve` and `UnknownGranularity`."""
    grain, direction = parse_granularity(values.resolution), Direction(values.direction)
    mantissas = np.array([MISSING if value is None else value for value in values.values], np.int64)
    quality = np.array([code or 0 for code in values.quality], np.uint8)
    if values.edges is None:
        series = Series(values.pseudonym, grain.period_s, direction, values.scale)
        return LoadCurve(series, values.start, mantissas, quality, values.available_at)
    edges = np.array([int(edge.timestamp()) for edge in values.edges], np.int64)
    civil = CivilSeries(values.pseudonym, grain, direction, values.scale)
    return CivilCurve(civil, edges, mantissas, quality, values.available_at)


def as_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """The frame for pandas: the same columns, instants in UTC, `quality` as a category. Needs pandas, no PyArrow."""
    import pandas as pd

    def column(name: str) -> Any:
        values = frame[name]
        if values.dtype.is_temporal():
            return pd.to_datetime(values.to_numpy(), utc=True)
        if name == "quality":
            return pd.Categorical(values.cast(str).to_list(), categories=list(QUALITIES))
        return values.to_numpy() if values.dtype.is_numeric() else values.to_list()

    return pd.DataFrame({name: column(name) for name in frame.columns})
