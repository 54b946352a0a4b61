"""CIM documents of others: what is read, what is refused and where the fault is said to be."""

import json
import re
import tracemalloc
from collections.abc import Callable

import pytest
from tests.unit.formats.curves_for_formats import HEADER, load_curve, said

from meterhall.domain.readings import MISSING, Direction, Quality
from meterhall.formats import FORMATS, DecodeError, EncodeError, FileTooLarge, PartHeader
from meterhall.formats.cim.codes import NAMESPACE, QUALITY_READ, QUALITY_WRITTEN
from meterhall.formats.cim.curves import ACCUMULATION

SERIES = "/MarketDocument/TimeSeries/0"
PERIOD = f"{SERIES}/Period/0"
BEGIN = "<timeInterval><start>2026-03-28T23:00Z"
GAP = "<Point><position>2</position><energy_Quantity.quality>A02</energy_Quantity.quality></Point>"


def file(name: str = "cim") -> str:
    return b"".join(FORMATS[name].encode([load_curve([1, MISSING, 3], point="p")], HEADER)).decode()


def refused(content: str | bytes, name: str = "cim") -> str | None:
    with pytest.raises(DecodeError) as fault:
        FORMATS[name].decode(content if isinstance(content, bytes) else content.encode())
    assert fault.value.code == "format_invalid"
    return fault.value.field


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (">0.001<", ">one<", f"{PERIOD}/Point/0/energy_Quantity.quantity"),
        (">0.001<", ">1e3<", f"{PERIOD}/Point/0/energy_Quantity.quantity"),
        (">0.001<", ">" + "9" * 30 + "<", f"{PERIOD}/Point"),
        (">0.001<", "><b/><", f"{PERIOD}/Point/0/energy_Quantity.quantity"),
        ("<position>1<", "<position>0<", f"{PERIOD}/Point/0/position"),
        ("<position>1<", "<position>4<", f"{PERIOD}/Point/0/position"),
        ("<position>1<", "<position>2<", f"{PERIOD}/Point"),
        ("<position>1<", "<position>1774739700<", f"{PERIOD}/Point/0/position"),
        ("<position>1<", "<position>1_0<", f"{PERIOD}/Point/0/position"),
        ("<position>1<", "<position>-1<", f"{PERIOD}/Point/0/position"),
        ("quality>A04<", "quality>A08<", f"{PERIOD}/Point/0/energy_Quantity.quality"),
        (">PT15M<", ">PT7M<", f"{PERIOD}/resolution"),
        (">PT15M<", ">P8D<", f"{PERIOD}/resolution"),
        (">PT15M<", ">P1Y<", f"{PERIOD}/resolution"),
        (">PT15M<", ">15 minutes<", f"{PERIOD}/resolution"),
        (">PT15M<", ">PT1H<", f"{PERIOD}/timeInterval/end"),
        (">PT15M<", ">P1D<", f"{PERIOD}/timeInterval"),
        (">PT15M<", ">P1M<", f"{PERIOD}/timeInterval"),
        (BEGIN, BEGIN.replace("-28T", "-29T"), f"{PERIOD}/timeInterval/end"),
        (BEGIN, BEGIN.removesuffix("T23:00Z"), f"{PERIOD}/timeInterval/start"),
        (">8716867000030<", ">8716867000047<", f"{SERIES}/product"),
        (">KWH<", ">KWT<", f"{SERIES}/energy_Measurement_Unit.name"),
        ("accumulation>4<", "accumulation>1<", f"{SERIES}/{ACCUMULATION}"),
        ("direction>A02<", "direction>A04<", f"{SERIES}/flowDirection.direction"),
        ("direction>A02<", "direction>A03<", f"{SERIES}/flowDirection.direction"),
        ("businessType>A04<", "businessType>A07<", f"{SERIES}/flowDirection.direction"),
        (">p</marketEvaluationPoint.mRID>", "></marketEvaluationPoint.mRID>", f"{SERIES}/marketEvaluationPoint.mRID"),
        ("2026-06-01T05:30:00Z</dateAndOrTime", "June</dateAndOrTime", f"{SERIES}/dateAndOrTime.dateTime"),
        (NAMESPACE, "https://eddie.energy/CIM/VHD_v1.04", "/"),
        ("</VHD_Envelope>", "", "/"),
    ],
)  # fmt: skip
def test_a_faulty_document_is_refused_with_the_place(old: str, new: str, field: str) -> None:
    content = file()
    assert old in content
    assert refused(content.replace(old, new, 1)) == field


