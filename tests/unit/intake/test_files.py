"""What a file may look like: every shape leads to the same rows, and each row that cannot be read says so itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from meterhall.domain.readings import LoadCurve, Series
from meterhall.domain.readings.curves import MISSING, Direction
from meterhall.domain.readings.granularity import Granularity
from meterhall.domain.readings.rules import Rule
from meterhall.formats import FORMATS, PartHeader
from meterhall.provider.metering.intake import (
    BadProfile,
    BadReadingsFile,
    csv_pieces,
    format_of,
    profile_of,
    read_blocks,
)

HOUR = 3600
MADRID = {"zone": "Europe/Madrid", "delimiter": ";", "decimal": ","}
Row = tuple[int, str, str, str, str]


def read(path: Path, resolution_s: int = HOUR, **settings: Any) -> list[Row]:
    """Place, POD, start (UTC; + where the clock time comes again), amount and unit, rule of every row."""
    found = []
    for block in read_blocks(path, profile_of(settings), Granularity(resolution_s)):
        for row in range(len(block)):
            start = datetime.fromtimestamp(int(block.starts[row]), UTC).isoformat()[:16]
            value = int(block.stated[row])
            amount = "" if value == MISSING else f"{Decimal(value).scaleb(-block.places).normalize():f} {block.unit}"
            rule = Rule(block.rules[row]).name if block.rules[row] else ""
            pod, direction = block.points[block.which[row]]
            place = f"{pod} {direction}"
            found.append((int(block.rows[row]), place, start + "+" * bool(block.again_s[row]), amount, rule))
    return found


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(text: str | bytes, name: str = "file") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


PLAIN = [
    (0, "P import", "2026-03-01T00:00", "100 Wh", ""),
    (1, "P export", "2026-03-01T01:00", "", ""),
]


def test_the_plain_shape_in_every_format(write: Any, tmp_path: Path) -> None:
    csv = write(
        "pod,start,energy_wh,direction\nP,2026-03-01T00:00:00Z,100,import\nP,2026-03-01T02:00:00+01:00,,export\n"
    )
    assert (format_of(csv), read(csv)) == ("csv", PLAIN)
    starts = pa.array([1772323200, 1772326800], pa.int64()).cast(pa.timestamp("s", "UTC"))
    table = pa.table({"pod": ["P", "P"], "start": starts, "energy_wh": [100, None], "direction": ["import", "export"]})
    pq.write_table(table, tmp_path / "p")
    assert (format_of(tmp_path / "p"), read(tmp_path / "p")) == ("parquet", PLAIN)
    for name, writer in (("file", ipc.new_file), ("stream", ipc.new_stream)):
        with (tmp_path / name).open("wb") as sink, writer(sink, table.schema) as out:
            out.write_table(table)
        assert (format_of(tmp_path / name), read(tmp_path / name)) == ("arrow", PLAIN)
    lines = write(
        '{"pod": "P", "start": "2026-03-01T00:00:00Z", "energy_wh": 100}\n\n'
        '{"pod": "P", "start": "2026-03-01T01:00:00Z", "energy_wh": null, "direction": "export"}\n'
    )
    assert (format_of(lines), [row[1:] for row in read(lines)]) == ("jsonl", [row[1:] for row in PLAIN])


def test_json_lines_may_hold_a_pod_and_day_each_and_a_broken_line_is_one_row(write: Any) -> None:
    path = write(
        '{"pod": "P", "start": "2026-03-01T00:00:00Z", "resolution": "PT1H", "scale": -1, "values": [1005, null, 7]}\n'
        '{"pod": "P", "start": "2026-03-01T03:00:00Z", "energy_wh": 0.1}\n'
        '{"pod": "P", "start"\n{"pod": "P", "start": "2026-03-01T00:00:00", "values": [1]}\n'
    )
    assert read(path) == [
        (0, "P import", "2026-03-01T00:00", "100.5 Wh", ""),
        (0, "P import", "2026-03-01T01:00", "", ""),
        (0, "P import", "2026-03-01T02:00", "0.7 Wh", ""),
        (1, "P import", "2026-03-01T03:00", "0.1 Wh", ""),
        (2, " ", "1970-01-01T00:00", "", "SCHEMA"),
        (3, " ", "1970-01-01T00:00", "", "SCHEMA"),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        ("2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"),
        ("2026-03-01T00:00:00Z", "2026-03-01T02:00:00+01:00"),
        ("2026-03-01T00:00:00+00:00", "2026-03-01T01:00:00Z"),
        ("2026-03-01T00:00:00Z", "2026-03-01 01:00Z"),
    ],
)
@pytest.mark.parametrize("amount", ["7", "7.5"])
def test_instants_of_a_csv_file_may_be_written_in_any_way(write: Any, rows: tuple[str, str], amount: str) -> None:
    path = write("pod,start,energy_wh\n" + "".join(f"P,{start},{amount}\n" for start in rows))
    assert read(path) == [
        (0, "P import", "2026-03-01T00:00", f"{amount} Wh", ""),
        (1, "P import", "2026-03-01T01:00", f"{amount} Wh", ""),
    ]


@pytest.mark.parametrize("start", ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00+01:00", "2026-03-01T00:00:00"])
def test_a_row_that_cannot_be_read_is_told_as_it_was_written(write: Any, start: str) -> None:
    path = write(f"pod,start,energy_wh\n,{start},7\n")
    [block] = read_blocks(path, profile_of({}), Granularity(HOUR))
    assert block.texts == {0: f"start={start}; energy_wh=7"}


def test_columns_words_and_numbers_of_another_country(write: Any) -> None:
    path = write(
        "CUPS;Fecha;Energia;Sentido\nP;01/03/2026 00:00;1,250;AE\nP;01/03/2026 01:00;2;AS\nP;1/13/2026 00:00;2;AS\n"
    )
    columns = {"pod": "CUPS", "start": "Fecha", "value": "Energia", "direction": "Sentido"}
    words = {"AE": "import", "AS": "export"}
    found = read(path, **MADRID, start_format="%d/%m/%Y %H:%M", unit="kWh", columns=columns, directions=words)
    assert found[:2] == [
        (0, "P import", "2026-02-28T23:00", "1.25 kWh", ""), (1, "P export", "2026-03-01T00:00", "2 kWh", "")
    ]  # fmt: skip
    assert (found[2][0], found[2][4]) == (2, "SCHEMA")


def test_both_directions_in_one_row(write: Any) -> None:
    path = write("pod,start,in,out\nP,2026-03-01T00:00:00Z,5,7\n")
    assert [row[1:4] for row in read(path, columns={"value": "in", "export": "out"})] == [
        ("P import", "2026-03-01T00:00", "5 Wh"), ("P export", "2026-03-01T00:00", "7 Wh")
    ]  # fmt: skip


WIDE = {"day": "day", "values": "H{n}"}


def test_a_wide_day_has_as_many_hours_as_the_clock_gives_it(write: Any) -> None:
    names = ";".join(f"H{n:02}" for n in range(1, 26))

    def day(text: str, count: int) -> str:
        return f"P;{text};" + ";".join(str(n) if n <= count else "" for n in range(1, 26)) + "\n"

    path = write(f"pod;day;{names}\n{day('2026-10-25', 25)}{day('2026-03-29', 23)}{day('2026-06-01', 25)}")
    found = read(path, **MADRID, columns=WIDE)
    by_day = {place: [row for row in found if row[0] == place] for place in range(3)}
    assert sorted(by_day[0], key=lambda row: row[2])[0][2:4] == ("2026-10-24T22:00", "1 Wh")
    assert {row[2]: row[3] for row in by_day[0]}["2026-10-25T22:00"] == "25 Wh"
    assert (len(by_day[1]), {row[2] for row in by_day[1] if row[3] == "23 Wh"}) == (23, {"2026-03-29T21:00"})
    assert [row[4] for row in by_day[2] if row[4]] == ["CLOCK_GAP"], "a 25th hour on a day of 24"


def test_a_day_and_the_number_of_its_hour(write: Any) -> None:
    path = write("pod,day,hour,energy_wh\nP,2026-10-25,3,1\nP,2026-10-25,25,2\nP,2026-03-29,24,3\nP,2026-03-29,0,4\n")
    found = read(path, zone="Europe/Madrid", columns={"day": "day", "slot": "hour"})
    assert [row[2] for row in found[:2]] == ["2026-10-25T00:00", "2026-10-25T22:00"]
    assert [row[4] for row in found] == ["", "", "CLOCK_GAP", "SCHEMA"]


def test_clock_times_that_come_twice_or_never(write: Any) -> None:
    path = write(
        "pod,start,energy_wh\nP,2026-10-25 02:00,1\nP,2026-03-29 02:00,2\nP,2026-03-29 02:15,2\nP,2026-06-01T10:00,3\n"
    )
    assert [(row[2], row[4]) for row in read(path, zone="Europe/Madrid")] == [
        ("2026-10-25T00:00+", ""), ("2026-03-29T01:00", "CLOCK_GAP"), ("2026-03-29T01:15", "CLOCK_GAP"),
        ("2026-06-01T08:00", ""),
    ]  # fmt: skip


def test_ends_instead_of_starts(write: Any) -> None:
    path = write(
        "pod,start,energy_wh\nP,2026-03-29 02:00,1\nP,2026-03-29 03:00,1\nP,2026-03-29 24:00,2\nP,2026-03-29 02:15,2\n"
    )
    assert [(row[2], row[4]) for row in read(path, zone="Europe/Madrid", label="end")] == [
        ("2026-03-29T00:00", ""), ("2026-03-29T00:00", ""), ("2026-03-29T21:00", ""), ("2026-03-29T00:15", "CLOCK_GAP")
    ]  # fmt: skip


def test_a_row_of_another_length_is_of_another_resolution(write: Any) -> None:
    path = write(
        "pod,start,end,energy_wh\nP,2026-10-25 01:00,2026-10-25 02:00,1\nP,2026-10-25 02:00,2026-10-25 02:00,1\n"
        "P,2026-06-01 01:00,2026-06-01 01:15,1\n"
    )
    found = read(path, zone="Europe/Madrid", columns={"end": "end"})
    assert [row[4] for row in found] == ["", "", "RESOLUTION"]


@pytest.mark.parametrize("fault", ["P,2026-03-01,1", "P,2026-03-01T00:00:00,1", "P,2026-03-01T00:00:00Z,1 000",
                                   "P,2026-03-01T00:00:00Z,x", ",2026-03-01T00:00:00Z,1", "P,,1",
                                   "P,2026-03-01T00:00:00Z",
                                   "P,2026-03-01T00:00:00.5Z,1", 'P,2026-03-01T00:00:00Z,"1,5"',
                                   "P,2026-03-01T00:00:00Z,99999999999999999999"])  # fmt: skip
def test_a_row_that_cannot_be_read_stops_no_other(write: Any, fault: str) -> None:
    path = write(f"pod,start,energy_wh\nP,2026-03-01T00:00:00Z,1\n{fault}\nP,2026-03-01T01:00:00Z,1.5\n")
    assert sorted((row[0], row[4]) for row in read(path)) == [(0, ""), (1, "SCHEMA"), (2, "")]


def test_odd_ways_to_write_a_number(write: Any) -> None:
    path = write("pod;start;energy_wh\n" + "".join(
        f"P;2026-03-01T00:00:00Z;{text}\n" for text in ("+1,5", " 2,50 ", "1.5", "1e-3", ",5", "3,", "-0,25", "1e-30")
    ))  # fmt: skip
    found = [(row[3], row[4]) for row in read(path, delimiter=";", decimal=",")]
    assert [amount for amount, rule in found if not rule] == [
        "1.5 Wh",
        "2.5 Wh",
        "0.001 Wh",
        "0.5 Wh",
        "3 Wh",
        "-0.25 Wh",
    ]
    assert [place for place, (_, rule) in enumerate(found) if rule == "SCHEMA"] == [2, 7]


@pytest.mark.parametrize("fault", ["0x10", "0X1f", '"0x10"', " 0x7 "])
def test_a_hexadecimal_amount_is_no_number(write: Any, tmp_path: Path, fault: str) -> None:
    long = write(f"energy_wh,pod,start\n1,P0X1,2026-03-01T00:00:00Z\n{fault},P0X1,2026-03-01T01:00:00Z\n")
    assert [(row[3], row[4]) for row in read(long)] == [("1 Wh", ""), ("", "SCHEMA")]
    wide = write(f"pod,day,H1,H2\nP0X1,2026-03-01,1,{fault}\n")
    assert [(row[3], row[4]) for row in read(wide, columns=WIDE)] == [("1 Wh", ""), ("", "SCHEMA")]
    starts = pa.array([1772323200, 1772326800], pa.int64()).cast(pa.timestamp("s", "UTC"))
    table = pa.table({"pod": ["P", "P"], "start": starts, "energy_wh": ["1", fault.strip('" ')]})
    pq.write_table(table, tmp_path / "p")
    assert [(row[3], row[4]) for row in read(tmp_path / "p")] == [("1 Wh", ""), ("", "SCHEMA")]


def test_a_piece_that_begins_with_a_hexadecimal_amount_is_seen(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_pieces, "PIECE_BYTES", 64)
    line = "5,P,2026-03-01T00:00:00Z\n"
    head = "energy_wh,pod,start\n"
    path = write(head + line + "0x5,P,2026-03-01T01:00:00Z")
    assert [row[4] for row in read(path)] == ["", "SCHEMA"]


def test_numbers_of_a_parquet_file_are_taken_as_they_are_written(tmp_path: Path) -> None:
    starts = pa.array([1772323200 + HOUR * n for n in range(3)], pa.int64()).cast(pa.timestamp("us", "UTC"))
    for values in (
        pa.array([0.1, 1e-5, None]),
        pa.array([Decimal("0.10000"), Decimal("0.00001"), None], pa.decimal128(12, 5)),
    ):
        pq.write_table(pa.table({"pod": ["P"] * 3, "start": starts, "energy_wh": values}), tmp_path / "p")
        assert [row[3] for row in read(tmp_path / "p")] == ["0.1 Wh", "0.00001 Wh", ""]


@pytest.mark.parametrize("form", ["cim", "cim_json"])
def test_a_cim_document_is_told_by_its_content(write: Any, form: str) -> None:
    start, known = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    series = Series("ES9999000000000001XX", HOUR, direction=Direction.EXPORT)
    curve = LoadCurve(series, start, np.array([1250, MISSING, 0]), np.array([17, 0, 8], np.uint8), known)
    path = write(b"".join(FORMATS[form].encode([curve], PartHeader("dlv_1", default_zone="Europe/Madrid"))))
    assert (format_of(path), read(path)) == (
        form,
        [
            (0, "ES9999000000000001XX export", "2026-03-01T00:00", "1250 Wh", ""),
            (1, "ES9999000000000001XX export", "2026-03-01T02:00", "0 Wh", ""),
        ],
    )


@pytest.mark.parametrize(
    ("text", "settings", "field"),
    [
        ("a,b\n1,2\n", {}, "/pod"),
        ("pod,start\nP,2026-03-01T00:00:00Z\n", {}, "/energy_wh"),
        ("", {}, "/file"),
        ("pod,pod,start,energy_wh\n", {}, "/file"),
        ("pod,day\n", {"columns": {"day": "day", "values": "Q{n}"}}, "/Q{n}"),
        ("PAR1 but not really", {}, "/file"),
        ("<html/>", {}, "/"),
        ('<feed xmlns="http://www.w3.org/2005/Atom"><entry>', {}, "/"),
        ('{"MarketDocument": {"TimeSeries": [{"product": "8716867000030"', {}, "/MarketDocument/TimeSeries/0"),
        ('[{"MarketDocument": 7}]', {}, "/0/MarketDocument"),
        ('{"messageDocumentHeader.creationDateTime": tomorrow}', {}, "/messageDocumentHeader.creationDateTime"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_place(
    write: Any, text: str, settings: Mapping[str, Any], field: str
) -> None:
    with pytest.raises(BadReadingsFile) as refused:
        read(write(text), **settings)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"delimeter": ";"}, "/delimeter"),
        ({"unit": "kVA"}, "/unit"),
        ({"zone": "Europe/Nowhere"}, "/zone"),
        ({"resolution": "PT7M"}, "/resolution"),
        ({"columns": {"values": "H"}}, "/"),
        ({"registers": True, "unit": "kW"}, "/"),
        ({"rollover": 100}, "/"),
    ],
)
def test_a_profile_says_what_is_wrong_with_it(settings: Mapping[str, Any], field: str) -> None:
    with pytest.raises(BadProfile) as refused:
        profile_of(settings)
    assert refused.value.field == field


def test_large_files_come_in_blocks_and_every_row_keeps_its_place(write: Any) -> None:
    count = 400_000
    lines = ["pod,start,energy_wh", "broken"]
    lines += [f"P{n % 7},2026-03-01T00:00:00Z,{n}" for n in range(count)]
    lines.insert(250_000, "broken as well")
    blocks = list(read_blocks(write("\n".join(lines)), profile_of({}), Granularity(900)))
    assert len(blocks) > 2
    places = sorted(int(place) for block in blocks for place in block.rows)
    assert places == list(range(count + 2))
    good = {int(row): int(value) for block in blocks for row, value, rule in
            zip(block.rows, block.stated, block.rules, strict=True) if not rule}  # fmt: skip
    assert (good[1], good[248_998], good[count + 1], 0 in good) == (0, 248_997, count - 1, False)
