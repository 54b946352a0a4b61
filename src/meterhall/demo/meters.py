"""The packaged meters: real households, hourly, in Wh, September to December 2016; `data/SOURCES.md` says whose."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FIRST_DAY = date(2016, 9, 1)
END_DAY = date(2017, 1, 1)
"""The packaged civil days, in Central European time: the first included, the last excluded."""
RESOLUTION = "PT1H"


@dataclass(frozen=True, slots=True)
class Meters:
    """One packaged file: its meters' names, its rows (`meter`, `start`, `energy_wh`) and what its source says."""

    names: tuple[str, ...]
    rows: pa.Table
    about: Mapping[str, str]


@cache
def load(name: str) -> Meters:
    """The packaged file `name` (`opengrid_2016`, `citylearn`)."""
    content = (files("meterhall.demo") / "data" / f"{name}.parquet").read_bytes()
    rows = pq.read_table(io.BytesIO(content))
    about = {key.decode(): value.decode() for key, value in (rows.schema.metadata or {}).items()}
    return Meters(tuple(pc.unique(rows["meter"]).to_pylist()), rows, about)


def readings_file(rows: pa.Table, pods: Mapping[str, str]) -> bytes:
    """The rows of the meters in `pods` (meter's name → POD) as the Parquet file a grid operator's system hands in."""
    chosen = rows.filter(pc.is_in(rows["meter"], pa.array(list(pods))))
    names = chosen["meter"].cast(pa.string()).to_pylist()
    table = pa.table(
        {"pod": [pods[name] for name in names], "start": chosen["start"], "energy_wh": chosen["energy_wh"]}
    )
    return written(table)


def written(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()
