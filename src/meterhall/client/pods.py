"""Lists of points of delivery as an engineer has them: texts, a CSV file, a frame. Read and tested on this machine."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from meterhall.domain.errors import InvalidInput
from meterhall.domain.pods import InvalidPod, Pod, read

COLUMNS = ("country", "postcode", "municipality")


class NoPodColumn(InvalidInput):
    code = "no_pod_column"
    title = "The table has no column pod."


class UnusableTable(InvalidInput):
    code = "unusable_table"
    title = "The file cannot be read as a table (CSV in UTF-8 with a header)."


class Frame(Protocol):
    """A Polars or pandas frame."""

    @property
    def columns(self) -> Any: ...

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list: the POD as written, and what stands beside it. It prints without the POD."""

    number: int
    written: str = field(repr=False)
    country: str | None = None
    postcode: str | None = field(default=None, repr=False)
    municipality: str | None = field(default=None, repr=False)
    beside: Mapping[str, str] = field(default_factory=dict, repr=False)


Pods = Iterable[str | Line] | Path | str | Frame
"""PODs: a list of texts, a CSV file (as a path, or a text that ends in `.csv`), or a frame; with a column `pod` and,
where there are some, `country`, `postcode`, `municipality`; or lines of such a table."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A line with the POD it means, or the code that says why it means none (or several)."""

    line: Line
    pod: Pod | None
    code: str | None = None
    detail: str | None = None

    @property
    def value(self) -> str:
        """The POD as it goes into messages; as it was written where it is none."""
        return self.pod.value if self.pod else self.line.written


def lines_of(source: Pods) -> list[Line]:
    """The lines of a list. Raises `NoPodColumn`, `UnusableTable`."""
    if isinstance(source, Path) or (isinstance(source, str) and source.lower().endswith(".csv")):
        return [_line(number, row) for number, row in enumerate(read_table(Path(source)))]
    if isinstance(source, str):
        return [Line(0, source)]
    if hasattr(source, "columns"):
        return [_line(number, row) for number, row in enumerate(_rows(source))]
    return [one if isinstance(one, Line) else Line(number, str(one)) for number, one in enumerate(source)]


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file with a header; comma or semicolon. Raises `UnusableTable`."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableTable(f"{path} is not text in UTF-8.") from None
    except OSError as fault:
        raise UnusableTable(f"{path}: {fault.strerror or 'it cannot be read'}.") from None
    head = text.partition("\n")[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    yield from csv.DictReader(text.splitlines(), delimiter=delimiter)


def _rows(frame: Any) -> Iterator[dict[str, Any]]:
    names = [str(name) for name in frame.columns]
    columns = [list(frame[name]) for name in frame.columns]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _line(number: int, row: Mapping[str, Any]) -> Line:
    cells = {str(name).strip().lower(): _text(value) for name, value in row.items() if name is not None}
    if "pod" not in cells:
        raise NoPodColumn(field="/pod")
    named = {name: cells.get(name) or None for name in COLUMNS}
    return Line(number, cells["pod"], **named, beside={k: v for k, v in cells.items() if k not in ("pod", *COLUMNS)})


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value).strip()


def examined(lines: Iterable[Line]) -> list[Examined]:
    """Each line with its POD, form and check digits tested here; nothing leaves this machine."""
    return [_tested(line) for line in lines]


def _tested(line: Line) -> Examined:
    try:
        found = read(line.written, country=line.country)
    except InvalidPod as fault:
        return Examined(line, None, fault.code, fault.detail)
    if len(found) > 1:
        return Examined(line, None, "pod_ambiguous", "The number fits several countries; add a column country.")
    return Examined(line, found[0].pod)
