"""Reading the document from its JSON twin: one envelope, or an array of them as the peer's interface answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from meterhall.domain.readings import Curve
from meterhall.formats.base import DecodeError
from meterhall.formats.cim.curves import QUALITY, QUANTITY, PeriodRead, SeriesRead, curves_of
from meterhall.formats.numbers import Number, plain


def decode(source: bytes) -> list[Curve]:
    """The curves of a document. Raises `DecodeError` and `FileTooLarge`."""
    try:
        read = json.loads(source, parse_float=Number, parse_int=Number, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise DecodeError("The file is no JSON.", field="/") from None
    if isinstance(read, list):
        return curves_of(one for place, each in enumerate(read) for one in _series(each, f"/{place}"))
    return curves_of(_series(read, ""))


def _no_number(name: str) -> None:
    raise ValueError(name)


def _series(envelope: Any, at: str) -> Iterator[SeriesRead]:
    document = _object(envelope, at or "/").get("MarketDocument")
    if document is None:
        if not any(name.startswith("messageDocumentHeader.") for name in envelope):
            raise DecodeError("The file is no envelope of a market document.", field=f"{at}/MarketDocument")
        return
    at = f"{at}/MarketDocument"
    created = _text(_object(document, at).get("createdDateTime"), f"{at}/createdDateTime")
    for place, series in enumerate(_list(document.get("TimeSeries"), f"{at}/TimeSeries")):
        here = f"{at}/TimeSeries/{place}"
        facts = {
            name: _text(value, f"{here}/{name}")
            for name, value in _object(series, here).items()
            if value is not None and name != "Period"
        }
        periods = _list(series.get("Period"), f"{here}/Period")
        read = [_period(one, f"{here}/Period/{number}") for number, one in enumerate(periods)]
        yield SeriesRead(here, facts, created, read)


def _period(period: Any, at: str) -> PeriodRead:
    interval = _object(_object(period, at).get("timeInterval"), f"{at}/timeInterval")
    points = _list(period.get("Point"), f"{at}/Point")
    for number, point in enumerate(points):
        _object(point, f"{at}/Point/{number}")
    return PeriodRead(
        at,
        _text(period.get("resolution"), f"{at}/resolution"),
        _text(interval.get("start"), f"{at}/timeInterval/start"),
        _text(interval.get("end"), f"{at}/timeInterval/end"),
        [_number(point.get("position"), f"{at}/Point/{n}/position") for n, point in enumerate(points)],
        [_number(point.get(QUANTITY), f"{at}/Point/{n}/{QUANTITY}") for n, point in enumerate(points)],
        [_text(point.get(QUALITY), f"{at}/Point/{n}/{QUALITY}") for n, point in enumerate(points)],
        _text(period.get("reason.text"), f"{at}/reason.text"),
    )


def _object(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DecodeError("There is no object where one is needed.", field=field)
    return value


def _list(value: Any, field: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise DecodeError("What may come more than once is an array.", field=field)
    return value


def _text(value: Any, field: str) -> str:
    """A text, the value of an id with its scheme, empty for none."""
    if isinstance(value, dict):
        value = value.get("value")
    if value is None:
        return ""
    if not isinstance(value, str) or isinstance(value, Number):
        raise DecodeError("There is no text where one is needed.", field=field)
    return value


def _number(value: Any, field: str) -> str:
    """A number as written; empty for none."""
    return "" if value is None else plain(value, field)
