"""Load curves to files: 1,000 PODs, a month of quarter hours, against the plain write and the field's own writers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from lxml import etree

from benchmarks.measure import MB, Row, peak_mb, seconds
from meterhall.domain.readings import LoadCurve, Series
from meterhall.formats import FORMATS, PartHeader
from meterhall.formats.espi.document import read_document
from meterhall.formats.table import schema_of

PODS, SLOTS = 1000, 31 * 96
START, KNOWN = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 4, 1, 5, tzinfo=UTC)
HEADER = PartHeader("dlv_0123456789abcdef01234567", 1, "MH0000000117", "Example grid", default_zone="Europe/Rome")
ROUNDS = 3


def curves(pods: int = PODS) -> list[LoadCurve]:
    """Household-like values: most small, some large."""
    chance, quality = np.random.default_rng(20260301), np.full(SLOTS, 17, np.uint8)
    series = [Series(str(UUID(int=number)), 900) for number in range(pods)]
    return [LoadCurve(one, START, chance.gamma(1.2, 90, SLOTS).astype(np.int64), quality, KNOWN) for one in series]


def _write(form: str, made: list[LoadCurve], path: Path) -> None:
    with path.open("wb") as out:
        for block in FORMATS[form].encode(made, HEADER):
            out.write(block)


def espi(folder: Path) -> Iterator[Row]:
    """ESPI XML to disk: against write() of the same bytes, and against lxml element by element."""
    made, path = curves(), folder / "espi.xml"
    readings = PODS * SLOTS / MB
    memory = peak_mb(lambda: _write("espi", made, path))
    whole = path.read_bytes()
    few = made[: PODS // 50]
    ours, plain, elements = seconds(
        ROUNDS,
        lambda: _write("espi", made, path),
        lambda: (folder / "plain.xml").write_bytes(whole),
        lambda: _elements(few, folder / "lxml.xml"),
    )
    yield Row("ESPI to disk, M readings/s, against write() of the same bytes", readings / ours, readings / plain, 0.6)
    yield Row("ESPI to disk, M readings/s, against lxml by elements", readings / ours, readings / 50 / elements)
    if memory is not None:
        yield Row("ESPI to disk, peak MB, against the file's MB", memory, len(whole) / MB)


def cim(folder: Path) -> Iterator[Row]:
    """CIM XML to disk, and its JSON twin: against write() of the same bytes."""
    made, readings = curves(), PODS * SLOTS / MB
    for form, name in (("cim", "CIM XML"), ("cim_json", "CIM JSON")):
        path, plain_path = folder / form, folder / "plain"
        _write(form, made, path)
        whole = path.read_bytes()
        ours, plain = seconds(2 * ROUNDS, partial(_write, form, made, path), partial(plain_path.write_bytes, whole))
        bar = 0.6 if form == "cim" else None
        what = f"{name} to disk, M readings/s, against write() of the same bytes"
        yield Row(what, readings / ours, readings / plain, bar)


def _elements(made: list[LoadCurve], path: Path) -> None:
    """The same readings as lxml writes them, a day at a time."""
    with path.open("wb") as out:
        for curve in made:
            starts, values = curve.starts.tolist(), curve.mantissas.tolist()
            for first in range(0, len(starts), 96):
                block = etree.Element("{http://naesb.org/espi}IntervalBlock", nsmap={None: "http://naesb.org/espi"})
                for start, value in zip(starts[first : first + 96], values[first : first + 96], strict=True):
                    reading = etree.SubElement(block, "IntervalReading")
                    period = etree.SubElement(reading, "timePeriod")
                    etree.SubElement(period, "duration").text = "900"
                    etree.SubElement(period, "start").text = str(start)
                    etree.SubElement(reading, "value").text = str(value)
                out.write(etree.tostring(block))


def espi_read(folder: Path) -> Iterator[Row]:
    """ESPI XML read, 100 MB of it: against the faster of two ways by lxml, of which each extracts the same."""
    for name, bar, pods in (("compact", 5, 247), ("pretty-printed", 4, 157)):
        content = b"".join(FORMATS["espi"].encode(curves(pods), HEADER))
        if name == "pretty-printed":
            root = etree.fromstring(content, etree.XMLParser(remove_blank_text=True))
            content = etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="UTF-8")
            del root
        readings = pods * SLOTS / MB
        scanned, curved, *others = seconds(
            ROUNDS,
            partial(read_document, content),
            partial(FORMATS["espi"].decode, content),
            partial(_by_reading, content),
            partial(_by_block, content),
        )
        way = f"against lxml by {'reading' if others[0] < others[1] else 'block'}"
        what = f"ESPI {name}, {len(content) / MB:.0f} MB"
        yield Row(f"{what}, into arrays, M readings/s, {way}", readings / scanned, readings / min(others), bar)
        yield Row(f"{what}, into curves, M readings/s, {way}", readings / curved, readings / min(others))


_ESPI = "{http://naesb.org/espi}"


def _by_reading(content: bytes) -> np.ndarray:
    """Start, duration and value of each reading, an element at a time."""
    rows: list[tuple[int, int, int]] = []
    for _, reading in etree.iterparse(BytesIO(content), tag=f"{_ESPI}IntervalReading"):
        span, value = reading
        rows.append((int(span[1].text), int(span[0].text), int(value.text)))
        reading.clear()
    return np.array(rows, np.int64)


_PATHS = [
    etree.XPath(f"e:IntervalReading/{path}/text()", namespaces={"e": _ESPI[1:-1]}, smart_strings=False)
    for path in ("e:timePeriod/e:start", "e:timePeriod/e:duration", "e:value")
]


def _by_block(content: bytes) -> np.ndarray:
    """The same with a compiled path for each column, a block at a time."""
    columns: list[np.ndarray] = []
    for _, block in etree.iterparse(BytesIO(content), tag=f"{_ESPI}IntervalBlock"):
        columns.append(np.array([[int(text) for text in path(block)] for path in _PATHS], np.int64))
        block.clear()
        while block.getprevious() is not None:
            del block.getparent()[0]
    return np.concatenate(columns, axis=1)


def _fastest(what: str, readings: float, ours: float, others: dict[str, float]) -> Row:
    """Ours against the fastest of others."""
    name, best = min(others.items(), key=lambda other: other[1])
    against = f"against {name}, the fastest from the same arrays"
    return Row(f"{what}, M readings/s, {against}", readings / ours, readings / best, 0.6)


def _copy(made: Any, path: Path, options: str) -> None:
    """What DuckDB writes of an Arrow table, with all its threads."""
    with duckdb.connect() as connection:
        connection.register("made", made)
        connection.execute(f"COPY (SELECT * FROM made) TO '{path}' ({options})")


def _rows(made: list[LoadCurve]) -> pa.Table:
    """A row a reading, with the columns of our CSV; without a zone, which pyarrow would spend most of its time on."""
    count = len(made) * SLOTS
    points = pa.array([curve.series.usage_point for curve in made])
    known = pa.scalar(KNOWN.replace(tzinfo=None), pa.timestamp("s"))
    return pa.table(
        {
            "usage_point": points.take(pa.array(np.repeat(np.arange(len(made)), SLOTS))),
            "start": pa.array(np.concatenate([curve.starts for curve in made])).view(pa.timestamp("s")),
            "resolution": pa.repeat("PT15M", count),
            "direction": pa.repeat("import", count),
            "energy_wh": np.concatenate([curve.mantissas for curve in made]),
            "quality": np.concatenate([curve.quality for curve in made]),
            "available_at": pa.repeat(known, count),
        }
    )


def csv(folder: Path) -> Iterator[Row]:
    """CSV to disk against the writers of pyarrow, Polars and DuckDB, each from the curves' arrays."""
    made, other, readings = curves(), folder / "other.csv", PODS * SLOTS / MB
    ours, arrow, polars, duck = seconds(
        ROUNDS,
        lambda: _write("csv", made, folder / "rows.csv"),
        lambda: pyarrow.csv.write_csv(_rows(made), other),
        lambda: pl.DataFrame(_rows(made)).write_csv(other, datetime_format="%Y-%m-%dT%H:%M:%SZ"),
        lambda: _copy(_rows(made), other, "FORMAT csv"),
    )
    yield _fastest("CSV to disk", readings, ours, {"pyarrow": arrow, "Polars": polars, "DuckDB": duck})