def test_when_it_became_known_is_that_of_the_series_else_of_the_document() -> None:
    content = file().replace("<dateAndOrTime.dateTime>2026-06-01T05:30:00Z</dateAndOrTime.dateTime>", "")
    content = content.replace("<createdDateTime>2026-06-01T05:30:00Z", "<createdDateTime>2026-06-02T05:30:00Z")
    (curve,) = FORMATS["cim"].decode(content.encode())
    assert curve.available_at.day == 2
    none = content.replace("createdDateTime>", "otherDateTime>")
    assert refused(none) == "/MarketDocument/createdDateTime"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: re.sub("<(/?)([A-Za-z])", r"<\1x:\2", text).replace("xmlns=", "xmlns:x="),
        lambda text: text.replace(">0.001<", "><![CDATA[0.001]]><"),
        lambda text: text.replace(">0.001<", ">0.0<!-- a comment -->01<"),
        lambda text: text.replace(">0.001<", ">\n  0.001 <"),
        lambda text: text.replace(">0.001<", ">+00.0010<").replace(">0.003<", ">.003<"),
        lambda text: text.replace(">0.001<", ">&#48;.001<"),
        lambda text: text.replace("><", ">\n<!-- between --><?target data?>\n<"),
        lambda text: text.replace("</position>", "</position><energy_Quantity.type>0</energy_Quantity.type>"),
        lambda text: text.replace(GAP, ""),
        lambda text: text.replace("PT15M", "P0Y0M0DT0H15M0.000S").replace("8716867000030", "8716867000016"),
        lambda text: text.replace("<product>8716867000030</product>", ""),
        lambda text: text.replace("<energy_Quantity.quality>A04</energy_Quantity.quality>", ""),
        lambda text: text.replace("<Period>", "<unknown><deep>1</deep></unknown><Period>"),
    ],
)  # fmt: skip
def test_what_others_write_differently_is_read_alike(change: Callable[[str], str]) -> None:
    changed = change(file())
    assert changed != file()
    (mine,), (theirs,) = FORMATS["cim"].decode(file().encode()), FORMATS["cim"].decode(changed.encode())
    assert said(theirs) == said(mine)


def test_larger_units_and_points_in_any_order() -> None:
    first, rest = file().split("<Point>", 1)
    points = rest.split("</Period>")[0].removesuffix("</Point>").split("</Point><Point>")
    turned = (
        first
        + "".join(f"<Point>{point}</Point>" for point in reversed(points))
        + "</Period>"
        + rest.split("</Period>")[1]
    )
    (curve,) = FORMATS["cim"].decode(turned.replace(">KWH<", ">MWH<").encode())
    (mine,) = FORMATS["cim"].decode(file().encode())
    assert curve.mantissas.tolist() == mine.mantissas.tolist()
    assert curve.series.scale == mine.series.scale + 3


def test_a_net_is_positive_where_it_produces() -> None:
    content = b"".join(FORMATS["cim"].encode([load_curve([5, -7], direction=Direction.NET)], HEADER))
    assert b"quantity>-0.005<" in content
    assert b"quantity>0.007<" in content
    (back,) = FORMATS["cim"].decode(content)
    assert (back.series.direction, back.mantissas.tolist()) == (Direction.NET, [5, -7])


def test_every_code_of_cim_and_of_espi_has_its_place() -> None:
    assert set(QUALITY_WRITTEN) == set(Quality)
    assert {QUALITY_WRITTEN[QUALITY_READ[code]] for code in QUALITY_WRITTEN.values()} == set(QUALITY_WRITTEN.values())
    for code in set(QUALITY_WRITTEN.values()):
        (curve,) = FORMATS["cim"].decode(file().replace(">A04<", f">{code}<").encode())
        assert QUALITY_WRITTEN[Quality(int(curve.quality[0]))] == code
    (curve,) = FORMATS["cim"].decode(file().replace(">A04<", ">A02<").encode())
    assert curve.quality[0] == Quality.QUESTIONABLE


