"""Tables people can sort, filter, page and export; the state is in the address, so that a view can be shared.

`listing` is the way of a page that is a list; `table` that of a page with more on it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypedDict, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from meterhall.web.portal.filters import Filter, Filtered, Rows, filtered
from meterhall.web.portal.values import Badge, CopyId, Link, Quantity, Text

V = TypeVar("V")
PER_PAGE = 25
KEPT = ("sort", "from", "to")


@dataclass(frozen=True, slots=True)
class Column(Generic[V]):
    """One column: how to get its value from a row, and the field to order by where it can be sorted."""

    label: Text
    value: Callable[[V], object]
    sort: str = ""
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's head as the template shows it."""

    label: Text
    numeric: bool
    href: str = ""
    sorted: str = ""
    """`ascending`, `descending` or empty (aria-sort)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value with its column's label, which is shown beside it on a phone."""

    label: Text
    value: object
    numeric: bool


@dataclass(frozen=True, slots=True)
class FilterShown:
    """The form above a table."""

    form: Form
    is_active: bool
    clear_href: str
    hidden_rows: int
    """How many rows there are behind a filter that lets none through."""
    kept: tuple[tuple[str, str], ...] = ()
    """What else of the address the form sends on: the order and the period."""


@dataclass(frozen=True, slots=True)
class Table:
    """What `portal/components/data_table.html` shows."""

    caption: Text
    headings: list[Heading]
    rows: list[list[Cell]]
    total: int
    empty: Text = ""
    csv_href: str = ""
    page: int = 1
    pages: int = 1
    previous_href: str = ""
    next_href: str = ""
    id: str = "table"
    filter: FilterShown | None = None


def listing(
    request: HttpRequest,
    template: str,
    rows: Rows,
    columns: Sequence[Column[Any]],
    caption: Text,
    *,
    file: str,
    filters: Sequence[Filter] = (),
    order: str = "",
    empty: Text = "",
    unique: str = "pk",
    few: int = 0,
    context: Mapping[str, object] | None = None,
) -> HttpResponse:
    """The page of a list, or with `?export=csv` all rows its filter lets through as `<file>.csv`, in the same order.

    So `few` rows have no form above them. Raises `UnknownFilter` for a file by a filter that is none; the page says it
    beside the field.
    """
    found = filtered(request, rows, filters)
    if wants_csv(request):
        return csv_response(file, _ordered(request, found.checked(), columns, order, unique)[0], columns)
    shown = table(request, found, columns, caption, empty=empty, order=order, unique=unique, few=few)
    return render(request, template, {**(context or {}), "table": shown})


def table(
    request: HttpRequest,
    rows: Rows | Filtered,
    columns: Sequence[Column[Any]],
    caption: Text,
    *,
    empty: Text = "",
    order: str = "",
    id: str = "table",
    export: bool = True,
    unique: str = "pk",
    few: int = 0,
) -> Table:
    """The page of `rows` the address asks for: `?sort=-name&page=2`. Only a whole QuerySet can be sorted.

    `unique` breaks ties, so that no row is on two pages. So `few` rows have no form above them.
    """
    narrowed = rows if isinstance(rows, Filtered) else None
    rows, sort = _ordered(request, rows.rows if isinstance(rows, Filtered) else rows, columns, order, unique)
    sortable = isinstance(rows, QuerySet) and not rows.query.is_sliced
    shown, pager = paged(request, rows)
    return Table(
        caption=caption,
        headings=[_heading(request.GET, column, sort, sortable) for column in columns],
        rows=[[Cell(column.label, column.value(row), column.numeric) for column in columns] for row in shown],
        total=shown.paginator.count,
        empty=empty,
        csv_href=_href(request.GET, export="csv", page=None) if export else "",
        **pager,
        id=id,
        filter=_filter(request.GET, narrowed, shown.paginator.count, few)
        if narrowed and narrowed.form.fields
        else None,
    )


class Pager(TypedDict):
    """What `portal/pager.html` shows."""

    page: int
    pages: int
    previous_href: str
    next_href: str


