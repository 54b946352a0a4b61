"""What we write as CIM ValidatedHistoricalData 1.04, held against the schema and read by rules of its own."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.unit.formats.curves_for_formats import HEADER, civil_curves, load_curve, load_curves, several

from meterhall.domain.readings import (
    CIVIL_DAY,
    CIVIL_MONTH,
    CIVIL_WEEK,
    MISSING,
    CivilCurve,
    Curve,
    Direction,
    LoadCurve,
    Quality,
    resample,
)
from meterhall.domain.readings.civil import midnight
from meterhall.formats import FORMATS, DecodeError

STANDARD = Path(__file__).parents[2].parent / "shared" / "standards" / "cim"
pytestmark = pytest.mark.skipif(not STANDARD.is_dir(), reason="the CIM schemas are not beside the repository")

NAMES = {"c": "https//eddie.energy/CIM/VHD_v1.04"}
IN = replace(HEADER, requester="MH0000000002", country="ES")
MINIMAL = STANDARD / "examples" / "vhd_v1.04_minimal_valid.xml"


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    path = STANDARD / "xsd" / "v1_04" / "vhd" / "ValidatedHistoricalData Document_v1.04_annotated.xsd"
    return etree.XMLSchema(etree.parse(str(path), etree.XMLParser(no_network=True)))


def written(curves: list[Curve]) -> etree._Element:
    return etree.fromstring(b"".join(FORMATS["cim"].encode(curves, IN)))


def twin(curves: list[Curve]) -> dict[str, object]:
    found: dict[str, object] = json.loads(b"".join(FORMATS["cim_json"].encode(curves, IN)), parse_float=Decimal)
    return found


def one(element: etree._Element, path: str) -> str:
    (found,) = element.xpath(f"{path}/text()", namespaces=NAMES)
    return str(found)


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)


Read = dict[tuple[str, str, datetime], dict[datetime, tuple[Decimal | None, str]]]


def independently(envelope: etree._Element) -> Read:
    """By metering point, direction and known-at: each slot's kWh and quality, by the rule position → instant.

    A Period of civil days or months is divided evenly, which is right for those of one length.
    """
    found: Read = {}
    for series in envelope.xpath("c:MarketDocument/c:TimeSeries", namespaces=NAMES):
        assert one(series, "c:product") == "8716867000030"
        assert one(series, "c:energy_Measurement_Unit.name") == "KWH"
        known = datetime.fromisoformat(one(series, "c:dateAndOrTime.dateTime"))
        flow = one(series, "c:flowDirection.direction") + one(series, "c:businessType")
        slots = found.setdefault((one(series, "c:marketEvaluationPoint.mRID"), flow, known), {})
        for period in series.xpath("c:Period", namespaces=NAMES):
            start, end = (instant(one(period, f"c:timeInterval/c:{name}")) for name in ("start", "end"))
            points = period.xpath("c:Point", namespaces=NAMES)
            assert [int(one(point, "c:position")) for point in points] == list(range(1, len(points) + 1))
            for index, point in enumerate(points):
                values = point.xpath("c:energy_Quantity.quantity/text()", namespaces=NAMES)
                at = start + index * (end - start) / len(points)
                assert at not in slots
                slots[at] = Decimal(values[0]) if values else None, one(point, "c:energy_Quantity.quality")
    return found


def expected(curves: list[Curve]) -> Read:
    flows = {Direction.IMPORT: "A02A04", Direction.EXPORT: "A01A01", Direction.NET: "A03A07"}
    codes = {
        0: "A04", 7: "A01", 8: "A03", 9: "A03", 10: "A05", 11: "A06", 12: "A03", 13: "A06", 14: "A04", 15: "A01",
        16: "A04", 17: "A04", 18: "A04", 19: "A04",
    }  # fmt: skip
    found: Read = {}
    for curve in curves:
        of = curve.series
        slots = found.setdefault((of.usage_point, flows[of.direction], curve.available_at), {})
        sign = -1 if of.direction is Direction.NET else 1
        for start, value, quality in zip(
            curve.starts.tolist(), curve.mantissas.tolist(), curve.quality.tolist(), strict=True
        ):
            there = value != MISSING
            kwh = Decimal(sign * value).scaleb(of.scale - 3) if there else None
            slots[datetime.fromtimestamp(start, UTC)] = kwh, codes[quality] if there else "A02"
    return found


@settings(max_examples=40, deadline=None)
@given(curves=st.one_of(several(load_curves), several(civil_curves)))
def test_every_document_is_valid_and_says_what_the_curves_say(schema: etree.XMLSchema, curves: list[Curve]) -> None:
    envelope = written(curves)
    schema.assertValid(envelope)
    assert independently(envelope) == expected(curves)


def year(zone: str = "Europe/Madrid") -> LoadCurve:
    start, end = midnight(ZoneInfo(zone), date(2026, 1, 1)), midnight(ZoneInfo(zone), date(2027, 1, 1))
    values = np.random.default_rng(4).gamma(1.2, 90, int((end - start) / timedelta(minutes=15))).astype(np.int64)
    values[5000:5003], values[30_000], values[7] = MISSING, 123_456, 0
    return load_curve(values.tolist(), start=start)


def test_a_year_of_quarter_hours_with_both_clock_changes(schema: etree.XMLSchema) -> None:
    envelope = written([year()])
    schema.assertValid(envelope)
    assert independently(envelope) == expected([year()])
    periods = envelope.xpath("//c:Period", namespaces=NAMES)
    assert [len(period.xpath("c:Point", namespaces=NAMES)) for period in periods] == [9984, 9984, 9984, 5088]


@pytest.mark.parametrize("zone", ["Europe/Madrid", "Europe/Lisbon", "Atlantic/Reykjavik", "Atlantic/Azores"])
@pytest.mark.parametrize("granularity", [CIVIL_DAY, CIVIL_WEEK, CIVIL_MONTH])
def test_civil_slots_need_no_zone_to_be_read(schema: etree.XMLSchema, zone: str, granularity: object) -> None:
    coarse = resample(replace(year(zone), mantissas=np.ones(35_040, np.int64)), granularity, ZoneInfo(zone)).curve()  # type: ignore[arg-type]
    envelope = written([coarse])
    schema.assertValid(envelope)
    assert independently(envelope) == expected([coarse])
    assert set(envelope.xpath("//c:resolution/text()", namespaces=NAMES)) == {str(granularity)}
    (back,) = FORMATS["cim"].decode(etree.tostring(envelope))
    assert isinstance(back, CivilCurve)
    assert back.edges.tolist() == coarse.edges.tolist()


def test_values_of_all_widths_and_gaps_come_through_each_way_of_writing(schema: etree.XMLSchema) -> None:
    chance = np.random.default_rng(7)
    for share in (0.001, 0.02, 0.5):
        values = np.where(chance.random(3000) < share, chance.integers(-(10**9), 10**9, 3000), 5)
        values[chance.random(3000) < share] = MISSING
        codes = np.where(chance.random(3000) < share, 8, 17).tolist()
        curve = load_curve(values.tolist(), quality=codes)
        envelope = written([curve])
        schema.assertValid(envelope)
        assert independently(envelope) == expected([curve])


def test_the_parties_and_times_of_the_document() -> None:
    envelope = written([load_curve([1]), load_curve([2], start=datetime(2026, 4, 1, tzinfo=UTC))])
    document = envelope.find("c:MarketDocument", NAMES)
    assert one(document, "c:sender_MarketParticipant.mRID") == "MH0000000001"
    assert one(document, "c:receiver_MarketParticipant.mRID") == "MH0000000002"
    assert set(envelope.xpath("//@codingScheme")) == {"NES"}
    assert (one(document, "c:type"), one(document, "c:process.processType")) == ("A45", "A74")
    interval = one(document, "c:period.timeInterval/c:start"), one(document, "c:period.timeInterval/c:end")
    assert interval == ("2026-03-28T23:00Z", "2026-04-01T00:15Z")
    asked = replace(IN, period=(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)))
    named = etree.fromstring(b"".join(FORMATS["cim"].encode([load_curve([1])], asked)))
    assert one(named, "c:MarketDocument/c:period.timeInterval/c:end") == "2026-05-01T00:00Z"
    ids = envelope.xpath("//c:mRID/text()", namespaces=NAMES)
    assert len(set(ids)) == len(ids) == 3


def test_a_file_without_curves_is_valid(schema: etree.XMLSchema) -> None:
    schema.assertValid(written([]))
    assert "MarketDocument" not in twin([])


def test_a_wrong_document_would_be_seen(schema: etree.XMLSchema) -> None:
    envelope = written([load_curve([1])])
    envelope.find(".//c:energy_Measurement_Unit.name", NAMES).text = "WH"
    assert not schema.validate(envelope)


def as_json(element: etree._Element) -> object:
    """An element as the peer's binding spells it: what may come more than once as an array, ids with their scheme."""
    if element.get("codingScheme"):
        return {"value": element.text, "codingScheme": element.get("codingScheme")}
    if not len(element):
        name = etree.QName(element).localname
        return (
            int(element.text) if name == "position" else Decimal(element.text) if "quantity" in name else element.text
        )
    made: dict[str, object] = {}
    for child in element:
        name = etree.QName(child).localname
        if name in ("TimeSeries", "Period", "Point"):
            made.setdefault(name, []).append(as_json(child))  # type: ignore[attr-defined]
        else:
            made[name] = as_json(child)
    return made


