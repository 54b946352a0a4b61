"""A list is read whoever writes: on SQLite a transaction is the one lock of all who write."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from meterhall.web.api import BadCursor, encode_cursor, page
from meterhall.web.oauth.models import ReplayMark


@pytest.fixture
def marks(transactional_db: None) -> list[str]:
    made = ReplayMark.objects.bulk_create(ReplayMark(mark=f"mark-{number}", until_s=number) for number in range(3))
    return [one.mark for one in made]


def test_a_page_is_read_without_a_transaction_of_its_own(marks: list[str]) -> None:
    with CaptureQueriesContext(connection) as asked:
        first = page(ReplayMark.objects.all(), lambda row: row.mark, after=None, limit=2)
        rest = page(ReplayMark.objects.all(), lambda row: row.mark, after=first.next, limit=2)
    assert [*first.items, *rest.items] == marks
    assert [one["sql"].split()[0] for one in asked] == ["SELECT", "SELECT"]


def test_a_bad_cursor_breaks_no_transaction_there_is(marks: list[str]) -> None:
    with transaction.atomic():
        with pytest.raises(BadCursor):
            page(ReplayMark.objects.all(), lambda row: row.until_s, after=encode_cursor("none"), by="until_s")
        assert ReplayMark.objects.count() == 3
