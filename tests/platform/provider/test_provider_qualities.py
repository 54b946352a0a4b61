"""How good a value is survives from source to sink: every quality in by every format, out by every other.

What is expected is what the data dictionary says; what goes in is written here, and what comes out is read here, both
without the product's own writers and readers.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from lxml import etree

from meterhall.domain.protocol.base import FormatName, Period
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import MISSING, Quality, Rule
from meterhall.formats import FORMATS
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.service import live_parts
from meterhall.provider.metering.intake import profile_of
from meterhall.provider.metering.models import IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.service import lake, spec, take_readings
from meterhall.provider.points.models import Point
from tests.platform.provider.conftest import MARCH, World

pytestmark = pytest.mark.django_db
DICTIONARY = Path(__file__).parents[3] / "docs" / "reference" / "data-dictionary.md"
DAY = Period(first=date(2026, 3, 10), until=date(2026, 3, 11))
START = datetime(2026, 3, 10, tzinfo=UTC)
CODES = [int(code) for code in Quality]
GAP, UNSAID = len(CODES), len(CODES) + 1
"""The hour that has no value, and the one whose value says no quality."""
SAYS_NOTHING, NOTHING_SAID = 99, 17


@dataclass(frozen=True)
class Told:
    """What the data dictionary says of a quality: its code in ESPI, in tables, in CIM, and as what CIM is read."""

    espi: str
    tables: str
    cim: str
    read_as: int
    words: str


def documented() -> dict[int, Told]:
    found = {}
    for line in DICTIONARY.read_text().partition("### Qualities")[2].splitlines():
        if row := re.fullmatch(r"\| (\d+) \| [^|]+ \| [^|]+ \| (\d+) \| (\d+) \| (A\d\d) \| ([^|]+) \|", line):
            other = re.fullmatch(r"(\d+); in words: “(.+)”", row[5])
            assert other or row[5] == "the same"
            read_as, words = (int(other[1]), other[2]) if other else (int(row[1]), "")
            found[int(row[1])] = Told(row[2], row[3], row[4], read_as, words)
    return found


TOLD = documented()


def hour(place: int) -> str:
    return f"{START + timedelta(hours=place):%Y-%m-%dT%H:%M:%SZ}"


def hours() -> list[tuple[str, int, int | None]]:
    """The hours that have a value: the start, the value by its quality, the code or none."""
    return [*((hour(place), code, code) for place, code in enumerate(CODES)), (hour(UNSAID), SAYS_NOTHING, None)]


def rows(pod: str, base: int) -> dict[str, Sequence[Any]]:
    starts, values, codes = zip(*hours(), strict=True)
    return {"pod": [pod] * len(starts), "start": starts, "energy_wh": [base + one for one in values], "quality": codes}


def in_csv(pod: str, base: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    table = rows(pod, base)
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return text.getvalue().encode()


def in_parquet(pod: str, base: int) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(rows(pod, base)), sink)
    return bytes(sink.getvalue())


def in_arrow(pod: str, base: int) -> bytes:
    table, sink = pa.table(rows(pod, base)), pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def in_json_rows(pod: str, base: int) -> bytes:
    table = rows(pod, base)
    return "\n".join(
        json.dumps(dict(zip(table, row, strict=True))) for row in zip(*table.values(), strict=True)
    ).encode()


def in_json_days(pod: str, base: int) -> bytes:
    values = [*(base + code for code in CODES), None, base + SAYS_NOTHING]
    line = {"pod": pod, "start": hour(0), "resolution": "PT1H", "values": values, "quality": [*CODES, None, None]}
    return json.dumps(line).encode()


def in_espi(pod: str, base: int) -> bytes:
    def reading(start: str, value: int, code: int | None) -> str:
        said = "" if code is None else f"<e:ReadingQuality><e:quality>{code}</e:quality></e:ReadingQuality>"
        at = int(datetime.fromisoformat(start).timestamp())
        return (
            f"<e:IntervalReading>{said}<e:timePeriod><e:duration>3600</e:duration><e:start>{at}</e:start>"
            f"</e:timePeriod><e:value>{base + value}</e:value></e:IntervalReading>"
        )

    def entry(own: str, up: str, content: str, related: str = "") -> str:
        more = f'<link rel="related" href="{related}"/>' if related else ""
        known = "<published>2026-03-11T00:00:00Z</published><updated>2026-03-11T00:00:00Z</updated>"
        links = f'<link rel="self" href="{own}"/><link rel="up" href="{up}"/>{more}'
        return f"<entry><id>urn:uuid:{own}</id>{links}<title/><content>{content}</content>{known}</entry>"

    point, block = f"UsagePoint/{pod}", "".join(reading(*one) for one in hours())
    kind = (
        "<e:ReadingType><e:accumulationBehaviour>4</e:accumulationBehaviour><e:commodity>1</e:commodity>"
        "<e:flowDirection>1</e:flowDirection><e:uom>72</e:uom></e:ReadingType>"
    )
    entries = (
        entry(point, "UsagePoint", "<e:UsagePoint/>"),
        entry(f"{point}/MeterReading/1", f"{point}/MeterReading", "<e:MeterReading/>", "ReadingType/1"),
        entry("ReadingType/1", "ReadingType", kind),
        entry(f"{point}/MeterReading/1/IntervalBlock/1", f"{point}/MeterReading/1/IntervalBlock",
              f"<e:IntervalBlock>{block}</e:IntervalBlock>"),
    )  # fmt: skip
    head = '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:e="http://naesb.org/espi">'
    return f"{head}{''.join(entries)}</feed>".encode()


def in_cim(pod: str, base: int, *, words: bool = True) -> bytes:
    def period(place: int, value: int, code: int | None) -> str:
        told = TOLD[code] if code is not None else None
        quality = f"<energy_Quantity.quality>{told.cim}</energy_Quantity.quality>" if told else ""
        reason = f"<reason.code>A95</reason.code><reason.text>{told.words}</reason.text>" if told and told.words else ""
        edges = f"<start>{hour(place)[:16]}Z</start><end>{hour(place + 1)[:16]}Z</end>"
        point = (
            f"<position>1</position><energy_Quantity.quantity>{Decimal(base + value) / 1000}</energy_Quantity.quantity>"
        )
        return (
            f"<Period><resolution>PT1H</resolution><timeInterval>{edges}</timeInterval>"
            f"<Point>{point}{quality}</Point>{reason if words else ''}</Period>"
        )

    places = [*((place, code, code) for place, code in enumerate(CODES)), (UNSAID, SAYS_NOTHING, None)]
    series = (
        "<version>1</version><mRID>s</mRID><businessType>A04</businessType><product>8716867000030</product>"
        "<energy_Measurement_Unit.name>KWH</energy_Measurement_Unit.name>"
        "<flowDirection.direction>A02</flowDirection.direction>" + "".join(period(*one) for one in places)
        + f'<marketEvaluationPoint.mRID codingScheme="NIT">{pod}</marketEvaluationPoint.mRID>'
    )  # fmt: skip
    made = "<createdDateTime>2026-03-11T00:00:00Z</createdDateTime>"
    document = f"<MarketDocument>{made}<TimeSeries>{series}</TimeSeries></MarketDocument>"
    return f'<VHD_Envelope xmlns="https//eddie.energy/CIM/VHD_v1.04">{document}</VHD_Envelope>'.encode()


def in_cim_json(pod: str, base: int) -> bytes:
    def period(place: int, value: int, code: int | None) -> dict[str, object]:
        told = TOLD[code] if code is not None else None
        point = {"position": 1, "energy_Quantity.quantity": (base + value) / 1000}
        quality = {"energy_Quantity.quality": told.cim} if told else {}
        reason = {"reason.code": "A95", "reason.text": told.words} if told and told.words else {}
        edges = {"start": f"{hour(place)[:16]}Z", "end": f"{hour(place + 1)[:16]}Z"}
        return {"Point": [point | quality], "timeInterval": edges, "resolution": "PT1H"} | reason

    places = [*((place, code, code) for place, code in enumerate(CODES)), (UNSAID, SAYS_NOTHING, None)]
    series = {
        "Period": [period(*one) for one in places],
        "energy_Measurement_Unit.name": "KWH", "flowDirection.direction": "A02", "product": "8716867000030",
        "marketEvaluationPoint.mRID": {"value": pod, "codingScheme": "NIT"},
    }  # fmt: skip
    document = {"TimeSeries": [series], "createdDateTime": "2026-03-11T00:00:00Z"}
    return json.dumps([{"MarketDocument": document}], indent=2).encode()


def in_cim_codes_alone(pod: str, base: int) -> bytes:
    return in_cim(pod, base, words=False)


SOURCES: dict[str, Callable[[str, int], bytes]] = {
    "csv": in_csv, "parquet": in_parquet, "arrow": in_arrow, "jsonl, a row a line": in_json_rows,
    "jsonl, a day a line": in_json_days, "espi": in_espi, "cim": in_cim, "cim, codes alone": in_cim_codes_alone,
    "cim_json": in_cim_json,
}  # fmt: skip
"""A file of every quality in each format that is taken in; values are `base` and the code."""


def kept_of(source: str) -> dict[int, int]:
    """The quality in the lake of each value less its base, as the dictionary has it."""
    alone = source == "cim, codes alone"
    return {code: TOLD[code].read_as if alone else code for code in CODES} | {SAYS_NOTHING: NOTHING_SAID}


def taken(world: World) -> list[str]:
    """Every source worked in, each for a point of its own; their PODs in order."""
    pods = [point.pod for point in world.points(len(SOURCES))]
    for number, (pod, source) in enumerate(zip(pods, SOURCES.values(), strict=True)):
        take_readings(source(pod, 1000 * (number + 1)), "PT1H")
    world.work()
    assert {(run.problem, run.rows - run.quarantined) for run in IngestRun.objects.all()} == {("", len(CODES) + 1)}
    held = list(QuarantinedRow.objects.values_list("rule", flat=True))
    assert held == [Rule.GAP.id], "the slot that a line of a day names without a value"
    return pods


def test_the_dictionary_has_every_quality() -> None:
    assert sorted(TOLD) == sorted(CODES)
    assert all(one.tables == one.espi == str(code) for code, one in TOLD.items()), "only CIM has codes of its own"


def test_every_quality_enters_by_every_format(world: World) -> None:
    pods = taken(world)
    for number, (pod, source) in enumerate(zip(pods, SOURCES, strict=True)):
        (series,) = Series.objects.filter(point__pod=pod)
        blocks = list(lake().read([spec(series)], START, START + timedelta(days=1)))
        mantissas, quality = (
            np.concatenate([getattr(one, name) for one in blocks]) for name in ("mantissas", "quality")
        )
        there = mantissas != MISSING
        values = (mantissas[there] * 10**series.scale - 1000 * (number + 1)).tolist()
        assert dict(zip(values, quality[there].tolist(), strict=True)) == kept_of(source), source
        assert not there[GAP], source


def test_what_is_delivered_as_cim_json_is_taken_in_as_it_was(world: World) -> None:
    mine, other = world.points(2)
    take_readings(in_csv(mine.pod, 0), "PT1H")
    world.work()
    activation = world.activated([mine], DataScope(granularities=("PT1H",), period=MARCH))
    delivery = world.deliver(activation, format="cim_json", period=DAY, granularity="PT1H")
    (part,) = live_parts(delivery)
    run = take_readings((folder() / part.path).read_bytes(), "", profile=profile_of({"pod": other.pod}))
    world.work()
    run.refresh_from_db()
    assert (run.problem, run.rows, run.quarantined) == ("", len(CODES) + 1, 0)
    delivered, back = (
        [
            (block.mantissas.tolist(), block.quality.tolist())
            for block in lake().read([spec(Series.objects.get(point=point))], START, START + timedelta(days=1))
        ]
        for point in (mine, other)
    )
    assert back == delivered
    assert set(back[0][1]) >= set(CODES)


def out_csv(content: bytes) -> Iterator[tuple[int, str]]:
    for row in csv.DictReader(io.StringIO(content.decode())):
        if row["energy_wh"]:
            yield int(Decimal(row["energy_wh"])), row["quality"]


def out_json_days(content: bytes) -> Iterator[tuple[int, str]]:
    for line in map(json.loads, content.splitlines()):
        for value, code in zip(line["values"], line["quality"], strict=True):
            assert (value is None) == (code is None)
            if value is not None:
                yield value * 10 ** line["scale"], str(code)


def out_json_rows(content: bytes) -> Iterator[tuple[int, str]]:
    for line in map(json.loads, content.splitlines()):
        if line["energy_wh"] is not None:
            yield int(line["energy_wh"]), str(line["quality"])


def of_table(table: pa.Table) -> Iterator[tuple[int, str]]:
    for row in table.select(["mantissa", "scale", "quality"]).to_pylist():
        if row["mantissa"] is not None:
            yield row["mantissa"] * 10 ** row["scale"], str(row["quality"])


def out_espi(content: bytes) -> Iterator[tuple[int, str]]:
    names = {"e": "http://naesb.org/espi"}
    for reading in etree.fromstring(content).iter(f"{{{names['e']}}}IntervalReading"):
        code = reading.findtext("e:ReadingQuality/e:quality", namespaces=names)
        yield int(reading.findtext("e:value", "", names)), code or str(NOTHING_SAID)


def out_cim(content: bytes) -> Iterator[tuple[int, str]]:
    names = {"c": "https//eddie.energy/CIM/VHD_v1.04"}
    for period in etree.fromstring(content).iter(f"{{{names['c']}}}Period"):
        words = period.findtext("c:reason.text", "", names)
        for point in period.iterfind("c:Point", names):
            if quantity := point.findtext("c:energy_Quantity.quantity", namespaces=names):
                code = point.findtext("c:energy_Quantity.quality", "", names)
                yield int(Decimal(quantity) * 1000), f"{code} {words}".strip()


def out_cim_json(content: bytes) -> Iterator[tuple[int, str]]:
    document = json.loads(content, parse_float=Decimal)["MarketDocument"]
    for period in (one for series in document["TimeSeries"] for one in series["Period"]):
        for point in period["Point"]:
            if "energy_Quantity.quantity" in point:
                said = f"{point['energy_Quantity.quality']} {period.get('reason.text', '')}"
                yield int(Decimal(point["energy_Quantity.quantity"]) * 1000), said.strip()


SINKS: dict[str, Callable[[bytes], Iterator[tuple[int, str]]]] = {
    "csv": out_csv, "jsonl": out_json_days, "jsonl_rows": out_json_rows, "espi": out_espi, "cim": out_cim,
    "cim_json": out_cim_json,
    "parquet": lambda content: of_table(pq.read_table(pa.BufferReader(content))),
    "arrow": lambda content: of_table(ipc.open_stream(content).read_all()),
}  # fmt: skip
"""The value in Wh and what the file says of its quality, of each format of a delivery."""


def said_in(form: str, code: int) -> str:
    if form.startswith("cim"):
        return f"{TOLD[code].cim} {TOLD[code].words}".strip()
    return TOLD[code].espi if form == "espi" else TOLD[code].tables


@pytest.mark.parametrize("form", get_args(FormatName))
def test_every_quality_leaves_as_the_dictionary_says_whatever_it_came_by(world: World, form: str) -> None:
    pods = taken(world)
    points = list(Point.objects.filter(pod__in=pods))
    activation = world.activated(points, DataScope(granularities=("PT1H",), period=MARCH))
    delivery = world.deliver(activation, format=form, period=DAY, granularity="PT1H")
    parts = [(folder() / part.path).read_bytes() for part in live_parts(delivery)]
    kept = {
        1000 * (number + 1) + value: code
        for number, source in enumerate(SOURCES)
        for value, code in kept_of(source).items()
    }
    found = [one for part in parts for one in SINKS[form](part)]
    assert dict(found) == {value: said_in(form, code) for value, code in kept.items()}
    assert len(found) == len(kept)
    ours: dict[int, int] = {}
    for curve in (one for part in parts for one in FORMATS[form].decode(part)):
        there = np.flatnonzero(curve.mantissas != MISSING)
        values = [int(value * Decimal(10) ** curve.series.scale) for value in curve.mantissas[there].tolist()]
        ours |= dict(zip(values, curve.quality[there].tolist(), strict=True))
    assert ours == kept, "read back, nothing is lost"