def paged(request: HttpRequest, rows: Rows) -> tuple[Page[Any], Pager]:
    """The page of the rows that the address asks for, and the way to the others."""
    shown: Page[Any] = Paginator(rows, PER_PAGE, allow_empty_first_page=True).get_page(request.GET.get("page"))
    number = shown.number
    return shown, {
        "page": number,
        "pages": shown.paginator.num_pages,
        "previous_href": _href(request.GET, page=str(number - 1)) if shown.has_previous() else "",
        "next_href": _href(request.GET, page=str(number + 1)) if shown.has_next() else "",
    }


def _ordered(
    request: HttpRequest, rows: Rows, columns: Sequence[Column[Any]], order: str, unique: str
) -> tuple[Rows, str]:
    """The rows in the order the address asks for, and that order."""
    sort = request.GET.get("sort", order)
    if sort.removeprefix("-") not in {column.sort for column in columns if column.sort}:
        sort = order  # another table's of the page, or nobody's
    if isinstance(rows, QuerySet) and not rows.query.is_sliced and sort:
        return rows.order_by(sort, unique), sort
    return rows, sort


def _filter(query: QueryDict, narrowed: Filtered, shown: int, few: int) -> FilterShown | None:
    """The form; none above a list that has no rows at all, or few and all of them."""
    whole = 0
    if shown <= few and not narrowed.is_active:
        return None
    if not shown:
        whole = narrowed.whole.count() if isinstance(narrowed.whole, QuerySet) else len(narrowed.whole)
        if not whole and not narrowed.form.errors:
            return None
    nothing = dict.fromkeys(narrowed.form.fields)
    kept = tuple((name, str(query[name])) for name in KEPT if name in query)
    return FilterShown(narrowed.form, narrowed.is_active, _href(query, page=None, **nothing), whole, kept)


def plain_table(
    caption: Text, headings: Sequence[Text], rows: Sequence[Sequence[object]], *, empty: Text = ""
) -> Table:
    """A small table of values at hand; numbers and quantities go to the right."""
    numeric = [bool(rows) and all(_is_number(row[index]) for row in rows) for index in range(len(headings))]
    return Table(
        caption=caption,
        headings=[Heading(label, right) for label, right in zip(headings, numeric, strict=True)],
        rows=[
            [Cell(label, value, right) for label, value, right in zip(headings, row, numeric, strict=True)]
            for row in rows
        ],
        total=len(rows),
        empty=empty,
        id="",
    )


def wants_csv(request: HttpRequest) -> bool:
    """Whether the address asks for the table as a file."""
    return request.GET.get("export") == "csv"


def csv_response(name: str, rows: Rows, columns: Sequence[Column[Any]]) -> HttpResponse:
    """All rows as `<name>.csv`; a cell that a spreadsheet would take for a formula is made text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_safe(str(column.label)) for column in columns])
    for row in rows:
        writer.writerow([_safe(as_text(column.value(row))) for column in columns])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


def table_csv(name: str, shown: Table) -> HttpResponse:
    """A table at hand as `<name>.csv`: what a chart shows."""
    columns: list[Column[list[Cell]]] = [
        Column(heading.label, partial(_value, place)) for place, heading in enumerate(shown.headings)
    ]
    return csv_response(name, shown.rows, columns)


def _value(place: int, row: list[Cell]) -> object:
    return row[place].value


def as_text(value: object) -> str:
    """A shown value as plain text, instants in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Link | Badge):
        return str(value.text)
    if isinstance(value, CopyId):
        return value.value
    if isinstance(value, Quantity):
        return str(value.number)
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value))
    return str(value)


def _safe(text: str) -> str:
    formula = text[:1] in {"=", "+", "@", "\t", "\r"} or (text[:1] == "-" and not _is_numeral(text))
    return "'" + text if formula else text


def _is_numeral(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Quantity) and not isinstance(value, bool)


def _heading(query: QueryDict, column: Column[Any], sort: str, sortable: bool) -> Heading:
    if not column.sort or not sortable:
        return Heading(column.label, column.numeric)
    state = {column.sort: "ascending", f"-{column.sort}": "descending"}.get(sort, "")
    wanted = f"-{column.sort}" if state == "ascending" else column.sort
    return Heading(column.label, column.numeric, _href(query, sort=wanted, page=None), state)


def _href(query: QueryDict, **changes: str | None) -> str:
    changed = query.copy()
    for key, value in changes.items():
        if value is None:
            changed.pop(key, None)
        else:
            changed[key] = value
    return "?" + changed.urlencode()
