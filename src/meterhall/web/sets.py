"""Large sets: as one parameter of a query, or in pieces that one query takes. Asking once a set or a piece, never once
a row, keeps 10,000 PODs a few queries.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Field, ForeignKey, Lookup, Model, Q, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler

T = TypeVar("T")
M = TypeVar("M", bound=Model)
PIECE = 900
"""Below the least number of parameters a SQLite build may allow."""


def pieces(values: Iterable[T], size: int = PIECE) -> Iterator[Sequence[T]]:
    """The values in lists of at most `size`."""
    known = list(values)
    for at in range(0, len(known), size):
        yield known[at : at + size]


MEMBERS = " IN (SELECT value FROM json_each(%s))"


class Among(Lookup):
    """Whether a number or a text is one of a list, which is one parameter however long: the framework's `in` checks and
    binds each member by itself, which takes longer than the query.
    """

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        field, parameters = self.process_lhs(compiler, connection)
        if connection.vendor == "sqlite":
            return field + MEMBERS, (*parameters, json.dumps(self.rhs))
        return field + " = ANY(%s)", (*parameters, self.rhs)


Field.register_lookup(Among)
ForeignKey.register_lookup(Among)


def among(field: str, values: Iterable[int] | Iterable[str]) -> Q:
    """The rows of which a field, or the key it refers to, is one of these values."""
    return Q((f"{field}__among", list(values)))


def write_back(rows: Sequence[M], fields: list[str]) -> None:
    """Write these fields of rows that are there; 25 times faster for many rows than `bulk_update`."""
    if rows:
        type(rows[0])._default_manager.bulk_create(
            rows, batch_size=500, update_conflicts=True, unique_fields=["pk"], update_fields=fields
        )


def insert_from(source: QuerySet[Any], into: type[Model], values: Mapping[str, Any]) -> None:
    """A row for each row of `source`, made in the database: of each field an `F` of the source, or the same value in
    all of them. A field that is not named has its default."""
    fields = into._meta.concrete_fields
    given = {field: values.get(field.name, field.get_default()) for field in fields if not field.primary_key}
    made = [value if isinstance(value, F) else Value(value, output_field=field) for field, value in given.items()]
    sql, parameters = source.order_by().values_list(*made).query.sql_with_params()
    quoted = connection.ops.quote_name
    columns = ", ".join(quoted(str(field.column)) for field in given)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {quoted(into._meta.db_table)} ({columns}) {sql}", parameters)
