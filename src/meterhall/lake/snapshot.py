"""Snapshots: which files hold which days in one state of the table. No row is read here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable

from meterhall.lake.layout import bucket_of


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One data file: where it is, and the ranges of what is in it, both ends included."""

    path: str
    month: str
    bucket: int
    first_day: int
    last_day: int
    newest_version: int
    last_sequence: int
    size_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the table: its Delta version, its files, its identity and its number of buckets."""

    version: int
    table_id: str
    buckets: int
    files: tuple[LakeFile, ...]

    @property
    def sequence(self) -> int:
        """The sequence of the youngest commit with data in it; 0 before the first."""
        return max((file.last_sequence for file in self.files), default=0)

    def covering(self, series_ids: Iterable[int], first_day: int, last_day: int) -> list[LakeFile]:
        """The files that may hold a day, from first to last (days since 1970), of one of these series."""
        buckets = {bucket_of(series_id, self.buckets) for series_id in series_ids}
        return [
            file
            for file in self.files
            if file.bucket in buckets and file.first_day <= last_day and file.last_day >= first_day
        ]

    def since(self, sequence: int) -> list[LakeFile]:
        """The files with something of a later commit in them."""
        return [file for file in self.files if file.last_sequence > sequence]

    def crowded(self, target_bytes: int) -> list[tuple[str, int]]:
        """The partitions, month and bucket, with more files than their size asks for."""
        sizes: dict[tuple[str, int], list[int]] = {}
        for file in self.files:
            sizes.setdefault((file.month, file.bucket), []).append(file.size_bytes)
        return [partition for partition, each in sizes.items() if len(each) > 1 + sum(each) // target_bytes]


def snapshot_of(table: DeltaTable, root: Path, buckets: int) -> Snapshot:
    """The state the table handle stands at."""
    actions = pa.table(table.get_add_actions(flatten=True))
    if not len(actions):
        return Snapshot(table.version(), str(table.metadata().id), buckets, ())
    days = {name: actions[name].cast(pa.int32()).to_pylist() for name in ("min.day", "max.day")}
    files = tuple(
        LakeFile(str(root / unquote(path)), month, bucket, first, last, newest, sequence, size, rows)
        for path, month, bucket, first, last, newest, sequence, size, rows in zip(
            actions["path"].to_pylist(),
            actions["partition.month"].to_pylist(),
            actions["partition.bucket"].to_pylist(),
            days["min.day"],
            days["max.day"],
            actions["max.version"].to_pylist(),
            actions["max.sequence"].to_pylist(),
            actions["size_bytes"].to_pylist(),
            actions["num_records"].to_pylist(),
            strict=True,
        )
    )
    return Snapshot(table.version(), str(table.metadata().id), buckets, files)
