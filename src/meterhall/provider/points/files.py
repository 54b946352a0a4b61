"""Metering points, their holders and meters from a CSV file: a line for each stay or meter, without either one line; or
points alone from a CIM AccountingPoint document."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from meterhall.domain.errors import InvalidInput
from meterhall.formats.cim.accounting_points import read_accounting_points
from meterhall.provider.points.schemas import MOST_POWER_W, MeterIn, OccupancyIn, PointIn

NEEDED = ("pod", "zone")
PLACE = ("area", "postal_code", "municipality", "address")
OF_POINT = ("pod", "country", "zone", *PLACE, "usage_class", "maximum_power_w", "sandbox")
TEXTS = tuple(name for name in OF_POINT if name not in ("maximum_power_w", "sandbox"))
OF_STAY = ("holder_reference", "from", "until")
OF_METER = ("meter", "meter_from", "meter_until")
COLUMNS = OF_POINT + OF_STAY + OF_METER
MOST_DIGITS = len(str(MOST_POWER_W))
LISTS = ("occupancies", "meters")
TRUE = {"1", "true", "yes"}
FALSE = {"", "0", "false", "no"}


class BadPointsFile(InvalidInput):
    code = "bad_points_file"
    title = "The file is not a table of metering points that can be read."


def is_xml(path: Path) -> bool:
    """Whether a file begins like XML."""
    with path.open("rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def read_document(path: Path, zone: str) -> tuple[PointIn, ...]:
    """The points of a CIM AccountingPoint 1.04 document, in its order; new ones in this zone, which it does not say.

    Raises `DecodeError` naming the element, and `BadPointsFile` where a value of it does not fit.
    """
    points: list[PointIn] = []
    with path.open("rb") as file:
        for one in read_accounting_points(file):
            said: dict[str, object] = {"pod": one.pod, "country": one.country, "zone": zone}
            if one.has_address:
                said |= {"postal_code": one.postal_code, "municipality": one.municipality, "address": one.address}
            if one.class_of_customer:
                said["usage_class"] = one.class_of_customer
            try:
                points.append(PointIn.model_validate(said))
            except ValidationError as fault:
                name = str(fault.errors(include_input=False)[0]["loc"][0])
                raise BadPointsFile(
                    f"The member {name} of a point does not fit.", field=f"{one.field}/{name}"
                ) from None
    if not points:
        raise BadPointsFile("There is no AccountingPoint in the document.", field="/AccountingPoint")
    return tuple(points)


def read_points(path: Path) -> tuple[tuple[PointIn, ...], tuple[int, ...]]:
    """The points in the order they first appear, and the line each first stands on. Nothing is stored.

    UTF-8 with a heading line; comma or semicolon between. Columns: `pod`, `zone`; and, where wanted, `country`, `area`,
    `postal_code`, `municipality`, `address`, `usage_class`, `maximum_power_w`, `sandbox` (yes, no), `holder_reference`,
    `from`, `until` (civil days; `until` is the first day that is no longer the holder's), and the same of a meter:
    `meter`, `meter_from`, `meter_until`. A column that is not there says nothing; an empty cell of a place, or of the
    power, says that there is none. A stay or meter that stands on several lines is one.
    Raises `BadPointsFile` naming line and column: `/lines/12/zone`.
    """
    points: dict[tuple[str, str], PointIn] = {}
    lines: dict[tuple[str, str], int] = {}
    for line, row in _rows(path):
        given = _point(line, row)
        name = given.country or "", given.pod
        known = points.get(name)
        if known is None:
            points[name], lines[name] = given, line
            continue
        differs = [column for column in OF_POINT if getattr(known, column) != getattr(given, column)]
        if differs:
            raise _fault(line, differs[0], f"differs from line {lines[name]}, which has the same POD")
        if not _adds(known) or not _adds(given):
            raise _fault(line, "holder_reference", f"is needed where a POD has several lines, as on line {lines[name]}")
        more = {each: tuple(dict.fromkeys(getattr(known, each) + getattr(given, each))) for each in LISTS}
        points[name] = known.model_copy(update=more)
    if not points:
        raise BadPointsFile("There is no line below the heading.", field="/lines")
    return tuple(points.values()), tuple(lines.values())


def _adds(point: PointIn) -> bool:
    return bool(point.occupancies or point.meters)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            heading = file.readline()
            file.seek(0)
            comma = ";" if heading.count(";") > heading.count(",") else ","
            reader = csv.DictReader(file, delimiter=comma, strict=True)
            _check_heading(list(reader.fieldnames or ()))
            for row in reader:
                if row.get(None):
                    raise _fault(reader.line_num, "pod", "stands on a line with more cells than the heading has")
                yield reader.line_num, {name: (cell or "").strip() for name, cell in row.items()}
    except UnicodeDecodeError:
        raise BadPointsFile("It is not UTF-8 text.", field="/file") from None
    except csv.Error as fault:
        raise BadPointsFile(f"It is not CSV: {fault}.", field="/file") from None


def _check_heading(names: list[str]) -> None:
    for name in NEEDED:
        if name not in names:
            raise BadPointsFile(f"There is no column {name}.", field=f"/{name}")
    for name in names:
        if name not in COLUMNS:
            known = ", ".join(COLUMNS)
            raise BadPointsFile(f"Nothing is known of a column {name}; the columns are {known}.", field=f"/{name}")


def _point(line: int, row: dict[str, str]) -> PointIn:
    sandbox = row.get("sandbox", "").lower()
    if sandbox not in TRUE | FALSE:
        raise _fault(line, "sandbox", "is yes or no")
    values = {name: row[name] for name in TEXTS if row.get(name) or (name in PLACE and name in row)}
    try:
        told: dict[str, object] = {"sandbox": sandbox in TRUE} if "sandbox" in row else {}
        if (power := row.get("maximum_power_w")) is not None:
            told["maximum_power_w"] = _watts(line, power)
        stays = told | {"occupancies": _stays(line, row), "meters": _meters(line, row)}
        return PointIn.model_validate(values | stays)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        raise _fault(line, str(first["loc"][0]), first["msg"].removeprefix("Value error, ").lower()) from None


def _watts(line: int, text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise _fault(line, "maximum_power_w", "is a whole number of watts")
    return int(text) if text else None


def _stays(line: int, row: dict[str, str]) -> tuple[OccupancyIn, ...]:
    said = _stretch(line, row, OF_STAY, "the holder's first day")
    return (OccupancyIn.model_validate({"holder_reference": row["holder_reference"], **said}),) if said else ()


def _meters(line: int, row: dict[str, str]) -> tuple[MeterIn, ...]:
    said = _stretch(line, row, OF_METER, "the meter's first day")
    return (MeterIn.model_validate({"number": row["meter"], **said}),) if said else ()


def _stretch(line: int, row: dict[str, str], columns: tuple[str, str, str], what: str) -> dict[str, date | None]:
    """From when until when what the first column names was there; empty where it names nothing."""
    name, first_day, end = columns
    if not row.get(name):
        said = next((column for column in (first_day, end) if row.get(column)), None)
        if said is not None:
            raise _fault(line, name, f"is needed where {said} is given")
        return {}
    first, until = _day(line, first_day, row), _day(line, end, row)
    if first is None:
        raise _fault(line, first_day, f"is needed: {what}")
    return {"from": first, "until": until}


def _day(line: int, name: str, row: dict[str, str]) -> date | None:
    text = row.get(name, "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise _fault(line, name, "is a day as 2026-03-01") from None


def _fault(line: int, column: str, said: str) -> BadPointsFile:
    """Says which line and column, never what stands there: it may be a POD or a name."""
    return BadPointsFile(f"Line {line}: {column} {said}.", field=f"/lines/{line}/{column}")
