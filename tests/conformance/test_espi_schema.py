"""What we write as ESPI 4.0, held against the standard's own schemas; what the field writes, read."""

from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.unit.formats.curves_for_formats import HEADER, civil_curves, load_curve, load_curves, said, several

from meterhall.domain.readings import CIVIL_DAY, CIVIL_MONTH, CIVIL_WEEK, MISSING, Curve, Direction, LoadCurve, resample
from meterhall.domain.readings.civil import midnight
from meterhall.formats import FORMATS, DecodeError

STANDARD = Path(__file__).parents[2].parent / "shared" / "standards" / "espi"
pytestmark = pytest.mark.skipif(not STANDARD.is_dir(), reason="the ESPI schemas are not beside the repository")

NAMES = {"a": "http://www.w3.org/2005/Atom", "e": "http://naesb.org/espi"}
XML_ATTRIBUTES = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
 targetNamespace="http://www.w3.org/XML/1998/namespace"><xs:attribute name="lang" type="xs:language"/>
 <xs:attribute name="base" type="xs:anyURI"/></xs:schema>"""


class LocalSchemas(etree.Resolver):
    """Every schema that is imported comes from the folder, none from the network."""

    def resolve(self, url: str, _: str, context: object) -> object:
        if url.endswith("xml.xsd"):
            return self.resolve_string(XML_ATTRIBUTES, context)
        if url.endswith("atom.xsd"):
            return self.resolve_filename(str(STANDARD / "xsd" / "espi_1.x_CMDTest" / "atom.xsd"), context)
        return None


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(LocalSchemas())
    both = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
      <xs:import namespace="http://www.w3.org/2005/Atom" schemaLocation="atom.xsd"/>
      <xs:import namespace="http://naesb.org/espi" schemaLocation="%s"/></xs:schema>"""
    espi = STANDARD / "xsd" / "espi_4.0" / "espi.xsd"
    return etree.XMLSchema(etree.fromstring(both % espi.as_uri(), parser))


def written(curves: list[Curve]) -> etree._Element:
    return etree.fromstring(b"".join(FORMATS["espi"].encode(curves, HEADER)))


def check(schema: etree.XMLSchema, feed: etree._Element) -> None:
    """The feed, and each resource by its own declaration: Atom lets any content pass."""
    schema.assertValid(feed)
    for content in feed.iterfind("a:entry/a:content/*", NAMES):
        schema.assertValid(etree.fromstring(etree.tostring(content)))


Read = dict[tuple[str, int, int, datetime], dict[int, tuple[int, int, int]]]


def independently(feed: etree._Element) -> Read:
    """By usage point, flow, power of ten and when it became known: of each start the duration, value and quality.

    By the standard's links alone: a block is of the reading it is `up` from, that one of the type it is `related` to.
    """
    found: Read = {}
    entries = feed.findall("a:entry", NAMES)
    own = {link(entry, "self"): entry for entry in entries}
    for entry in entries:
        block = entry.find("a:content/e:IntervalBlock", NAMES)
        if block is None:
            continue
        reading = own[link(entry, "up").removesuffix("/IntervalBlock")]
        (kind,) = [own[one] for one in links(reading, "related") if "/ReadingType/" in one]
        point = link(reading, "up").removesuffix("/MeterReading")
        assert own[point].find("a:content/e:UsagePoint", NAMES) is not None
        says = {child.tag.rpartition("}")[2]: int(child.text) for child in kind.find("a:content/e:ReadingType", NAMES)}
        assert (says["uom"], says["commodity"], says["accumulationBehaviour"]) == (72, 1, 4)
        known = datetime.fromisoformat(entry.findtext("a:updated", None, NAMES))
        name = unquote(point.rpartition("/")[2]), says["flowDirection"], says["powerOfTenMultiplier"], known
        slots = found.setdefault(name, {})
        begin = number(block, "e:interval/e:start")
        end = begin + number(block, "e:interval/e:duration")
        for one in block.findall("e:IntervalReading", NAMES):
            start, duration = number(one, "e:timePeriod/e:start"), number(one, "e:timePeriod/e:duration")
            assert begin <= start < start + duration <= end
            assert start not in slots
            quality = one.findtext("e:ReadingQuality/e:quality", str(says["defaultQuality"]), NAMES)
            slots[start] = duration, number(one, "e:value"), int(quality)
    return {name: slots for name, slots in found.items() if slots}


