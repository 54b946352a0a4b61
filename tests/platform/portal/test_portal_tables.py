"""Tables of database rows: what an address may sort, and what it may not."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from meterhall.web.accounts.models import Person
from meterhall.web.portal.tables import Column, Table, table

pytestmark = pytest.mark.django_db
COLUMNS = [Column("Name", lambda row: row.name, "name"), Column("E-mail", lambda row: row.email)]


@pytest.fixture(autouse=True)
def people() -> None:
    for name in ("Bea", "Carl", "Anna"):
        Person.objects.create(email=f"{name.lower()}@example.org", name=name)


def shown(query: str, rows: object, order: str = "email") -> Table:
    return table(RequestFactory().get(f"/?{query}"), rows, COLUMNS, "People", order=order)  # type: ignore[arg-type]


def names(found: Table) -> list[object]:
    return [row[0].value for row in found.rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "Anna Bea Carl"),
        ("sort=-name", "Carl Bea Anna"),
        ("sort=secret", "Anna Bea Carl"),
        ("sort=--name", "Anna Bea Carl"),
    ],
)
def test_an_address_sorts_by_a_column_and_by_nothing_else(query: str, expected: str) -> None:
    assert names(shown(query, Person.objects.all())) == expected.split()


def test_a_part_of_the_rows_is_shown_as_it_is_and_offers_no_sorting() -> None:
    found = shown("sort=name", Person.objects.order_by("-name")[:2])
    assert names(found) == ["Carl", "Bea"]
    assert [heading.href for heading in found.headings] == ["", ""]
