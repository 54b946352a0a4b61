import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.curves_for_formats import HEADER, load_curve

from meterhall.domain.readings import MISSING, resample
from meterhall.domain.readings.civil import zone_of
from meterhall.domain.readings.granularity import CIVIL_DAY
from meterhall.formats import FORMATS, DecodeError, EncodeError, FileTooLarge, PartHeader


def file(name: str, values: list[int] | None = None) -> bytes:
    return b"".join(FORMATS[name].encode([load_curve(values or [1, 2, 3], point="p")], HEADER))


def refused(name: str, content: bytes) -> str:
    with pytest.raises(DecodeError) as fault:
        FORMATS[name].decode(content)
    assert fault.value.code == "format_invalid"
    assert fault.value.field is not None
    return fault.value.field


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (",energy_wh", ",kwh", "/energy_wh"),
        (",1,17", ",one,17", "/energy_wh"),
        (",1,17", ",1_0,17", "/energy_wh"),
        (",1,17", ",1e3,17", "/energy_wh"),
        (",1,17", "," + "9" * 30 + ",17", "/energy_wh"),
        (",1,17", ",1,", "/quality"),
        (",1,17", ",1,5", "/quality"),
        (",1,17", ",1,-1", "/quality"),
        ("PT15M", "15 minutes", "/resolution"),
        ("PT15M", "P1D", "/end"),
        ("import", "sideways", "/direction"),
        ("2026-03-28T23:00:00Z", "2026-03-28T23:00:00", "/start"),
        ("2026-03-28T23:00:00Z", "2026-03-28T23:07:00Z", "/start"),
        ("2026-03-28T23:15:00Z", "2026-03-28T23:00:00Z", "/start"),
        ("2026-03-28T23:00:00Z", "9999999-01-01T00:00Z", "/start"),
        ("2026-06-01T05:30:00Z", "yesterday", "/available_at"),
        ("p,2026-03-28T23:00:00Z,", "p,", "/rows/1"),
        ("usage_point,", '"usage_point,', "/rows"),
    ],
)
def test_a_faulty_csv_is_refused_with_the_column(old: str, new: str, field: str) -> None:
    assert refused("csv", file("csv").decode().replace(old, new).encode()) == field


def test_a_csv_that_is_no_text_is_refused() -> None:
    assert refused("csv", b"\xff\xfe") == "/"
    assert refused("csv", b"") == "/usage_point"


@pytest.mark.parametrize(
    ("member", "value", "field"),
    [
        ("values", [1, 2, "3"], "/lines/0/values"),
        ("values", [1, 2, True], "/lines/0/values"),
        ("values", [1, 2, 3.5], "/lines/0/values"),
        ("values", [1, 2, 2**63], "/lines/0/values"),
        ("values", [1, 2, MISSING], "/lines/0/values"),
        ("values", "1,2,3", "/lines/0/values"),
        ("quality", [17, 17], "/lines/0/quality"),
        ("quality", [17, 17, 3], "/lines/0/quality"),
        ("quality", [17, 17, None], "/lines/0/quality"),
        ("scale", "0", "/lines/0/scale"),
        ("scale", 10**9, "/lines/0/scale"),
        ("pseudonym", 7, "/lines/0/pseudonym"),
        ("direction", None, "/lines/0/direction"),
        ("resolution", None, "/lines/0/resolution"),
        ("resolution", "P1M", "/lines/0/edges"),
        ("start", "2026-03-28", "/lines/0/start"),
        ("start", "2026-03-28T23:00:00.5Z", "/lines/0/start"),
        ("start", "2026-03-28T23:01:00Z", "/lines/0"),
        ("unit", "kWh", "/lines/0/unit"),
        ("available_at", 5, "/lines/0/available_at"),
    ],
)
def test_a_faulty_json_line_is_refused_with_the_member(member: str, value: object, field: str) -> None:
    document = json.loads(file("jsonl")) | {member: value}
    assert refused("jsonl", json.dumps(document).encode()) == field