def number(above: etree._Element, path: str) -> int:
    return int(above.findtext(path, None, NAMES))


def links(entry: etree._Element, relation: str) -> list[str]:
    return [one.get("href") for one in entry.findall("a:link", NAMES) if one.get("rel") == relation]


def link(entry: etree._Element, relation: str) -> str:
    (found,) = links(entry, relation)
    return found


def expected(curves: list[Curve]) -> Read:
    flows = {Direction.IMPORT: 1, Direction.EXPORT: 19, Direction.NET: 4}
    found: Read = {}
    for curve in curves:
        name = curve.series.usage_point, flows[curve.series.direction], curve.series.scale
        slots = found.setdefault((*name, curve.available_at), {})
        lengths = np.diff(curve.edges).tolist()
        columns = curve.starts.tolist(), lengths, curve.mantissas.tolist(), curve.quality.tolist()
        for start, length, value, quality in zip(*columns, strict=True):
            if value != MISSING:
                slots[start] = length, value, quality
    return {name: slots for name, slots in found.items() if slots}


@settings(max_examples=25, deadline=None)
@given(curves=st.one_of(several(load_curves), several(civil_curves)))
def test_every_feed_is_valid_and_says_what_the_curves_say(schema: etree.XMLSchema, curves: list[Curve]) -> None:
    feed = written(curves)
    check(schema, feed)
    assert independently(feed) == expected(curves)


def test_a_wrong_feed_would_be_seen(schema: etree.XMLSchema) -> None:
    feed = written([load_curve([1])])
    feed.find(".//e:uom", NAMES).text = "watt-hours"
    with pytest.raises(etree.DocumentInvalid):
        check(schema, feed)


def test_entries_are_as_real_parsers_want_them() -> None:
    curves: list[Curve] = [
        load_curve([1] * 200),
        load_curve([2] * 10, point="0b0f3c1e-7d55-5f0e-8f64-1f2b3c4d5e6f"),
        load_curve([3] * 10, direction=Direction.EXPORT),
    ]
    feed = written(curves)
    entries = feed.findall("a:entry", NAMES)
    ids = [entry.findtext("a:id", None, NAMES) for entry in entries]
    assert len(set(ids)) == len(ids)
    assert all(UUID(one.removeprefix("urn:uuid:")).version == 5 for one in ids)
    for entry in entries:
        contents = entry.findall("a:content/*", NAMES)
        assert len(contents) == 1
        kind = etree.QName(contents[0]).localname
        assert entry.findtext("a:title", None, NAMES) == kind
        links = {link.get("rel"): link for link in entry.findall("a:link", NAMES)}
        assert links["self"].get("type") == f"espi-entry/{kind}"
        assert links["up"].get("type") == f"espi-feed/{kind}"
        assert links["self"].get("href").rpartition("/")[0] == links["up"].get("href")
        assert all(link.get("href").startswith("https://dso.example/espi/1_1/") for link in links.values())
        assert entry.findtext("a:published", None, NAMES)
        assert entry.findtext("a:updated", None, NAMES)
    kinds = Counter(etree.QName(entry.find("a:content/*", NAMES)).localname for entry in entries)
    assert kinds == {
        "LocalTimeParameters": 1, "UsagePoint": 2, "ReadingType": 2, "MeterReading": 3, "IntervalBlock": 5
    }  # fmt: skip


def test_links_lead_from_each_block_to_its_usage_point_and_reading_type() -> None:
    feed = written([load_curve([1]), load_curve([1], direction=Direction.EXPORT)])
    owned = {link.get("href") for link in feed.findall("a:entry/a:link[@rel='self']", NAMES)}
    related = feed.findall("a:entry/a:link[@rel='related']", NAMES)
    assert {link.get("href") for link in related if link.get("type").startswith("espi-entry/")} <= owned
    assert Counter(link.get("type") for link in related) == {
        "espi-feed/MeterReading": 1, "espi-entry/LocalTimeParameters": 1, "espi-feed/IntervalBlock": 2,
        "espi-entry/ReadingType": 2, "espi-entry/UsagePoint": 2,
    }  # fmt: skip


