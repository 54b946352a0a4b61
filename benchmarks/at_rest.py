"""How many bytes a reading takes at rest, of each packaged data set, against the entropy of its values.

Everything counts: all columns and what Parquet writes around them. The entropy is that of the values of the whole set,
each taken by itself (pooled, first order): what the best code would need that knows how often each value comes, and
nothing of what was before it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import homes
from benchmarks.measure import SCALE, Row, apart, tell

DATA_SETS = ("opengrid_2016", "citylearn")
BAR = 1.25


def at_rest(folder: Path) -> Iterator[Row]:
    """Each packaged data set through the intake into a lake, compacted."""
    for name in DATA_SETS if SCALE == 1 else DATA_SETS[:1]:
        yield from apart("benchmarks.at_rest", folder, name)


def measured(folder: Path, name: str) -> Iterator[Row]:
    home = homes.provider(folder / name, stuck_hours=0)
    from meterhall.demo import meters
    from meterhall.domain.pods import demonstration_pod
    from meterhall.provider.metering.service import lake

    packaged = meters.load(name)
    pods = {meter: demonstration_pod("IT", number).value for number, meter in enumerate(packaged.names)}
    homes.register(list(pods.values()))
    file = folder / f"{name}.parquet"
    file.write_bytes(meters.readings_file(packaged.rows, pods))
    homes.take(file, meters.RESOLUTION)
    lake().compact()
    files = [Path(one.path) for one in lake()._table.snapshot().files]
    values = packaged.rows["energy_wh"].drop_null()
    assert stored(files) == len(values)
    size = sum(file.stat().st_size for file in files)
    per_column = columns(files)
    named = f"Bytes a reading at rest, {name} ({len(values):,} readings in {len(files)} files)"
    yield Row(f"{named} / entropy", size / len(values), entropy_bytes(values), BAR, True)
    yield Row(f"{named}, its values alone / entropy", per_column["values"] / len(values), entropy_bytes(values))
    for column, bytes_ in per_column.most_common():
        yield Row(f"  {column} of {name}, bytes a reading", bytes_ / len(values))
    around = (size - per_column.total()) / len(values)
    yield Row(f"  around the columns of {name} (footers), bytes a reading", around)
    assert home.path.is_dir()


def entropy_bytes(values: pa.ChunkedArray) -> float:
    """Bytes a value by the pooled first-order entropy."""
    counts = pc.value_counts(values.combine_chunks()).field("counts").to_numpy()
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum() / 8)


def stored(files: list[Path]) -> int:
    """How many values are there."""
    return sum(
        pq.read_table(file, columns=["values"])["values"].combine_chunks().flatten().drop_null().__len__()
        for file in files
    )


def columns(files: list[Path]) -> Counter[str]:
    """Bytes of each column, in all files together."""
    found: Counter[str] = Counter()
    for file in files:
        about = pq.ParquetFile(file).metadata
        for group in range(about.num_row_groups):
            for number in range(about.num_columns):
                column = about.row_group(group).column(number)
                found[column.path_in_schema.partition(".")[0]] += column.total_compressed_size
    return found


if __name__ == "__main__":
    tell(measured(Path(sys.argv[1]), sys.argv[2]))