@pytest.mark.parametrize("line", [b"{", b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_a_line_that_is_no_object_is_refused(line: bytes) -> None:
    assert refused("jsonl", line).startswith("/lines/0")


@pytest.mark.parametrize(
    ("member", "value", "field"),
    [
        ("energy_wh", "1", "/lines/0/energy_wh"),
        ("energy_wh", True, "/lines/0/energy_wh"),
        ("energy_wh", 1e300, "/lines/0/energy_wh"),
        ("energy_wh", 10**30, "/energy_wh"),
        ("energy_wh", [], "/lines/0/energy_wh"),
        ("quality", None, "/quality"),
        ("quality", 5, "/quality"),
        ("quality", 17.5, "/quality"),
        ("start", "2026-03-28", "/start"),
        ("start", 1774738800, "/lines/0/start"),
        ("usage_point", None, "/lines/0/usage_point"),
        ("resolution", "P1D", "/end"),
        ("direction", "sideways", "/direction"),
        ("available_at", "yesterday", "/available_at"),
    ],
)
def test_a_faulty_json_row_is_refused_with_the_member(member: str, value: object, field: str) -> None:
    first, *rest = file("jsonl_rows").splitlines()
    assert refused("jsonl_rows", b"\n".join([json.dumps(json.loads(first) | {member: value}).encode(), *rest])) == field


def test_a_json_row_without_a_value_says_so() -> None:
    first, *rest = file("jsonl_rows").splitlines()
    without = {name: value for name, value in json.loads(first).items() if name != "energy_wh"}
    assert refused("jsonl_rows", b"\n".join([json.dumps(without).encode(), *rest])) == "/lines/0/energy_wh"
    assert refused("jsonl_rows", b"[1]") == "/lines/0"
    assert refused("jsonl_rows", b"{") == "/lines/0"


def test_an_arrow_stream_that_is_cut_short_is_refused() -> None:
    whole = file("arrow")
    for length in (0, 4, 100, len(whole) - 8, len(whole) - 1):
        assert refused("arrow", whole[:length]) == "/"
    assert refused("arrow", b"ARROW1\0\0" + whole) == "/"


def test_an_arrow_stream_of_other_columns_is_refused() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.ipc.open_stream(file("arrow")).read_all()
    far = pa.array([2**62] * 3).cast(pa.timestamp("us", "UTC"))
    for name, column in {
        "mantissa": pa.array([1.5, 2.0, 3.0]),
        "available_at": far,
        "start": pa.array(["now"] * 3),
    }.items():
        sink = pa.BufferOutputStream()
        other = table.set_column(table.column_names.index(name), name, [column])
        with pa.ipc.new_stream(sink, other.schema) as writer:
            writer.write_table(other)
        assert refused("arrow", sink.getvalue().to_pybytes()) == f"/{name}"
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.drop_columns(["scale"]).schema) as writer:
        writer.write_table(table.drop_columns(["scale"]))
    assert refused("arrow", sink.getvalue().to_pybytes()) == "/scale"


def test_a_small_arrow_stream_cannot_claim_a_huge_curve() -> None:
    pa = pytest.importorskip("pyarrow")
    sink = pa.BufferOutputStream()
    nothing = pa.table({"usage_point": pa.nulls(70_000_000)})
    with pa.ipc.new_stream(sink, nothing.schema) as writer:
        writer.write_table(nothing)
    assert len(sink.getvalue()) < 1000
    with pytest.raises(FileTooLarge):
        FORMATS["arrow"].decode(sink.getvalue().to_pybytes())


def with_column(name: str, change: Callable[[object], object]) -> bytes:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(pa.BufferReader(file("parquet")))
    sink = pa.BufferOutputStream()
    place = table.column_names.index(name)
    pq.write_table(table.set_column(place, name, [change(table[name].combine_chunks())]), sink)
    return bytes(sink.getvalue())


def test_a_faulty_parquet_is_refused_with_the_column() -> None:
    pa = pytest.importorskip("pyarrow")
    assert refused("parquet", b"PAR1 and nothing else") == "/"
    assert refused("parquet", file("parquet")[:-20]) == "/"
    faults: dict[str, list[Callable[[object], object]]] = {
        "start": [lambda _: pa.array(["now"] * 3), lambda old: old.cast(pa.timestamp("ms"))],  # type: ignore[attr-defined]
        "mantissa": [lambda _: pa.array([1.5, 2.0, 3.0])],
        "quality": [lambda _: pa.array([17, 17, 4], pa.uint8())],
        "direction": [lambda _: pa.array(["import", "import", None]), lambda _: pa.array(["up"] * 3)],
        "resolution": [lambda _: pa.array(["PT1S1"] * 3)],
        "end": [lambda old: pa.array([old[0], old[1], None])],  # type: ignore[index]
    }
    for name, changes in faults.items():
        for change in changes:
            assert refused("parquet", with_column(name, change)) == f"/{name}"


def test_a_parquet_without_a_column_is_refused() -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"usage_point": ["p"]}), sink)
    assert refused("parquet", bytes(sink.getvalue())) == "/direction"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("<value>1</value>", "<value>one</value>", "/entries/4/IntervalBlock/IntervalReading/0/value"),
        ("<value>1</value>", "<value>1</value><value>2</value>", "/entries/4/IntervalBlock/IntervalReading/0/value"),
        ("<value>1</value>", "<value>" + "9" * 30 + "</value>", "/entries/4/IntervalBlock"),
        ("<start>1774739700</start>", "<start>1774739701</start>", "/entries/4/IntervalBlock"),
        ("<start>1774739700</start>", "<start>1774738800</start>", "/entries/4/IntervalBlock"),
        ("<timePeriod><duration>900", "<timePeriod><duration>901", "/entries/4/IntervalBlock"),
        ("<uom>72</uom>", "<uom>38</uom>", "/entries/4/IntervalBlock/uom"),
        ("<accumulationBehaviour>4", "<accumulationBehaviour>1", "/entries/4/IntervalBlock/accumulationBehaviour"),
        ("<commodity>1", "<commodity>7", "/entries/4/IntervalBlock/commodity"),
        ("<flowDirection>1<", "<flowDirection>2<", "/entries/4/IntervalBlock"),
        ("<powerOfTenMultiplier>0", "<powerOfTenMultiplier>k", "/entries/2/ReadingType/powerOfTenMultiplier"),
        ("<updated>2026-06-01T05:30:00Z", "<updated>June", "/updated"),
        ("</feed>", "", "/"),
    ],
)
def test_a_faulty_feed_is_refused_with_the_place(old: str, new: str, field: str) -> None:
    content = file("espi").decode()
    assert old in content
    assert refused("espi", content.replace(old, new).encode()) == field


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_before_anything_is_expanded(encoding: str) -> None:
    bomb = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9))
        + ']><feed xmlns="http://www.w3.org/2005/Atom"><updated>&j;</updated></feed>'
    )
    assert refused("espi", bomb.encode(encoding)) == "/"


