"""What comes of a data request: load curves of points, curves of a group, values that changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meterhall.client.completeness import Completeness
from meterhall.client.frames import as_pandas, frame_of
from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.deliveries import GroupMonth, Manifest
from meterhall.domain.protocol.deliveries import GroupOf as GroupOf
from meterhall.domain.readings import Curve

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class GroupUnclear(InvalidInput):
    code = "group_unclear"
    title = (
        "A group is of points, or over one place: area, area and usage_class, or postal_code; what is told of it are "
        "sum, mean, p10, p25, p50, p75, p90, each once."
    )


@dataclass(frozen=True, slots=True)
class LoadCurves:
    """What came of a data request: the frame, what is missing of it, and the provider's manifest."""

    frame: pl.DataFrame
    completeness: Completeness
    manifest: Manifest

    def to_pandas(self) -> pd.DataFrame:
        """The frame for pandas; needs pandas."""
        return as_pandas(self.frame)


@dataclass(frozen=True, slots=True)
class LiveCurves:
    """Curves as the provider had them at the moment of asking: the frame and what is missing of it. There is no signed
    manifest and no receipt."""

    frame: pl.DataFrame
    completeness: Completeness

    def to_pandas(self) -> pd.DataFrame:
        """The frame for pandas; needs pandas."""
        return as_pandas(self.frame)


@dataclass(frozen=True, slots=True)
class ChangedPage:
    """New and corrected values since the last page; a later one for the same slot replaces an earlier one."""

    frame: pl.DataFrame

    def to_pandas(self) -> pd.DataFrame:
        """The frame for pandas; needs pandas."""
        return as_pandas(self.frame)


@dataclass(frozen=True, slots=True)
class GroupCurves:
    """Curves of a group: the frame of load curves, with `measure` (sum, mean, p10 to p90) in place of `pod`.

    `months` says of each month and direction how many PODs were in the group, how many of the values expected there
    are, and how many slots are withheld since one POD is too much of the total.
    """

    frame: pl.DataFrame
    months: tuple[GroupMonth, ...]
    manifest: Manifest

    @classmethod
    def of(cls, curves: Iterable[Curve], manifest: Manifest) -> GroupCurves:
        """The curves of a delivery with `group`, each under the measure that its manifest names it by."""
        group = manifest.group
        measures = {one.pseudonym: one.measure for one in group.curves} if group else {}
        frame = frame_of(curves, measures).rename({"pod": "measure"})
        return cls(frame, group.months if group else (), manifest)

    def __str__(self) -> str:
        shown = [f"{one.month:%Y-%m} {one.direction}: {one.pods} PODs, {one.values} of {one.expected} values"
                 + (f", {one.withheld} slots withheld" if one.withheld else "") for one in self.months]  # fmt: skip
        return "; ".join(shown)

    def to_pandas(self) -> pd.DataFrame:
        """The frame for pandas; needs pandas."""
        return as_pandas(self.frame)
