"""Few series over many days, straight out of the row groups they are in: a query engine would take the files whole.

What a file's end says of its row groups is kept, since files never change; what is in them is not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from meterhall.lake.engine import NO_ROWS, FilesGone, Span
from meterhall.lake.snapshot import LakeFile

COLUMNS: Final = ["series_id", "day", "version", "available_at", "values", "quality"]
FEW: Final = 16
"""Series that are worth seeking."""
MOST_ROWS: Final = 65_536
"""Rows in the row groups they are in: beyond that the engine's two hands are faster."""
ANYTHING: Final = np.iinfo(np.int64)
"""What may be in a row group that does not say it."""
KEPT_GROUPS: Final = 50_000
"""Row groups of which it is remembered which series are in them; about 50 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Footer:
    """What the end of a file says; of each row group the lowest and the highest series, and how many rows it has."""

    metadata: pq.FileMetaData
    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]
    rows: NDArray[np.int64]

    def holding(self, series_ids: NDArray[np.int64]) -> list[int]:
        """The row groups that may hold one of these series, sorted ids."""
        first = np.searchsorted(series_ids, self.lowest, side="left")
        last = np.searchsorted(series_ids, self.highest, side="right")
        found: list[int] = np.flatnonzero(first < last).tolist()
        return found


class Footers:
    """The footers of files, those used last kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Footer] = OrderedDict()
        self._groups = 0
        self._guard = Lock()

    def of(self, path: str) -> Footer:
        """Of the file at this path. Raises `FileNotFoundError`."""
        with self._guard:
            known = self._kept.get(path)
            if known is not None:
                self._kept.move_to_end(path)
                return known
        found = _footer(path)
        with self._guard:
            if path not in self._kept:
                self._kept[path] = found
                self._groups += found.metadata.num_row_groups
            while self._groups > KEPT_GROUPS and len(self._kept) > 1:
                self._groups -= self._kept.popitem(last=False)[1].metadata.num_row_groups
        return found


def _footer(path: str) -> Footer:
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    place = metadata.schema.names.index("series_id")
    of_series = [group.column(place).statistics for group in groups]
    return Footer(
        metadata,
        np.array([ANYTHING.min if one is None else one.min for one in of_series], np.int64),
        np.array([ANYTHING.max if one is None else one.max for one in of_series], np.int64),
        np.array([group.num_rows for group in groups], np.int64),
    )


def sought(footers: Footers, files: Sequence[LakeFile], span: Span, known_us: int | None) -> pa.Table | None:
    """The newest version of each day in the span as known at `known_us` if given: rows as `queries.days` gives them.

    None where it is more than is worth seeking. Raises `FilesGone`.
    """
    if len(span.series_ids) > FEW:
        return None
    found, left = [NO_ROWS], MOST_ROWS
    try:
        for file in files:
            footer = footers.of(file.path)
            groups = footer.holding(span.series_ids)
            left -= int(footer.rows[groups].sum())
            if left < 0:
                return None
            if groups:
                found.append(_rows(file.path, footer, groups, span))
    except FileNotFoundError as error:
        raise FilesGone from error
    rows = pa.concat_tables(found)
    if known_us is not None:
        rows = rows.filter(pa.array(rows["available_us"].to_numpy() <= known_us))
    return _newest(rows) if any(file.newest_version > 1 for file in files) else rows


def _rows(path: str, footer: Footer, groups: list[int], span: Span) -> pa.Table:
    """The rows of the span in these row groups."""
    with pq.ParquetFile(path, metadata=footer.metadata, memory_map=True) as file:
        read = file.read_row_groups(groups, columns=COLUMNS, use_threads=False)
    ids, days = read["series_id"].to_numpy(), read["day"].cast(pa.int32()).to_numpy()
    nearest = np.minimum(np.searchsorted(span.series_ids, ids), len(span.series_ids) - 1)
    inside = (span.series_ids[nearest] == ids) & (days >= span.first_day) & (days <= span.last_day)
    at = np.flatnonzero(inside)
    together = len(at) and at[-1] - at[0] + 1 == len(at)
    rows = read.slice(int(at[0]), len(at)) if together else read.take(pa.array(at))
    columns = [rows[name].cast(pa.int64()) if name == "available_at" else rows[name] for name in COLUMNS]
    return pa.Table.from_arrays(columns, schema=NO_ROWS.schema)


def _newest(rows: pa.Table) -> pa.Table:
    ids, days = rows["series_id"].to_numpy(), rows["day"].cast(pa.int32()).to_numpy()
    order = np.lexsort((rows["version"].to_numpy(), days, ids))
    ids, days = ids[order], days[order]
    is_last = np.ones(len(order), np.bool_)
    is_last[:-1] = (ids[1:] != ids[:-1]) | (days[1:] != days[:-1])
    return rows.take(pa.array(order[is_last]))
