"""Reading the document from XML: whatever prefix, comments, CDATA; elements that are not needed are passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from meterhall.domain.readings import Curve
from meterhall.formats.cim.codes import NAMESPACE
from meterhall.formats.cim.curves import QUALITY, QUANTITY, PeriodRead, SeriesRead, curves_of
from meterhall.formats.xml import clear, elements

_N: Final = f"{{{NAMESPACE}}}"


def decode(source: bytes) -> list[Curve]:
    """The curves of a document. Raises `DecodeError` and `FileTooLarge`."""
    return curves_of(_series(source))


def _series(source: bytes) -> Iterator[SeriesRead]:
    created, number = "", 0
    tags = f"{_N}createdDateTime", f"{_N}TimeSeries"
    for element in elements(source, tags, root=f"{_N}VHD_Envelope"):
        if element.tag == tags[0]:
            created = (element.text or "").strip()
            continue
        at = f"/MarketDocument/TimeSeries/{number}"
        facts = {child.tag.removeprefix(_N): (child.text or "").strip() for child in element if not len(child)}
        periods = element.iterfind(f"{_N}Period")
        yield SeriesRead(
            at, facts, created, [_period(one, f"{at}/Period/{place}") for place, one in enumerate(periods)]
        )
        clear(element)
        number += 1


def _xpath(path: str) -> Any:
    return etree.XPath(path, namespaces={"c": NAMESPACE}, smart_strings=False)


_COUNT: Final = _xpath("count(c:Point)")
_TEXTS: Final = [_xpath(f"c:Point/c:{name}/text()") for name in ("position", QUANTITY, QUALITY)]


def _period(period: Any, at: str) -> PeriodRead:
    def text(name: str) -> str:
        return (period.findtext(name) or "").strip()

    return PeriodRead(
        at,
        text(f"{_N}resolution"),
        text(f"{_N}timeInterval/{_N}start"),
        text(f"{_N}timeInterval/{_N}end"),
        *_columns(period),
        text(f"{_N}reason.text"),
    )


def _columns(period: Any) -> tuple[list[str], list[str], list[str]]:
    """Positions, quantities and qualities: a column at a time where every Point has one text of each, else by Point.

    An element that is there and empty says "nothing", which is no number and no code.
    """
    columns = [path(period) for path in _TEXTS]
    if {len(column) for column in columns} == {int(_COUNT(period))}:
        positions, quantities, qualities = map(_stripped, columns)
        return positions, quantities, qualities
    points = [
        {child.tag: (child.text or "").strip() or "nothing" for child in point}
        for point in period.iterchildren(f"{_N}Point")
    ]
    positions, quantities, qualities = (
        [point.get(f"{_N}{name}", "") for point in points] for name in ("position", QUANTITY, QUALITY)
    )
    return positions, quantities, qualities


def _stripped(texts: list[str]) -> list[str]:
    """The texts without white space around them; most often there is none at all."""
    whole = "".join(texts)
    return texts if whole.split(None, 1) == [whole] else [text.strip() for text in texts]
