"""Green Button files read by their bytes say what lxml says of them, whatever is in them."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhall.formats import DecodeError
from meterhall.formats.espi.document import Document, read_document, read_elements
from meterhall.formats.espi.scan import scan

SAMPLES = Path(__file__).parents[4] / "shared" / "standards" / "espi" / "samples"
ESPI, ATOM = "http://naesb.org/espi", "http://www.w3.org/2005/Atom"


def said(document: Document) -> tuple[object, ...]:
    blocks = [
        (one.field, one.up, one.known, one.start, one.end, one.starts.tolist(), one.durations.tolist(),
         one.values.tolist(), one.quality.tolist())
        for one in document.blocks
    ]  # fmt: skip
    return document.points, document.readings, document.types, document.clocks, document.stated, blocks


def same_both_ways(source: bytes) -> tuple[object, ...]:
    """What the file says, read by its bytes and by elements alone; or how it is refused."""
    found = []
    for read in (read_document, read_elements):
        try:
            found.append(said(read(source)))
        except DecodeError as fault:
            found.append((fault.code, fault.detail, fault.field))
    assert found[0] == found[1]
    return found[0]


def reading(start: object, value: object, *, p: str = "", duration: object = 900, quality: object = None) -> str:
    code = f"<{p}ReadingQuality><{p}quality>{quality}</{p}quality></{p}ReadingQuality>" if quality is not None else ""
    span = f"<{p}timePeriod><{p}duration>{duration}</{p}duration><{p}start>{start}</{p}start></{p}timePeriod>"
    return f"<{p}IntervalReading>{code}{span}<{p}value>{value}</{p}value></{p}IntervalReading>"


def block(readings: list[str], *, p: str = "", gap: str = "", declared: str = f'xmlns="{ESPI}"') -> str:
    interval = f"<{p}interval><{p}duration>86400</{p}duration><{p}start>1772319600</{p}start></{p}interval>"
    return f"<{p}IntervalBlock {declared}>{interval}{gap}{gap.join(readings)}{gap}</{p}IntervalBlock>"


def feed(blocks: list[str], *, before: str = "", declared: str = "") -> bytes:
    numbers = count()
    entries = "".join(
        f'<entry><link rel="up" href="/x/MeterReading/1/IntervalBlock"/><title>IntervalBlock</title>'
        f"<updated>2026-03-0{1 + next(numbers) % 9}T00:00:00Z</updated><content>{one}</content></entry>"
        for one in blocks
    )
    return f'{before}<feed xmlns="{ATOM}" {declared}><updated>2026-01-01T00:00:00Z</updated>{entries}</feed>'.encode()


def day(values: list[object], **more: object) -> list[str]:
    return [reading(1772319600 + 900 * at, value, **more) for at, value in enumerate(values)]  # type: ignore[arg-type]


WAYS = {
    "compact": ("", "", f'xmlns="{ESPI}"'),
    "pretty": ("", "\n        ", f'xmlns="{ESPI}"'),
    "prefixed": ("espi:", " ", f'xmlns:espi="{ESPI}"'),
}
every_way = pytest.mark.parametrize("way", WAYS)


@every_way
def test_runs_are_taken_out_and_say_the_same(way: str) -> None:
    p, gap, declared = WAYS[way]
    values: list[object] = [0, 7, 12345678, -5, 99, -(10**17), 10**17, *range(90)]
    source = feed([block(day(values, p=p), p=p, gap=gap, declared=declared)] * 5)
    found = scan(source)
    assert found is not None
    skeleton, runs = found
    assert b"IntervalReading" not in skeleton
    assert [run.columns[2].tolist() for run in runs] == [values] * 5
    _, _, _, _, _, blocks = same_both_ways(source)
    assert [one[7] for one in blocks] == [values] * 5  # type: ignore[attr-defined]


@every_way
@pytest.mark.parametrize(
    "odd",
    [
        " 5", "5 ", "+5", "5_0", "٥", "", "-", "--5", "5-", "0x5", "5.0", "5e3", "&#53;", "&amp;", "<![CDATA[5]]>",
        "5<!-- so -->", "<!-- so -->5", "5<?so 1?>", "9" * 19, "9" * 30, "-" + "9" * 18, "00005", "-0", "5<tou>1</tou>",
        "5</value><value>6", "<five/>",
    ],
)  # fmt: skip
def test_an_odd_number_is_read_as_lxml_reads_it(way: str, odd: str) -> None:
    p, gap, declared = WAYS[way]
    for place in (0, 3, 9):
        values: list[object] = list(range(10))
        values[place] = odd
        source = feed([block(day(some, p=p), p=p, gap=gap, declared=declared) for some in (list(range(10)), values)])
        same_both_ways(source)


ODDITIES = {
    "a comment between readings": lambda some: [*some[:3], "<!-- so -->", *some[3:]],
    "a comment around a reading": lambda some: [*some[:3], f"<!--{some[3]}-->", *some[4:]],
    "a comment around all": lambda some: ["<!--", *some, "-->"],
    "CDATA around all": lambda some: ["<![CDATA[", *some, "]]>"],
    "a comment that ends among them": lambda some: ["<!--", *some[:3], "-->", *some[3:]],
    "text between readings": lambda some: [*some[:3], "so", *some[3:]],
    "an instruction between readings": lambda some: [*some[:3], "<?so ?>", *some[3:]],
    "another order": lambda some: some[::-1],
    "a reading twice": lambda some: [*some, some[2]],
    "another length": lambda some: [*some, reading(1772409600, 3, duration=1800)],
    "a quality at one": lambda some: [*some[:3], reading(1772322300, 3, quality=8), *some[4:]],
    "a quality at all": lambda some: [reading(1772319600 + 900 * at, at, quality=at) for at in range(20)],
    "no value": lambda some: [*some[:3], some[3].replace("<value>3</value>", ""), *some[4:]],
    "no values": lambda some: [one.replace("value>", "cost>") for one in some],
    "two values": lambda some: [one.replace("</value>", "</value><value>1</value>") for one in some],
    "two values and none": lambda some: [
        some[0].replace("<value>0</value>", ""), some[1].replace("<value>1</value>", "<value>1</value><value>9</value>")
    ],
    "no start": lambda some: [one.replace("start>", "begin>") for one in some],
    "no time": lambda some: [one.replace("timePeriod>", "period>") for one in some],
    "more elements": lambda some: [one.replace("<value>", "<cost>12</cost><value>") for one in some],
    "attributes": lambda some: [one.replace("<value>", '<value unit="5">') for one in some],
    "a number behind an element": lambda some: [one.replace("</duration>", "</duration>5") for one in some],
    "nested readings": lambda some: [one.replace("<value>", "<IntervalReading/><value>") for one in some],
    "readings in readings": lambda some: [f"<IntervalReading>{''.join(some)}</IntervalReading>"],
    "wrong nesting": lambda some: [*some[:3], some[3].replace("</start></timePeriod>", "</timePeriod></start>")],
    "wrong nesting of all": lambda some: [one.replace("</start></time", "</time></start") for one in some],
    "another case": lambda some: [*some[:3], some[3].replace("value>", "Value>"), *some[4:]],
    "instants out of range": lambda some: [*some[:3], reading(2**41, 3), *some[4:]],
    "a negative length": lambda some: [reading(1772319600 + 900 * at, at, duration=-900) for at in range(9)],
    "another name space": lambda some: [one.replace("Reading>", 'Reading xmlns="so">', 1) for one in some],
    "a NUL": lambda some: [*some[:3], some[3].replace("3<", "\0<"), *some[4:]],
    "a reference between all": lambda some: ["&so;".join(some)],
    "]]> between all": lambda some: ["]]>".join(some)],
    "text between all": lambda some: ["so".join(some)],
    "the mark itself": lambda some: [*some, '<meterhall-run n="0"/>'],
    "a zero before": lambda some: [one.replace("start>1", "start>01") for one in some],
}  # fmt: skip


@pytest.mark.parametrize("gap", ["", "\n\t", " "])
@pytest.mark.parametrize("oddity", ODDITIES)
def test_oddities_are_read_as_lxml_reads_them(oddity: str, gap: str) -> None:
    plain = [reading(1772319600 + 900 * at, at) for at in range(20)]
    blocks = [block(plain, gap=gap), block(ODDITIES[oddity](plain), gap=gap), block(plain, gap=gap)]
    same_both_ways(feed(blocks))


@pytest.mark.parametrize(
    "source",
    [
        feed([block(day([1, 2, 3]))], before="\n"),
        feed([block(day([1, 2, 3]))], before="\ufeff"),
        feed([block(day([1, 2, 3]))], before="<!-- so -->"),
        feed([block(day([1, 2, 3]))], before='<!DOCTYPE feed [<!ENTITY a "b">]>'),
        feed([block(day([1, 2, 3]))], before='<?xml version="1.0" encoding="latin-1"?>'),
        feed([block(day([1, 2, 3]))], before='<?xml version="1.0" encoding="us-ascii"?>'),
        feed([block(day([1, 2, 3]))]).decode().encode("utf-16"),
        feed([block(day([1, 2, 3]), declared='xmlns="http://elsewhere.example"')]),
        feed([block(day([1, 2, 3]), declared="")]),
        feed([block(day([1, 2, 3], p="a:"), p="b:", declared=f'xmlns:b="{ESPI}"')], declared=f'xmlns:a="{ESPI}"'),
        feed([block(day([1, 2, 3], p="a:"), p="b:", declared=f'xmlns:b="{ESPI}"')], declared='xmlns:a="so"'),
        feed([block(day([1, 2, 3], p="a:"))]),
        *(
            feed([block([one.replace("value>", "b:value>") for one in day([1, 2, 3])])], declared=f'xmlns:b="{space}"')
            for space in (ESPI, ATOM)
        ),
        feed(["<!--" + block(day([1, 2, 3])) + "-->", block(day([4, 5, 6]))]),
        feed(["<![CDATA[" + block(day([1, 2, 3])) + "]]>", block(day([4, 5, 6]))]),
        feed([block(day([1, 2, 3])) + block(day([4, 5, 6]))]),
        feed([block(day([1, 2, 3])).replace("IntervalBlock", "Block")]),
        feed([f"<a>{''.join(day([1, 2, 3]))}</a>" + block(day([4, 5, 6]))]),
        feed([block([]), block(day([4, 5, 6]))]),
        feed([block(day([1, 2, 3])), block(['<meterhall-run n="0"/>'])]),
        feed([block([f"<UsagePoint>{''.join(day([1, 2, 3]))}</UsagePoint>"])]),
        b"",
        b"IntervalReading>",
        b"</IntervalReading>" * 3,
    ],
)
def test_files_of_other_kinds_are_read_as_lxml_reads_them(source: bytes) -> None:
    same_both_ways(source)


def test_a_file_that_is_cut_short_is_refused_as_lxml_refuses_it() -> None:
    source = feed([block(day([1, 20, 300])), block(day([4, 5, 6]), gap="\n")])
    assert all(len(same_both_ways(source[:end])) == 3 for end in range(len(source) - 1))


pieces = st.sampled_from(
    [
        *(f"{number}" for number in (0, 1, 12, 999, -4, 10**17)), "<", ">", "/", "-", " ", "\n", "value", "<value>",
        "</value>", "<IntervalReading>", "</IntervalReading>", "IntervalBlock", "<!--", "-->", "]]>", "<![CDATA[",
        "&#49;",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_file_changed_anywhere_is_read_as_lxml_reads_it(data: st.DataObject) -> None:
    p, gap, declared = WAYS[data.draw(st.sampled_from(list(WAYS)))]
    values = data.draw(st.lists(st.lists(st.integers(-300, 30_000), min_size=1, max_size=6), min_size=1, max_size=4))
    quality = data.draw(st.sampled_from([None, None, 8]))
    source = feed([block(day(some, p=p, quality=quality), p=p, gap=gap, declared=declared) for some in values])
    for _ in range(data.draw(st.integers(0, 3))):
        at, width = data.draw(st.integers(0, len(source))), data.draw(st.integers(0, 12))
        source = source[:at] + data.draw(pieces).encode() + source[at + width :]
    same_both_ways(source)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.xml")), ids=lambda path: path.stem)
def test_a_sample_is_read_as_lxml_reads_it(path: Path) -> None:
    same_both_ways(path.read_bytes())


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples in ../shared are not there")
def test_runs_are_found_in_the_wild() -> None:
    found = [scan(path.read_bytes()) for path in SAMPLES.glob("*.xml")]
    assert sum(len(one[1]) for one in found if one is not None) > 350


def test_an_odd_block_is_read_by_elements_and_those_beside_it_by_their_bytes() -> None:
    odd = day([1, 2, " 3", 4])
    source = feed([block(day([1, 2, 3])), block(odd), block(day([4, 5, 6]))])
    found = scan(source)
    assert found is not None
    assert found[0].count(b"<IntervalReading>") == 4
    assert said(read_elements(*found)) == said(read_elements(source))