def test_words_beside_the_points_count_only_for_the_code_they_explain() -> None:
    reason = "<reason.code>A95</reason.code><reason.text>ESPI quality 9</reason.text></Period>"
    (curve,) = FORMATS["cim"].decode(file().replace("</Period>", reason).encode())
    assert curve.quality[0] == Quality.VALIDATED
    (curve,) = FORMATS["cim"].decode(file().replace("</Period>", reason).replace(">A04<", ">A03<").encode())
    assert curve.quality[0] == Quality.ESTIMATED_INTERPOLATION
    (curve,) = FORMATS["cim"].decode(file().replace("</Period>", reason.replace("9<", "99<")).encode())
    assert curve.quality[0] == Quality.VALIDATED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_before_anything_is_expanded(encoding: str) -> None:
    bomb = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE VHD_Envelope [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9))
        + f']><VHD_Envelope xmlns="{NAMESPACE}"><MarketDocument><mRID>&j;</mRID></MarketDocument></VHD_Envelope>'
    )
    assert refused(bomb.encode(encoding)) == "/"


def test_a_file_of_the_machine_is_not_read() -> None:
    content = file().replace("<VHD", '<!DOCTYPE VHD_Envelope [<!ENTITY x SYSTEM "file:///etc/hostname">]><VHD', 1)
    assert refused(content.replace(">0.001<", ">&x;<")) == "/"


def test_deep_nesting_is_refused() -> None:
    assert refused(b"<a>" * 100_000) == "/"


def test_a_small_document_cannot_claim_a_huge_curve() -> None:
    long = file().replace("<start>2026-03-28T23:00Z", "<start>1000-01-01T00:00Z")
    with pytest.raises(FileTooLarge):
        FORMATS["cim"].decode(long.replace("PT15M", "PT1S").encode())
    assert refused(long.replace("PT15M", "P1D")) == f"{PERIOD}/timeInterval"


def test_a_slot_that_comes_twice_is_refused() -> None:
    twice = [load_curve([1, 2]), load_curve([3], scale=-3)]
    for name in ("cim", "cim_json"):
        assert refused(b"".join(FORMATS[name].encode(twice, HEADER)), name) == "/start"


def changed(path: list[str | int], value: object) -> str:
    document = json.loads(file("cim_json"))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(document)