def test_a_block_is_published_at_its_end_and_updated_when_it_became_known() -> None:
    feed = written([load_curve([1] * 97)])
    blocks = feed.findall("a:entry[a:title='IntervalBlock']", NAMES)
    assert len(blocks) == 2
    for block in blocks:
        start, duration = (
            int(block.findtext(f".//e:interval/e:{name}", None, NAMES)) for name in ("start", "duration")
        )
        published = block.findtext("a:published", None, NAMES)
        assert datetime.fromisoformat(published).timestamp() == start + duration
        assert block.findtext("a:updated", None, NAMES) == "2026-06-01T05:30:00Z"
    assert blocks[0].findtext("a:published", None, NAMES) == "2026-03-29T22:00:00Z"


@pytest.mark.parametrize(
    ("zone", "start_rule", "end_rule", "offset"),
    [
        ("Europe/Lisbon", "3E0E1000", "AE0E2000", "0"),
        ("Europe/Madrid", "3E0E2000", "AE0E3000", "3600"),
        ("Europe/Dublin", "3E0E1000", "AE0E2000", "0"),
        ("Europe/Helsinki", "3E0E3000", "AE0E4000", "7200"),
        ("Atlantic/Azores", "3E0E0000", "AE0E1000", "-3600"),
        ("Atlantic/Reykjavik", "FFFFFFFF", "FFFFFFFF", "0"),
    ],
)
def test_clock_changes_are_those_of_the_zone(
    schema: etree.XMLSchema, zone: str, start_rule: str, end_rule: str, offset: str
) -> None:
    from dataclasses import replace

    feed = etree.fromstring(b"".join(FORMATS["espi"].encode([load_curve([1])], replace(HEADER, default_zone=zone))))
    check(schema, feed)
    found = feed.find(".//e:LocalTimeParameters", NAMES)
    assert [child.text for child in found] == [end_rule, "0" if start_rule[0] == "F" else "3600", start_rule, offset]


def year(zone: str = "Europe/Madrid") -> LoadCurve:
    start, end = midnight(ZoneInfo(zone), date(2026, 1, 1)), midnight(ZoneInfo(zone), date(2027, 1, 1))
    return load_curve([*range(int((end - start) / timedelta(minutes=15)))], start=start)