_DAYS = [0, *range(4, SLOTS, 96), SLOTS]


def _pod_days(made: list[LoadCurve]) -> pa.Table:
    """A row a POD-day, with lists of values and qualities, as our JSON lines have them."""
    count = len(made) * (len(_DAYS) - 1)
    edges = pa.array(np.append(np.add.outer(np.arange(len(made)) * SLOTS, _DAYS[:-1]), len(made) * SLOTS), pa.int32())
    points = pa.array([curve.series.usage_point for curve in made])
    starts = np.concatenate([curve.starts[_DAYS[:-1]] for curve in made])
    known = pa.scalar(KNOWN.replace(tzinfo=None), pa.timestamp("s"))
    return pa.table(
        {
            "pseudonym": points.take(pa.array(np.repeat(np.arange(len(made)), len(_DAYS) - 1))),
            "direction": pa.repeat("import", count),
            "start": pa.array(starts).view(pa.timestamp("s")),
            "resolution": pa.repeat("PT15M", count),
            "unit": pa.repeat("Wh", count),
            "scale": pa.repeat(0, count),
            "values": pa.ListArray.from_arrays(edges, np.concatenate([curve.mantissas for curve in made])),
            "quality": pa.ListArray.from_arrays(edges, np.concatenate([curve.quality for curve in made])),
            "available_at": pa.repeat(known, count),
        }
    )


