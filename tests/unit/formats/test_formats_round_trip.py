import csv
import json
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.curves_for_formats import HEADER, civil_curves, load_curve, load_curves, said, several

from meterhall.domain.protocol.base import FormatName
from meterhall.domain.readings import MISSING, Curve, Quality
from meterhall.formats import FORMATS

every_format = pytest.mark.parametrize("name", list(FORMATS))


def through(name: str, curves: list[Curve]) -> list[Curve]:
    return FORMATS[name].decode(b"".join(FORMATS[name].encode(iter(curves), HEADER)))


def test_the_formats_are_those_of_the_protocol() -> None:
    assert sorted(FORMATS) == sorted(get_args(FormatName))


@every_format
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_curve_comes_back_as_it_was(name: str, data: st.DataObject) -> None:
    curves = data.draw(several(load_curves))
    assert [said(one) for one in through(name, curves)] == [said(one) for one in curves]


@every_format
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_civil_days_and_months_come_back_with_their_own_lengths(name: str, data: st.DataObject) -> None:
    curves = data.draw(several(civil_curves))
    assert [said(one) for one in through(name, curves)] == [said(one) for one in curves]


@every_format
def test_missing_is_neither_zero_nor_left_out_at_the_ends(name: str) -> None:
    curve = load_curve([MISSING, 0, MISSING, 7, MISSING])
    (back,) = through(name, [curve])
    assert back.mantissas.tolist() == [MISSING, 0, MISSING, 7, MISSING]
    assert back.start == curve.start


@every_format
@pytest.mark.parametrize("slots", [1, 3, 96, 400])
def test_a_curve_of_only_missing_values_keeps_its_length(name: str, slots: int) -> None:
    (back,) = through(name, [load_curve([MISSING] * slots)])
    assert len(back) == slots
    assert not back.present.any()


@every_format
def test_every_quality_survives(name: str) -> None:
    codes = [int(code) for code in Quality]
    (back,) = through(name, [load_curve([1] * len(codes), quality=codes)])
    assert back.quality.tolist() == codes


@every_format
def test_no_curve_is_an_empty_file_that_can_be_read(name: str) -> None:
    assert through(name, []) == []
    assert through(name, [load_curve([])]) == []


@every_format
def test_a_file_comes_in_blocks_of_bounded_size(name: str) -> None:
    year = load_curve(list(range(35_040)))
    blocks = list(FORMATS[name].encode((year for _ in range(3)), HEADER))
    assert len(blocks) >= 2
    long = load_curve([5] * 2_100_000, step_s=60)
    assert max(len(block) for block in FORMATS[name].encode([long], HEADER)) < 16_000_000


@every_format
def test_two_series_of_one_usage_point_stay_apart(name: str) -> None:
    curves = [load_curve([1, 2]), load_curve([3, 4], direction="export"), load_curve([5], step_s=3600)]  # type: ignore[arg-type]
    assert sorted(map(said, through(name, curves)), key=repr) == sorted(map(said, curves), key=repr)


@every_format
def test_curves_that_follow_each_other_come_back_as_one(name: str) -> None:
    first = load_curve([1, 2, 3])
    (back,) = through(name, [first, load_curve([4], start=first.end)])
    assert back.mantissas.tolist() == [1, 2, 3, 4]


TEXTS = ["csv", "jsonl", "jsonl_rows", "espi", "cim", "cim_json"]


@pytest.mark.parametrize("name", TEXTS)
def test_text_formats_need_no_pyarrow(name: str) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None; from meterhall.formats import FORMATS, PartHeader;"
        f"print(FORMATS[{name!r}].decode(b''.join(FORMATS[{name!r}].encode([], PartHeader('d')))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in TEXTS])
def test_tables_are_read_without_pyarrow(name: str) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None; from meterhall.formats import FORMATS;"
        f"print([len(curve) for curve in FORMATS[{name!r}].decode(sys.stdin.buffer.read())])"
    )
    content = b"".join(FORMATS[name].encode([load_curve([1, 2, 3])], HEADER))
    done = subprocess.run([sys.executable, "-c", program], input=content, capture_output=True, check=True)
    assert done.stdout == b"[3]\n"


@every_format
def test_odd_names_of_usage_points_survive(name: str) -> None:
    curve = load_curve([1], point='a, "b" / ü & <c>')
    (back,) = through(name, [curve])
    assert back.series.usage_point == 'a, "b" / ü & <c>'


def test_csv_is_plain() -> None:
    text = b"".join(FORMATS["csv"].encode([load_curve([1250, MISSING, -5], scale=-2, point="p")], HEADER)).decode()
    assert text.splitlines() == [
        "usage_point,start,resolution,direction,energy_wh,quality,available_at",
        "p,2026-03-28T23:00:00Z,PT15M,import,12.50,17,2026-06-01T05:30:00Z",
        "p,2026-03-28T23:15:00Z,PT15M,import,,,2026-06-01T05:30:00Z",
        "p,2026-03-28T23:30:00Z,PT15M,import,-0.05,17,2026-06-01T05:30:00Z",
    ]


