"""The packaged operator tables: which grid operator a code names, by published sources (`data/SOURCES.md`).

This is the only module of the domain that reads a file, and only its own package's. Who serves an operator's data
is not known here: providers declare that themselves.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Operator:
    """A grid operator as a table names it. `code` is the table's; `operator_part` is what a POD shows of it."""

    scheme: str
    code: str
    operator_part: str
    name: str
    confidence: Literal["published", "recalled"]


@dataclass(frozen=True, slots=True)
class _Table:
    file: str
    code_column: str
    part_length: int | None = None
    """How many leading characters of the code a POD shows; None: all."""


# Dutch numbers begin with the first seven digits of their operator's GLN; Norwegian ones do not.
_TABLES: Final = {
    "AT": _Table("dso_at_operator_codes.csv", "code6_with_AT"),
    "ES": _Table("dso_es_cups_prefix.csv", "cups_distributor4"),
    "GB": _Table("dso_gb_mpan_distributors.csv", "mpan_distributor_id"),
    "IT": _Table("dso_it_pod_prefix.csv", "pod_distributor3"),
    "NL": _Table("dso_nl_gln.csv", "gln13", part_length=7),
    "NO": _Table("dso_no_netteier.csv", "gln13"),
    "PT": _Table("dso_pt_cpe_operators.csv", "cpe_operator4"),
}
SCHEMES_WITH_TABLE: Final = frozenset(_TABLES)


def operators(scheme: str, operator_part: str) -> tuple[Operator, ...]:
    """The operators a part names in a scheme; empty where no table has a row, never a guess."""
    return operator_table(scheme).get(operator_part, ())


@cache
def operator_table(scheme: str) -> Mapping[str, tuple[Operator, ...]]:
    """A scheme's operators by operator part; empty for a scheme without a table. Read at the first use."""
    table = _TABLES.get(scheme)
    if table is None:
        return {}
    rows: defaultdict[str, list[Operator]] = defaultdict(list)
    text = files("meterhall.domain.pods").joinpath("data", table.file).read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        operator = _operator(scheme, table, row)
        rows[operator.operator_part].append(operator)
    return {part: tuple(found) for part, found in rows.items()}


def _operator(scheme: str, table: _Table, row: Mapping[str, str]) -> Operator:
    code = row[table.code_column].strip()
    sourced = row.get("status", "sourced") == "sourced"
    return Operator(
        scheme=scheme,
        code=code,
        operator_part=code[: table.part_length],
        name=row["name"].strip(),
        confidence="published" if sourced else "recalled",
    )