def jsonl(folder: Path) -> Iterator[Row]:
    """JSON lines of POD-days to disk against Polars, DuckDB and orjson, each from the curves' arrays."""
    made, other, readings = curves(), folder / "other.jsonl", PODS * SLOTS / MB
    ours, polars, duck, plain = seconds(
        ROUNDS,
        lambda: _write("jsonl", made, folder / "lines.jsonl"),
        lambda: pl.DataFrame(_pod_days(made)).write_ndjson(other),
        lambda: _copy(_pod_days(made), other, "FORMAT json"),
        lambda: _dump_days(made, other),
    )
    yield _fastest("JSON lines to disk", readings, ours, {"Polars": polars, "DuckDB": duck, "orjson": plain})


def _dump_days(made: list[LoadCurve], path: Path) -> None:
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
    with path.open("wb") as out:
        for curve in made:
            for first, end in pairwise(_DAYS):
                day = {
                    "pseudonym": curve.series.usage_point,
                    "direction": curve.series.direction,
                    "start": curve.start + first * curve.series.resolution,
                    "resolution": "PT15M",
                    "unit": "Wh",
                    "scale": curve.series.scale,
                    "values": curve.mantissas[first:end],
                    "quality": curve.quality[first:end],
                    "available_at": curve.available_at,
                }
                out.write(orjson.dumps(day, option=options))


def jsonl_rows(folder: Path) -> Iterator[Row]:
    """JSON lines of a reading each: against Polars, DuckDB and orjson, each from the curves' arrays."""
    made, other, readings = curves(), folder / "other.jsonl", PODS * SLOTS / MB
    few = made[: PODS // 50]
    ours, polars, duck, plain = seconds(
        ROUNDS,
        lambda: _write("jsonl_rows", made, folder / "rows.jsonl"),
        lambda: pl.DataFrame(_rows(made)).write_ndjson(other),
        lambda: _copy(_rows(made), other, "FORMAT json"),
        lambda: _dump_rows(few, other),
    )
    others = {"Polars": polars, "DuckDB": duck, "orjson": plain * 50}
    yield _fastest("JSON rows to disk", readings, ours, others)


def _dump_rows(made: list[LoadCurve], path: Path) -> None:
    with path.open("wb") as out:
        for row in pl.DataFrame(_rows(made)).iter_rows(named=True):
            out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def arrow(folder: Path) -> Iterator[Row]:
    """An Arrow IPC stream to disk against pyarrow's own writer of batches it makes of the curves' arrays."""
    made, path, readings = curves(), folder / "part.arrows", PODS * SLOTS / MB
    ours, by_curve, by_group = seconds(
        3 * ROUNDS,
        lambda: _write("arrow", made, path),
        lambda: _stream(made, 1, folder / "other.arrows"),
        lambda: _stream(made, 44, folder / "other.arrows"),
    )
    others = {"pyarrow by curve": by_curve, "pyarrow by 44 curves": by_group}
    yield _fastest("Arrow stream to disk", readings, ours, others)


def _stream(made: list[LoadCurve], size: int, path: Path) -> None:
    with path.open("wb") as out, pa.ipc.new_stream(out, schema_of(HEADER)) as writer:
        for first in range(0, len(made), size):
            writer.write_batch(_batch(made[first : first + size]))


def _batch(made: list[LoadCurve]) -> pa.RecordBatch:
    """Some curves as a batch with the columns of ours, as pyarrow makes it of their arrays."""
    count, schema = len(made) * SLOTS, schema_of(HEADER)
    same = pa.array(np.zeros(count, np.int32))
    which = pa.array(np.repeat(np.arange(len(made), dtype=np.int32), SLOTS))
    points = pa.array([curve.series.usage_point for curve in made])
    starts = np.concatenate([curve.starts for curve in made]) * 1000
    known = np.full(count, int(KNOWN.timestamp()) * 10**6)
    columns = [
        pa.DictionaryArray.from_arrays(which, points),
        pa.DictionaryArray.from_arrays(same, pa.array(["import"])),
        pa.DictionaryArray.from_arrays(same, pa.array(["PT15M"])),
        pa.array(starts).view(schema.field("start").type),
        pa.array(starts + 900_000).view(schema.field("end").type),
        pa.array(np.concatenate([curve.mantissas for curve in made])),
        pa.array(np.zeros(count, np.int8)),
        pa.array(np.concatenate([curve.quality for curve in made])),
        pa.array(known).view(schema.field("available_at").type),
    ]
    return pa.record_batch(columns, schema=schema)


def parquet(folder: Path) -> Iterator[Row]:
    """Parquet to disk, zstd, against pyarrow, Polars and DuckDB, each from the curves' arrays."""
    made, path, readings = curves(), folder / "other.parquet", PODS * SLOTS / MB
    ours, arrow, polars, duck = seconds(
        ROUNDS,
        lambda: _write("parquet", made, folder / "part.parquet"),
        lambda: pq.write_table(_plain(made), path, compression="zstd"),
        lambda: pl.DataFrame(_plain(made)).write_parquet(path, compression="zstd"),
        lambda: _copy(_plain(made), path, "FORMAT parquet, COMPRESSION zstd"),
    )
    yield _fastest("Parquet to disk", readings, ours, {"pyarrow": arrow, "Polars": polars, "DuckDB": duck})


def _plain(made: list[LoadCurve]) -> pa.Table:
    return pa.Table.from_batches([_batch(made)])
