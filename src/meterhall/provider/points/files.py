"""Metering points and their holders from a CSV file: one line for each stay; a point without a holder has one line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from meterhall.domain.errors import InvalidInput
from meterhall.provider.points.schemas import OccupancyIn, PointIn

NEEDED = ("pod", "zone")
OF_POINT = ("pod", "country", "zone", "area", "usage_class", "sandbox")
OF_STAY = ("holder_reference", "from", "until")
TRUE = {"1", "true", "yes"}
FALSE = {"", "0", "false", "no"}


class BadPointsFile(InvalidInput):
    code = "bad_points_file"
    title = "The file is not a table of metering points that can be read."


def read_points(path: Path) -> tuple[tuple[PointIn, ...], tuple[int, ...]]:
    """The points in the order they first appear, and the line each first stands on. Nothing is stored.

    UTF-8 with a heading line; comma or semicolon between. Columns: `pod`, `zone`; and, where wanted, `country`, `area`,
    `usage_class`, `sandbox` (yes, no), `holder_reference`, `from`, `until` (civil days; `until` is the first day that
    is no longer the holder's). Raises `BadPointsFile` naming line and column: `/lines/12/zone`.
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
        if not (known.occupancies and given.occupancies):
            raise _fault(line, "holder_reference", f"is needed where a POD has several lines, as on line {lines[name]}")
        points[name] = known.model_copy(update={"occupancies": known.occupancies + given.occupancies})
    if not points:
        raise BadPointsFile("There is no line below the heading.", field="/lines")
    return tuple(points.values()), tuple(lines.values())


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
        if name not in OF_POINT + OF_STAY:
            known = ", ".join(OF_POINT + OF_STAY)
            raise BadPointsFile(f"Nothing is known of a column {name}; the columns are {known}.", field=f"/{name}")


def _point(line: int, row: dict[str, str]) -> PointIn:
    sandbox = row.get("sandbox", "").lower()
    if sandbox not in TRUE | FALSE:
        raise _fault(line, "sandbox", "is yes or no")
    values = {name: row[name] for name in OF_POINT if row.get(name)} | {"sandbox": sandbox in TRUE}
    try:
        return PointIn.model_validate(values | {"occupancies": _stays(line, row)})
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        raise _fault(line, str(first["loc"][0]), first["msg"].removeprefix("Value error, ").lower()) from None


def _stays(line: int, row: dict[str, str]) -> tuple[OccupancyIn, ...]:
    holder = row.get("holder_reference", "")
    if not holder:
        said = next((name for name in ("from", "until") if row.get(name)), None)
        if said is not None:
            raise _fault(line, "holder_reference", f"is needed where {said} is given")
        return ()
    first, until = _day(line, "from", row), _day(line, "until", row)
    if first is None:
        raise _fault(line, "from", "is needed: the holder's first day")
    return (OccupancyIn.model_validate({"holder_reference": holder, "from": first, "until": until}),)


def _day(line: int, name: str, row: dict[str, str]) -> date | None:
    text = row.get(name, "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise _fault(line, name, "is a day as 2026-03-01") from None


def _fault(line: int, column: str, said: str) -> BadPointsFile:
    """Says which line and column, never what stands there: it may be a POD or a name."""
    return BadPointsFile(f"Line {line}: {column} {said}.", field=f"/lines/{line}/{column}")