def test_clock_change_days_are_blocks_of_23_and_25_hours(schema: etree.XMLSchema) -> None:
    feed = written([year()])
    check(schema, feed)
    lengths = [int(one.text) // 3600 for one in feed.iterfind(".//e:interval/e:duration", NAMES)]
    assert Counter(lengths) == {24: 363, 23: 1, 25: 1}
    assert (lengths.index(23), lengths.index(25)) == (87, 297)
    starts = [int(one.text) for one in feed.iterfind(".//e:IntervalReading/e:timePeriod/e:start", NAMES)]
    assert len(starts) == len(set(starts)) == 35_040
    assert set(np.diff(starts).tolist()) == {900}


@pytest.mark.parametrize(("granularity", "name", "lengths"), [
    (CIVIL_DAY, "11", {86_400: 363, 82_800: 1, 90_000: 1}),
    (CIVIL_WEEK, "24", {168 * 3600: 49, 167 * 3600: 1, 169 * 3600: 1}),
    (CIVIL_MONTH, "13", {31 * 86_400: 6, 30 * 86_400: 4, 28 * 86_400: 1, 31 * 86_400 - 3600: 1}),
])  # fmt: skip
def test_civil_slots_say_their_own_lengths(
    schema: etree.XMLSchema, granularity: object, name: str, lengths: dict[int, int]
) -> None:
    coarse = resample(year(), granularity, ZoneInfo("Europe/Madrid")).curve()  # type: ignore[arg-type]
    feed = written([coarse])
    check(schema, feed)
    assert feed.findtext(".//e:timeAttribute", None, NAMES) == name
    found = Counter(int(one.text) for one in feed.iterfind(".//e:timePeriod/e:duration", NAMES))
    if granularity is CIVIL_MONTH:
        found[31 * 86_400] += found.pop(31 * 86_400 + 3600)
    assert found == lengths
    (back,) = FORMATS["espi"].decode(etree.tostring(feed))
    assert said(back) == said(coarse)


def test_a_missing_value_is_a_slot_without_a_reading_and_ids_hold() -> None:
    feed = written([load_curve([5, MISSING, 0])])
    assert [one.text for one in feed.iterfind(".//e:value", NAMES)] == ["5", "0"]
    assert feed.findtext(".//e:interval/e:duration", None, NAMES) == "2700"
    again = written([load_curve([5, 6, 0])])
    ids = [[one.text for one in each.iterfind("a:entry/a:id", NAMES)] for each in (feed, again)]
    assert ids[0] == ids[1]


EXPECTED = {
    "valid_eu_cet_eur.xml": (3600, 0),
    "cew821_sample_greenbutton_data.xml": (3600, 0),
    "eddie_Batch_utilityapi.xml": (900, -3),
    "gba_cmdtest_BatchBulk.xml": (900, 0),
    "gba_cmdtest_test_usage_data.xml": (900, 0),
    "nist_15minLP_15Days.xml": (900, 0),
    "real_SDGE_hourly_2011-02_2012-01_2.5MB.xml": (3600, 0),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_files_of_the_field_are_read(name: str) -> None:
    content = (STANDARD / "samples" / name).read_bytes()
    curves = FORMATS["espi"].decode(content)
    tree = etree.fromstring(content)
    values = [int(one.text) for one in tree.iterfind(".//{http://naesb.org/espi}IntervalReading/{*}value")]
    assert sum(int(curve.present.sum()) for curve in curves) == len(values) > 0
    assert sum(int(curve.mantissas[curve.present].sum()) for curve in curves) == sum(values)
    assert {(curve.series.resolution_s, curve.series.scale) for curve in curves} == {EXPECTED[name]}


@pytest.mark.parametrize("name", ["real_ngma_gas_2024.xml"])
def test_gas_and_registers_are_refused_not_guessed_at(name: str) -> None:
    with pytest.raises(DecodeError):
        FORMATS["espi"].decode((STANDARD / "samples" / name).read_bytes())


def test_what_is_no_load_curve_is_read_as_none() -> None:
    assert FORMATS["espi"].decode((STANDARD / "samples" / "rest_PGEReadingType.xml").read_bytes()) == []


CAME_OUT = {
    "cew821_sample_greenbutton_data": [("01", 3600, "import", 0, 362)],
    "eddie_Batch_utilityapi": [("1669851", 900, "export", -3, 67)],
    "eddie_accounting_point_retailcustomer": [],
    "gba_cmdtest_ApplicationInformation": [],
    "gba_cmdtest_Authorization": [],
    "gba_cmdtest_BatchBulk": [("1", 900, "import", 0, 1340)],
    "gba_cmdtest_test_usage_data": [("5446AF3F", 900, "import", 0, 1340)],
    "nist_15minLP_15Days": [("01", 900, "import", 0, 1340)],
    "real_SDGE_hourly_2011-02_2012-01_2.5MB": [("unnamed", 3600, "import", 0, 8727)],
    "real_ngma_gas_2024": "/updated",
    "real_ssm_puc_utilityapi_electric": [("1402026", 3600, "import", 0, 300)],
    "rest_PGELocalTimeParameters": [],
    "rest_PGEReadingType": [],
    "rest_PGEUsagePoint": [],
    "rest_PGEUsageSummaries": [],
    "valid_eu_cet_eur": [("u-9b6c7063bb02", 3600, "import", 0, 71)],
}
"""Of each sample, its series with the number of values, or the place that makes it none of ours: a gas meter's."""


def test_of_every_sample_it_is_known_what_comes_out() -> None:
    assert sorted(CAME_OUT) == sorted(path.stem for path in (STANDARD / "samples").glob("*.xml"))


@pytest.mark.parametrize("name", CAME_OUT)
def test_what_comes_out_of_a_sample(name: str) -> None:
    content, expected = (STANDARD / "samples" / f"{name}.xml").read_bytes(), CAME_OUT[name]
    if isinstance(expected, str):
        with pytest.raises(DecodeError) as refused:
            FORMATS["espi"].decode(content)
        assert refused.value.field == expected
        return
    found: Counter[tuple[str, int, str, int]] = Counter()
    for curve in FORMATS["espi"].decode(content):
        series = curve.series
        assert isinstance(curve, LoadCurve)
        found[series.usage_point, curve.series.resolution_s, str(series.direction), series.scale] += int(
            curve.present.sum()
        )
    assert [(*key, count) for key, count in found.items()] == expected
