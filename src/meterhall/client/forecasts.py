"""What is expected of the day ahead, as an engineer has it: the frame, and how wrong the same method was before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from meterhall.client.frames import as_pandas, frame_of
from meterhall.client.manifests import BadManifest
from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.deliveries import ForecastMade, Manifest
from meterhall.domain.readings import Curve

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class NotOfForecasts(InvalidInput):
    code = "not_of_forecasts"
    title = "The activation is of readings; what is expected of tomorrow needs one under an offer of forecasts."


@dataclass(frozen=True, slots=True)
class Forecasts:
    """A day that has not been: `frame` is one of load curves, every quality `projected`.

    `errors` says of each curve by which `method` it was made (`same_weekday`, `last_day`, `gradient_boosting`), from
    days before `known_until`, and what the back-test on `tested_days` days from `tested_from` to `tested_until` found:
    the mean absolute error of the method and of the seasonal-naive forecast in Wh a slot, and their ratio (null where
    the second is zero). `absent` names the curves of which there is none, with the code that says why. Of a group the
    first column is `measure`, else `pod`. They are made from readings as they were known at `known_at`.
    """

    frame: pl.DataFrame
    errors: pl.DataFrame
    absent: pl.DataFrame
    known_at: datetime
    manifest: Manifest

    @classmethod
    def of(cls, curves: Iterable[Curve], manifest: Manifest, pods: Mapping[str, str]) -> Forecasts:
        """The forecasts of a delivery; `pods` names the POD behind each pseudonym. Raises `BadManifest`."""
        if manifest.forecast is None:
            raise BadManifest("The manifest says of no forecast how it was made.", field="/forecast")
        first, names = "pod", pods
        if manifest.group is not None:
            first, names = "measure", {one.pseudonym: one.measure for one in manifest.group.curves}
        made = [one for part in manifest.parts for one in part.forecasts or ()]
        absent = [
            (names.get(one.pseudonym, one.pseudonym), one.direction, one.code) for one in manifest.forecast.absent
        ]
        frame, known_at = frame_of(curves, names).rename({"pod": first}), manifest.forecast.known_at
        return cls(frame, _errors(made, names, first), _absent(absent, first), known_at, manifest)

    @property
    def day(self) -> date:
        """The civil day they are of."""
        return self.manifest.period.first

    def __str__(self) -> str:
        said = f"{self.frame.height} values of {self.errors.height} curves expected for {self.day}"
        if self.errors.height:
            wrong, naive = (float(self.errors[name].to_numpy().mean()) for name in ("error_wh", "naive_error_wh"))
            said += f", wrong by {wrong:.1f} Wh a slot in the back-test (seasonal-naive: {naive:.1f})"
        return said + (f"; of {self.absent.height} there is none" if self.absent.height else "")

    def to_pandas(self) -> pd.DataFrame:
        """The frame for pandas; needs pandas."""
        return as_pandas(self.frame)


def _errors(made: list[ForecastMade], names: Mapping[str, str], first: str) -> pl.DataFrame:
    import polars as pl

    columns: dict[str, pl.DataType] = {
        first: pl.String(), "direction": pl.String(), "method": pl.String(), "known_until": pl.Date(),
        "tested_from": pl.Date(), "tested_until": pl.Date(), "tested_days": pl.Int64(), "error_wh": pl.Float64(),
        "naive_error_wh": pl.Float64(), "error_ratio": pl.Float64(),
    }  # fmt: skip
    rows = [
        (
            names.get(one.pseudonym, one.pseudonym), one.direction, one.method, one.known_until, one.tested.first,
            one.tested.until, one.tested_days, float(one.error_wh), float(one.naive_error_wh),
            None if one.error_ratio is None else float(one.error_ratio),
        )
        for one in made
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=columns, orient="row")


def _absent(rows: Sequence[tuple[str, str, str]], first: str) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        rows, schema={first: pl.String(), "direction": pl.String(), "code": pl.String()}, orient="row"
    )  # fmt: skip