AT: list[str | int] = ["MarketDocument", "TimeSeries", 0]
IN: list[str | int] = [*AT, "Period", 0]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (["MarketDocument"], [], "/MarketDocument"),
        (["MarketDocument", "TimeSeries"], {}, "/MarketDocument/TimeSeries"),
        (["MarketDocument", "TimeSeries", 0], "p", SERIES),
        ([*AT, "Period"], {}, f"{SERIES}/Period"),
        ([*AT, "energy_Measurement_Unit.name"], None, f"{SERIES}/energy_Measurement_Unit.name"),
        ([*AT, "energy_Measurement_Unit.name"], 7, f"{SERIES}/energy_Measurement_Unit.name"),
        ([*AT, "marketEvaluationPoint.mRID"], {"codingScheme": "NAT"}, f"{SERIES}/marketEvaluationPoint.mRID"),
        ([*AT, "marketEvaluationPoint.mRID"], {"value": "p\ud800"}, f"{SERIES}/marketEvaluationPoint.mRID"),
        ([*IN, "timeInterval"], "today", f"{PERIOD}/timeInterval"),
        ([*IN, "Point", 0], 1, f"{PERIOD}/Point/0"),
        ([*IN, "Point", 0, "position"], 1.5, f"{PERIOD}/Point/0/position"),
        ([*IN, "Point", 0, "position"], "1", f"{PERIOD}/Point/0/position"),
        ([*IN, "Point", 0, "position"], None, f"{PERIOD}/Point/0/position"),
        ([*IN, "Point", 0, "energy_Quantity.quantity"], "0.1", f"{PERIOD}/Point/0/energy_Quantity.quantity"),
        ([*IN, "Point", 0, "energy_Quantity.quantity"], True, f"{PERIOD}/Point/0/energy_Quantity.quantity"),
        ([*IN, "Point", 0, "energy_Quantity.quantity"], 1e300, f"{PERIOD}/Point/0/energy_Quantity.quantity"),
        ([*IN, "Point", 0, "energy_Quantity.quality"], 4, f"{PERIOD}/Point/0/energy_Quantity.quality"),
    ],
)
def test_a_faulty_twin_is_refused_with_the_place(path: list[str | int], value: object, field: str) -> None:
    assert refused(changed(path, value), "cim_json") == field


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("{", "/"),
        ("NaN", "/"),
        (b"\xff{}", "/"),
        ("[{}" + "[" * 100_000, "/0/MarketDocument"),
        ('{"a": ' + "[" * 100_000, "/a"),
        ('{"a": Infinity}', "/a"),
        ('{"a": 1, "a": 1}', "/a"),
        ('{"a": 1; "b": 1}', "/"),
        ('{"a" 1}', "/"),
        ("{1: 1}", "/"),
        ('{"messageDocumentHeader.a": 1} {}', "/"),
        ('[{"messageDocumentHeader.a": 1} {}]', "/"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(content: str | bytes, field: str) -> None:
    assert refused(content, "cim_json") == field


@pytest.mark.parametrize("end", range(0, 2000, 37))
def test_a_twin_that_breaks_off_anywhere_is_refused(end: int) -> None:
    content = file("cim_json").rstrip()
    assert refused(content[: end % len(content)], "cim_json")


def test_the_members_of_a_twin_come_in_any_order() -> None:
    def turned(value: object) -> object:
        if isinstance(value, dict):
            return {name: turned(one) for name, one in reversed(value.items())}
        return [turned(one) for one in value] if isinstance(value, list) else value

    document = json.loads(file("cim_json"))
    del document["MarketDocument"]["TimeSeries"][0]["dateAndOrTime.dateTime"]
    (mine,) = FORMATS["cim_json"].decode(json.dumps(document).encode())
    content = json.dumps(turned(document), indent=1)
    assert content.index("TimeSeries") < content.index("createdDateTime")
    (theirs,) = FORMATS["cim_json"].decode(content.encode("utf-16"))
    assert said(theirs) == said(mine)


def test_a_large_twin_is_never_there_as_objects() -> None:
    curves = [load_curve(list(range(1000)), point=f"p{number}") for number in range(50)]
    content = b"".join(FORMATS["cim_json"].encode(curves, HEADER))
    tracemalloc.start()
    back = FORMATS["cim_json"].decode(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(back) == len(curves)
    assert peak < 2 * len(content), "its text, the curves, and one series at a time"


def test_an_object_that_is_no_envelope_is_refused() -> None:
    assert refused("{}", "cim_json") == "/MarketDocument"
    assert refused("3", "cim_json") == "/"
    assert FORMATS["cim_json"].decode(b"[]") == []


def test_the_twin_is_read_as_the_peer_serves_it() -> None:
    """In an array, with nulls for what is not there, numbers as its library writes them."""
    content = changed([*AT, "reason.text"], None)
    assert '"reason.text": null' in content
    content = content.replace("0.001", "1E-3").replace("0.003", "0.0030")
    (mine,) = FORMATS["cim_json"].decode(file("cim_json").encode())
    (theirs,) = FORMATS["cim_json"].decode(f"[{content}]".encode())
    assert said(theirs) == said(mine)
    later = content.replace("2026-03-28T", "2026-04-28T")
    assert len(FORMATS["cim_json"].decode(f"[{content},{later}]".encode())) == 2


@pytest.mark.parametrize(
    ("header", "point", "field"),
    [
        (PartHeader("d", country="MT"), "p", "/country"),
        (PartHeader("d", provider="MH" + "0" * 20), "p", "/provider"),
        (PartHeader("d"), "p" * 61, "/usage_point"),
        (PartHeader("d"), "p\x07", "/usage_point"),
    ],
)
def test_what_cim_cannot_say_is_refused_when_written(header: PartHeader, point: str, field: str) -> None:
    for name in ("cim", "cim_json"):
        with pytest.raises(EncodeError) as fault:
            list(FORMATS[name].encode([load_curve([1], point=point)], header))
        assert fault.value.field == field


def test_a_slot_that_does_not_begin_on_a_minute_is_refused_when_written() -> None:
    with pytest.raises(EncodeError) as fault:
        list(FORMATS["cim"].encode([load_curve([1], step_s=1)], HEADER))
    assert fault.value.field == "/start"