def test_csv_rows_may_come_in_any_order_and_with_any_offset() -> None:
    curve = load_curve([1, 2, 3], point="p")
    head, *rows = b"".join(FORMATS["csv"].encode([curve], HEADER)).decode().splitlines()
    rows[1] = rows[1].replace("2026-03-28T23:15:00Z", "2026-03-29T01:15:00+02:00")
    (back,) = FORMATS["csv"].decode("\r\n".join([head, rows[2], rows[1], rows[0], ""]).encode())
    assert said(back) == said(curve)


def test_a_json_line_is_a_line_of_the_change_feed() -> None:
    from meterhall.domain.protocol.deliveries import ChangedValues

    curve = load_curve([MISSING, *range(200)], scale=-1)
    lines = b"".join(FORMATS["jsonl"].encode([curve], HEADER)).splitlines()
    views = [ChangedValues.model_validate_json(line) for line in lines]
    assert [len(view.values) for view in views] == [4, 96, 96, 5]
    assert views[0].values == (None, 0, 1, 2)


def test_parquet_is_read_by_other_tools_as_rows() -> None:
    duckdb = pytest.importorskip("duckdb")
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    content = b"".join(FORMATS["parquet"].encode([load_curve([1, MISSING, 3]), load_curve([9], point="q")], HEADER))
    rows = pq.read_table(pa.BufferReader(content))
    assert rows.schema.metadata[b"meterhall.delivery"] == HEADER.delivery_id.encode()
    found = (
        duckdb.connect()
        .register("rows", rows)
        .sql("select usage_point, sum(mantissa)::int, count(*)::int from rows group by 1 order by 2")
    )
    assert [row[1:] for row in found.fetchall()] == [(4, 3), (9, 1)]


def test_an_arrow_stream_has_the_columns_of_parquet_batch_by_batch() -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    curves = [load_curve([1, MISSING, 3]), load_curve([9] * 300_000, point="q")]
    stream = pa.ipc.open_stream(b"".join(FORMATS["arrow"].encode(curves, HEADER)))
    batches = list(stream)
    assert max(len(batch) for batch in batches) < 300_000 < sum(len(batch) for batch in batches)
    parquet = pq.read_table(pa.BufferReader(b"".join(FORMATS["parquet"].encode(curves, HEADER))))
    assert stream.schema.equals(parquet.schema, check_metadata=True)
    strings = pa.schema([field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
                         for field in stream.schema])  # fmt: skip
    assert pa.Table.from_batches(batches).cast(strings).equals(parquet.cast(strings))


def test_rows_of_json_are_the_rows_of_csv() -> None:
    curve = load_curve([1250, MISSING, -5], scale=-2, point='p"')
    lines = b"".join(FORMATS["jsonl_rows"].encode([curve], HEADER)).splitlines()
    assert lines[0].decode() == (
        '{"usage_point":"p\\"","start":"2026-03-28T23:00:00Z","resolution":"PT15M","direction":"import",'
        '"energy_wh":12.50,"quality":17,"available_at":"2026-06-01T05:30:00Z"}'
    )
    rows = [json.loads(line, parse_float=str) for line in lines]
    assert [row["energy_wh"] for row in rows] == ["12.50", None, "-0.05"]
    plain = b"".join(FORMATS["csv"].encode([curve], HEADER)).decode().splitlines()
    for row, fields in zip(rows, csv.DictReader(plain), strict=True):
        assert {name: "" if value is None else str(value) for name, value in row.items()} == fields


def test_scales_make_the_same_value() -> None:
    for name in ("csv", "jsonl_rows"):
        (back,) = through(name, [load_curve([5, 0], scale=3)])
        assert back.mantissas.tolist() == [5000, 0]
    assert np.array_equal(back.present, [True, True])


@every_format
def test_a_slot_takes_no_more_than_is_said_by_which_parts_are_cut(name: str) -> None:
    """Values of as many digits as ESPI has, hardly a quality the usual one, of several a day and point."""
    chance = np.random.default_rng(20260301)
    codes = chance.choice([int(one) for one in Quality], 96 * 31).tolist()
    curve = load_curve(chance.integers(2**46, 2**47, 96 * 31).tolist(), scale=-3, quality=codes)
    size = sum(memoryview(block).nbytes for block in FORMATS[name].encode([curve], HEADER))
    assert FORMATS[name].slot_bytes / 2 < size / len(curve) < FORMATS[name].slot_bytes * 1.1
