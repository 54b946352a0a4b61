"""Files and lines that are damaged, or say what nobody can mean: refused or set aside, and never taken for another."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from meterhall.domain.readings.curves import MISSING
from meterhall.domain.readings.granularity import Granularity
from meterhall.domain.readings.rules import Rule
from meterhall.provider.metering.intake import BadReadingsFile, Block, profile_of, read_blocks
from meterhall.provider.metering.intake.amounts import amounts
from meterhall.provider.metering.intake.batches import guarded

HOUR = 3600
FIRST = 1772323200
START = "2026-03-01T00:00:00Z"


def blocks(path: Path, **settings: Any) -> list[Block]:
    return list(read_blocks(path, profile_of(settings), Granularity(HOUR)))


def amounts_of(path: Path, **settings: Any) -> list[tuple[str, str]]:
    """The amount and the rule of each row, in the order of the file."""
    rows = []
    for block in blocks(path, **settings):
        for place, stated, rule in zip(block.rows, block.stated, block.rules, strict=True):
            amount = f"{Decimal(int(stated)).scaleb(-block.places).normalize():f}"
            rows.append((int(place), Rule(rule).id if rule else amount))
    return [(str(place), said) for place, said in sorted(rows)]


def times_of(count: int) -> pa.Array:
    return pa.array([FIRST + HOUR * n for n in range(count)], pa.timestamp("s", "UTC"))


def columns_of(pods: pa.Array, **others: Any) -> dict[str, Any]:
    return {"pod": pods, "start": times_of(len(pods)), "energy_wh": list(range(len(pods))), **others}


def of_arrow(path: Path, columns: dict[str, Any]) -> Path:
    table = pa.table(columns)
    with ipc.new_stream(path, table.schema) as sink:
        sink.write_table(table)
    return path


def coded(indices: list[int], texts: list[str | None]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int8()), pa.array(texts), safe=False)


@pytest.mark.parametrize("indices", [[0, 1, -1], [0, 1, 2]], ids=["below the first", "past the last"])
def test_the_number_of_a_name_that_is_not_there_refuses_the_file(tmp_path: Path, indices: list[int]) -> None:
    with pytest.raises(BadReadingsFile):
        blocks(of_arrow(tmp_path / "a", columns_of(coded(indices, ["A", "B"]))))


@pytest.mark.parametrize(
    ("whole", "damaged"),
    [
        pytest.param(np.int32([2, 5, 9]).tobytes(), np.int32([2, 5, 900_000_000]).tobytes(), id="ends outside"),
        pytest.param(np.int32([2, 5, 9]).tobytes(), np.int32([5, 2, 9]).tobytes(), id="ends before it begins"),
        pytest.param(b"AABBBCCCC", b"AAB\xffBCCCC", id="is no text"),
    ],
)
def test_a_text_that_leads_elsewhere_refuses_the_file(tmp_path: Path, whole: bytes, damaged: bytes) -> None:
    path = of_arrow(tmp_path / "a", columns_of(pa.array(["AA", "BBB", "CCCC"])))
    assert path.read_bytes().count(whole) == 1
    path.write_bytes(path.read_bytes().replace(whole, damaged))
    with pytest.raises(BadReadingsFile):
        blocks(path)


def test_a_text_of_a_parquet_file_that_is_none_refuses_it(tmp_path: Path) -> None:
    pq.write_table(pa.table(columns_of(pa.array(["A", "BBB"]))), tmp_path / "p")
    (tmp_path / "p").write_bytes((tmp_path / "p").read_bytes().replace(b"BBB", b"B\xffB"))
    with pytest.raises(BadReadingsFile):
        blocks(tmp_path / "p")


@pytest.mark.parametrize("kind", ["file", "stream", "parquet"])
def test_a_file_damaged_at_any_place_is_read_or_refused(tmp_path: Path, kind: str) -> None:
    table = pa.table(columns_of(pa.array(["A", "B"] * 20).dictionary_encode(), direction=["import"] * 40))
    path = tmp_path / "whole"
    if kind == "parquet":
        pq.write_table(table, path, compression="none")
    else:
        with (ipc.new_file if kind == "file" else ipc.new_stream)(path, table.schema) as sink:
            sink.write_table(table)
    whole, random, refused = path.read_bytes(), np.random.default_rng(7), 0
    for place in random.integers(8, len(whole), 150).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        try:
            assert sum(len(block) for block in blocks(path, format="parquet" if kind == "parquet" else "arrow")) >= 0
        except BadReadingsFile:
            refused += 1
    assert refused > 0
    for end in range(8, len(whole) - 16, len(whole) // 20):
        path.write_bytes(whole[:end])
        with pytest.raises(BadReadingsFile):
            blocks(path, format="parquet" if kind == "parquet" else "arrow")


def test_a_fault_of_the_disk_is_not_the_files() -> None:
    def fails(fault: OSError) -> Callable[[], Any]:
        def begun() -> Any:
            yield 1
            raise fault

        return begun

    with pytest.raises(OSError, match="Input/output"):
        list(guarded(fails(OSError(5, "Input/output error"))))
    with pytest.raises(BadReadingsFile):
        list(guarded(fails(OSError("Read out of bounds"))))


def test_a_row_whose_name_is_none_takes_no_other(tmp_path: Path) -> None:
    path = of_arrow(tmp_path / "a", columns_of(coded([0, 1, 2], ["A", None, "B"])))
    [block] = blocks(path)
    pods = [block.points[which][0] for which in block.which]
    assert (pods, block.rules.tolist()) == (["A", "", "B"], [0, Rule.SCHEMA, 0])


@pytest.mark.parametrize(
    "columns",
    [
        columns_of(pa.array(["A"]), energy_wh=[[1]]),
        columns_of(pa.array([["A"]])),
        columns_of(pa.array([b"\xff"])),
        columns_of(pa.array(["A"]), start=[{"at": START}]),
    ],
)
def test_a_column_of_a_kind_that_cannot_be_read_refuses_the_file(tmp_path: Path, columns: dict[str, Any]) -> None:
    with pytest.raises(BadReadingsFile):
        blocks(of_arrow(tmp_path / "a", columns))


def test_a_column_that_is_there_twice_refuses_the_file(tmp_path: Path) -> None:
    batch = pa.record_batch(
        [pa.array(["A"]), times_of(1), pa.array([1]), pa.array([2])], ["pod", "start", *["energy_wh"] * 2]
    )
    with ipc.new_stream(tmp_path / "a", batch.schema) as sink:
        sink.write_batch(batch)
    with pytest.raises(BadReadingsFile, match="energy_wh is there twice"):
        blocks(tmp_path / "a")


def test_a_time_outside_of_the_calendar_is_told_and_stops_no_other(tmp_path: Path) -> None:
    starts = pa.array([2**60, FIRST], pa.timestamp("s", "UTC"))
    [block] = blocks(of_arrow(tmp_path / "a", columns_of(pa.array([None, "A"]), start=starts)))
    assert (block.rules.tolist(), f"start={2**60}" in block.texts[0]) == ([Rule.SCHEMA, 0], True)


def test_a_column_of_the_files_own_numbers_is_no_place(tmp_path: Path) -> None:
    [block] = blocks(of_arrow(tmp_path / "a", columns_of(pa.array(["A", "B"]), **{"#": [7, 9]})))
    assert block.rows.tolist() == [0, 1]


DAY = f'{{"pod": "P", "start": "{START}", "resolution": "PT1H", %s}}'
ROW = f'{{"pod": "P", "start": "{START}", "energy_wh": %s}}'


@pytest.mark.parametrize(
    "line",
    [
        DAY % '"values": ["abc"]',
        DAY % '"values": [""]',
        DAY % '"values": [true]',
        DAY % '"values": ["1_000"]',
        DAY % '"values": ["١٢"]',
        DAY % '"values": [[0, [1], 0]]',
        DAY % '"values": [1e999999999999999999999]',
        DAY % '"values": [1], "scale": 1000000000',
        DAY % '"values": [1], "scale": -1000000000',
        DAY % '"values": [1], "scale": 0.9',
        DAY % '"values": [1], "scale": true',
        DAY % '"values": [1], "scale": null',
        DAY % '"values": [NaN]',
        ROW % "1e50000000",
        ROW % "1e-50000000",
        ROW % '"1_000"',
        ROW % '1, "note": "\\ud800"',
        ROW.replace('"P"', r'"P\ud800"') % 1,
        ROW.replace(START, r"\ud800") % 1,
    ],
)
def test_a_line_that_says_no_amount_stops_no_other(tmp_path: Path, line: str) -> None:
    (tmp_path / "j").write_text(f"{ROW % 3}\n{line}\n{ROW % 4}\n", "utf-8")
    assert amounts_of(tmp_path / "j") == [("0", "3"), ("1", "V13"), ("2", "4")]


def test_a_line_of_bytes_that_are_no_text_stops_no_other(tmp_path: Path) -> None:
    lines = [ROW % 3, ROW.replace('"P"', '"P\ud800"') % 1, ROW % 4]
    (tmp_path / "j").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    assert amounts_of(tmp_path / "j") == [("0", "3"), ("1", "V13"), ("2", "4")]


def test_what_a_line_may_say_of_amounts(tmp_path: Path) -> None:
    values = '"values": [1.5, "2", null, " -25e-1 ", 1e3]'
    lines = [DAY % f'{values}, "scale": 1', DAY % '"values": [7], "scale": "-1"', ROW % '1e3, "note": "\\ud83d\\ude00"']
    (tmp_path / "j").write_text("\n".join(lines))
    [block] = blocks(tmp_path / "j")
    said = [f"{value / 10**block.places:g}" for value in block.stated.tolist() if value != MISSING]
    assert (said, block.rules.any()) == (["15", "20", "-25", "10000", "0.7", "1000"], False)


def test_a_very_long_amount_is_not_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(pa, "array", lambda texts, *kind, made=pa.array: seen.append(texts) or made(texts, *kind))
    (tmp_path / "j").write_text(ROW % "1e50000000")
    blocks(tmp_path / "j")
    assert max(len(json.dumps(texts)) for texts in seen) < 1000


@pytest.mark.parametrize(
    "text", ["1_000", "１２", "١٢", "1e1_0", "Infinity", "nan", "1e99999999999999999999", "0x1", "1e"]
)
def test_a_text_that_only_python_takes_for_a_number_is_none(text: str) -> None:
    for decimal in (".", ","):
        stated, _, unreadable = amounts(pa.array(["5", text, None]), decimal)
        assert (stated[0], unreadable.tolist()) == (5, [False, True, False])


@pytest.mark.parametrize("column", [pa.array([-(2**63), 1, None]), pa.array([str(-(2**63)), "1", None])])
def test_the_one_number_that_cannot_be_kept_is_not_taken_for_none(column: pa.Array) -> None:
    assert amounts(column)[2].tolist() == [True, False, False]
    assert amounts(column.slice(1))[2].tolist() == [False, False]
