"""Reading the document from its JSON twin: one envelope, or an array of them as the peer's interface answers.

As of the XML, one series is there as objects at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meterhall.domain.readings import Curve
from meterhall.formats.base import DecodeError
from meterhall.formats.cim.curves import QUALITY, QUANTITY, PeriodRead, SeriesRead, curves_of
from meterhall.formats.json_steps import Steps, is_sound
from meterhall.formats.numbers import Number, plain


def decode(source: bytes) -> list[Curve]:
    """The curves of a document. Raises `DecodeError` and `FileTooLarge`."""
    return curves_of(_all_series(Steps(source)))


def _all_series(steps: Steps) -> Iterator[SeriesRead]:
    if steps.begins("["):
        for number in steps.elements("/"):
            yield from _of_envelope(steps, f"/{number}")
    else:
        yield from _of_envelope(steps, "")
    steps.end()


def _of_envelope(steps: Steps, at: str) -> Iterator[SeriesRead]:
    is_one = False
    for name in steps.members(at or "/"):
        field = f"{at}/{name}"
        if name == "MarketDocument" and not steps.passes_null():
            is_one = True
            yield from _of_document(steps, field)
        elif name != "MarketDocument":
            is_one = is_one or name.startswith("messageDocumentHeader.")
            steps.value(field)
    if not is_one:
        raise DecodeError("The file is no envelope of a market document.", field=f"{at}/MarketDocument")


def _of_document(steps: Steps, at: str) -> Iterator[SeriesRead]:
    """The series of a document; where they come before its date they are gone through twice."""
    created, undated = "", None
    for name in steps.members(at):
        field = f"{at}/{name}"
        if name == "createdDateTime":
            created = _text(steps.value(field), field)
        elif name != "TimeSeries":
            steps.value(field)
        elif created:
            yield from _of_array(steps, field, created)
        else:
            undated = steps.place
            for _ in _of_array(steps, field, created):
                pass
    if undated is not None:
        end, steps.place = steps.place, undated
        yield from _of_array(steps, f"{at}/TimeSeries", created)
        steps.place = end


def _of_array(steps: Steps, at: str, created: str) -> Iterator[SeriesRead]:
    for number in steps.elements(at):
        yield _series(steps, f"{at}/{number}", created)


def _series(steps: Steps, at: str, created: str) -> SeriesRead:
    facts: dict[str, str] = {}
    periods: list[PeriodRead] = []
    for name in steps.members(at):
        field = f"{at}/{name}"
        if name == "Period":
            periods = [_period(steps.value(one), one) for one in (f"{field}/{n}" for n in steps.elements(field))]
        elif (value := steps.value(field)) is not None:
            facts[name] = _text(value, field)
    return SeriesRead(at, facts, created, periods)


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
    if not isinstance(value, str) or isinstance(value, Number) or not (value.isascii() or is_sound(value)):
        raise DecodeError("There is no text where one is needed.", field=field)
    return value


def _number(value: Any, field: str) -> str:
    """A number as written; empty for none."""
    return "" if value is None else plain(value, field)