@settings(max_examples=20, deadline=None)
@given(curves=st.one_of(several(load_curves), several(civil_curves)))
def test_the_twin_in_json_says_the_same(curves: list[Curve]) -> None:
    assert twin(curves) == as_json(written(curves))


def test_the_twin_of_a_year_says_the_same() -> None:
    assert twin([year()]) == as_json(written([year()]))


def test_a_published_example_is_read() -> None:
    (curve,) = FORMATS["cim"].decode(MINIMAL.read_bytes())
    assert curve.series.usage_point == "AT0010000000000000001000000000001"
    assert curve.start == datetime(2024, 12, 30, 9, tzinfo=UTC)
    assert (curve.mantissas * 10.0**curve.series.scale).tolist() == [100, 200, 300, 400]
    assert set(curve.quality.tolist()) == {Quality.VALIDATED}
    assert curve.available_at == datetime(2025, 11, 25, 13, 41, 59, tzinfo=UTC)


def test_power_under_the_name_of_energy_is_refused() -> None:
    """The peer's own example is 10 W from 09:49 on: neither energy nor a quarter hour."""
    content = (STANDARD / "examples" / "eddie_docs_vhd_v1.04.xml").read_bytes()
    with pytest.raises(DecodeError) as fault:
        FORMATS["cim"].decode(content)
    assert fault.value.field == "/MarketDocument/TimeSeries/0/energy_Measurement_Unit.name"
    with pytest.raises(DecodeError) as fault:
        FORMATS["cim"].decode(content.replace(b">WTT<", b">KWH<"))
    assert fault.value.field == "/MarketDocument/TimeSeries/0/Period/0"
    even = content.replace(b">WTT<", b">KWH<").replace(b"T09:49Z", b"T09:45Z").replace(b"T10:04Z", b"T10:00Z")
    (curve,) = FORMATS["cim"].decode(even)
    assert (curve.mantissas * 10.0**curve.series.scale).tolist() == [10_000]


def test_months_and_days_of_a_peer_in_one_period_get_the_edges_of_their_zone() -> None:
    content = MINIMAL.read_bytes().replace(b"PT15M", b"P0Y0M1DT0H0M0.000S")
    content = content.replace(b"2024-12-30T09:00Z", b"2024-03-28T23:00Z").replace(
        b"2024-12-30T10:00Z", b"2024-04-01T22:00Z"
    )
    (curve,) = FORMATS["cim"].decode(content)
    assert np.diff(curve.edges).tolist() == [86_400, 86_400, 82_800, 86_400]
    months = content.replace(b"P0Y0M1DT0H0M0.000S", b"P0Y1M0DT0H0M0S").replace(
        b"2024-03-28T23:00Z", b"2023-12-31T23:00Z"
    )
    months = months.replace(b"2024-04-01T22:00Z", b"2024-04-30T22:00Z")
    (curve,) = FORMATS["cim"].decode(months)
    assert str(curve.series.granularity) == "P1M"  # type: ignore[union-attr]
    assert (np.diff(curve.edges) // 3600).tolist() == [31 * 24, 29 * 24, 31 * 24 - 1, 30 * 24]
    assert Counter(curve.present.tolist()) == {True: 4}