def test_a_file_of_the_machine_is_not_read() -> None:
    content = file("espi").replace(b"<feed ", b'<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/hostname">]><feed ', 1)
    assert refused("espi", content.replace(b"<value>1</value>", b"<value>&x;</value>")) == "/"


def test_deep_nesting_is_refused() -> None:
    assert refused("espi", b"<a>" * 100_000) == "/"


def test_a_small_feed_cannot_claim_a_huge_curve() -> None:
    content = file("espi").replace(b"<interval><duration>2700", b"<interval><duration>4000000000")
    with pytest.raises(FileTooLarge):
        FORMATS["espi"].decode(content.replace(b"<duration>900<", b"<duration>1<"))


def test_one_hour_read_twice_by_local_time_is_refused() -> None:
    first, second = load_curve([1, 2, 3, 4]), load_curve([5, 6, 7, 8])
    for name in FORMATS:
        content = b"".join(FORMATS[name].encode([first, second], HEADER))
        refused(name, content)


def test_what_a_format_cannot_say_is_refused_when_written() -> None:
    with pytest.raises(EncodeError):
        list(FORMATS["espi"].encode([load_curve([2**48])], HEADER))
    with pytest.raises(EncodeError):
        list(FORMATS["espi"].encode([load_curve([1])], PartHeader("d", default_zone="Mars/Olympus")))
    with pytest.raises(EncodeError):
        list(FORMATS["espi"].encode([load_curve([1])], PartHeader("d", default_zone="America/New_York")))
    daily = resample(load_curve([1] * 92), CIVIL_DAY, zone_of("Europe/Madrid")).curve()
    with pytest.raises(EncodeError):
        list(FORMATS["csv"].encode([load_curve([1]), daily], HEADER))


@pytest.mark.parametrize("name", list(FORMATS))
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_bytes_at_random_are_refused_and_nothing_worse(name: str, data: st.DataObject) -> None:
    content = bytearray(file(name, [1, MISSING, 3]))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with suppress(DecodeError, FileTooLarge):
        FORMATS[name].decode(bytes(content))
