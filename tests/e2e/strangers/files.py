"""Reading delivered files as anybody would, from the formats' own documentation: {(pseudonym, start): Wh or None}."""

from __future__ import annotations

import csv
import gzip
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ESPI = "{http://naesb.org/espi}"
ATOM = "{http://www.w3.org/2005/Atom}"
STEP = {"PT15M": timedelta(minutes=15), "PT1H": timedelta(hours=1)}

Readings = dict[tuple[str, datetime], int | None]

UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "zstd": lambda content: pa.CompressedInputStream(pa.BufferReader(content), "zstd").read(),
}


def read_csv(content: bytes) -> Readings:
    rows = csv.DictReader(io.StringIO(content.decode()))
    return {
        (row["usage_point"], datetime.fromisoformat(row["start"])): int(row["energy_wh"]) if row["energy_wh"] else None
        for row in rows
    }


def read_changes(items: list[dict[str, Any]]) -> Readings:
    """Lines of the change feed, which JSON lines are as well."""
    found: Readings = {}
    for item in items:
        start, step = datetime.fromisoformat(item["start"]), STEP[item["resolution"]]
        for slot, value in enumerate(item["values"]):
            found[item["pseudonym"], start + slot * step] = None if value is None else value * 10 ** item["scale"]
    return found


def read_jsonl(content: bytes) -> Readings:
    return read_changes([json.loads(line) for line in content.splitlines()])


def read_parquet(content: bytes) -> Readings:
    rows = pq.read_table(io.BytesIO(content)).to_pylist()
    return {
        (row["usage_point"], row["start"].astimezone(UTC)): None
        if row["mantissa"] is None
        else row["mantissa"] * 10 ** row["scale"]
        for row in rows
    }


def read_espi(content: bytes) -> Readings:
    """Every interval reading, under the usage point that its block's address names."""
    found: Readings = {}
    for entry in ET.fromstring(content).iter(f"{ATOM}entry"):
        block = entry.find(f"{ATOM}content/{ESPI}IntervalBlock")
        if block is None:
            continue
        href = next(link.attrib["href"] for link in entry.iter(f"{ATOM}link") if link.attrib["rel"] == "self")
        name = href.split("/UsagePoint/")[1].split("/")[0]
        for reading in block.iter(f"{ESPI}IntervalReading"):
            start = int(reading.findtext(f"{ESPI}timePeriod/{ESPI}start", ""))
            found[name, datetime.fromtimestamp(start, UTC)] = int(reading.findtext(f"{ESPI}value", ""))
    return found


READERS = {"csv": read_csv, "jsonl": read_jsonl, "parquet": read_parquet, "espi": read_espi}
