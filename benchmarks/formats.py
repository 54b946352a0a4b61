"""Load curves to files: 1,000 PODs, a month of quarter hours, against the plain write and the field's own writers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from uuid import UUID

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from lxml import etree

from benchmarks.measure import MB, Row, peak_mb, seconds
from meterhall.domain.readings import LoadCurve, Series
from meterhall.formats import FORMATS, PartHeader
from meterhall.formats.espi.document import read_document

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


def csv(folder: Path) -> Iterator[Row]:
    """CSV to disk against pyarrow's own writer of the same columns."""
    made, path, readings = curves(), folder / "rows.csv", PODS * SLOTS / MB
    rows = _table(made)
    ours, arrow = seconds(
        ROUNDS, lambda: _write("csv", made, path), lambda: pyarrow.csv.write_csv(rows, folder / "arrow.csv")
    )
    yield Row("CSV to disk, M readings/s, against pyarrow", readings / ours, readings / arrow)


def _table(made: list[LoadCurve]) -> pa.Table:
    """A row a reading, with the columns of our CSV; without a zone, which pyarrow would spend most of its time on."""
    count = len(made) * SLOTS
    points = pa.array(np.repeat([curve.series.usage_point for curve in made], SLOTS))
    return pa.table(
        {
            "usage_point": points,
            "start": pa.array(np.concatenate([curve.starts for curve in made]), pa.timestamp("s")),
            "resolution": pa.repeat("PT15M", count),
            "direction": pa.repeat("import", count),
            "energy_wh": np.concatenate([curve.mantissas for curve in made]),
            "quality": np.concatenate([curve.quality for curve in made]),
            "available_at": pa.repeat(pa.scalar(KNOWN.replace(tzinfo=None), pa.timestamp("s")), count),
        }
    )


def jsonl(folder: Path) -> Iterator[Row]:
    """JSON lines to disk against DuckDB's writer of the same lines (pyarrow writes no JSON)."""
    made, path, readings = curves(), folder / "lines.jsonl", PODS * SLOTS / MB
    _write("jsonl", made, path)
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute(f"CREATE TABLE lines AS SELECT * FROM read_json('{path}')")
        ours, duck = seconds(
            ROUNDS,
            lambda: _write("jsonl", made, path),
            lambda: connection.execute(f"COPY lines TO '{folder / 'duck.jsonl'}' (FORMAT json)"),
        )
    yield Row("JSON lines to disk, M readings/s, against DuckDB on one thread", readings / ours, readings / duck)


def jsonl_rows(folder: Path) -> Iterator[Row]:
    """JSON lines of a reading each: against the fastest of Polars, DuckDB on one thread and the standard library."""
    made, path, readings = curves(), folder / "rows.jsonl", PODS * SLOTS / MB
    frame = pl.DataFrame(_table(made))
    some = frame.head(PODS * SLOTS // 50)
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.register("frame", frame.to_arrow())
        connection.execute("CREATE TABLE rows AS SELECT * FROM frame")
        ours, polars, duck, plain = seconds(
            ROUNDS,
            lambda: _write("jsonl_rows", made, path),
            lambda: frame.write_ndjson(folder / "polars.jsonl"),
            lambda: connection.execute(f"COPY rows TO '{folder / 'duck.jsonl'}' (FORMAT json)"),
            lambda: _dumps(some, folder / "dumps.jsonl"),
        )
    fastest = min(polars, duck, plain * 50)
    name = {polars: "Polars", duck: "DuckDB on one thread", plain * 50: "the standard library"}[fastest]
    yield Row(f"JSON rows to disk, M readings/s, against {name}", readings / ours, readings / fastest)


def _dumps(frame: pl.DataFrame, path: Path) -> None:
    with path.open("w") as out:
        for row in frame.iter_rows(named=True):
            out.write(json.dumps(row, default=str) + "\n")


def arrow(folder: Path) -> Iterator[Row]:
    """An Arrow IPC stream to disk against pyarrow's own writer of the same record batches, ready in memory."""
    made, path, readings = curves(), folder / "part.arrows", PODS * SLOTS / MB
    _write("arrow", made, path)
    with pa.ipc.open_stream(path.read_bytes()) as stream:
        schema, batches = stream.schema, list(stream)
    ours, ready = seconds(
        5 * ROUNDS, lambda: _write("arrow", made, path), lambda: _stream(schema, batches, folder / "ready.arrows")
    )
    yield Row("Arrow stream to disk, M readings/s, against pyarrow", readings / ours, readings / ready)


def _stream(schema: pa.Schema, batches: list[pa.RecordBatch], path: Path) -> None:
    with path.open("wb") as out, pa.ipc.new_stream(out, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def parquet(folder: Path) -> Iterator[Row]:
    """Parquet to disk against pyarrow's own writer of the same table, with the same settings."""
    made, path, readings = curves(), folder / "part.parquet", PODS * SLOTS / MB
    _write("parquet", made, path)
    table = pq.read_table(path)
    kind = pq.ParquetFile(path).metadata.row_group(0).column(0).compression
    ours, arrow = seconds(
        ROUNDS,
        lambda: _write("parquet", made, path),
        lambda: pq.write_table(table, folder / "arrow.parquet", compression=kind),
    )
    yield Row("Parquet to disk, M readings/s, against pyarrow", readings / ours, readings / arrow)
