"""The consent epoch: one number that moves on whenever something that was allowed ends. The gate compares only it.

What ends a permission: a withdrawal, a termination, an expiry, a move-out, the end of a contract or of an activation,
a suspension. Each advances the epoch in its own transaction.
"""

from __future__ import annotations

from django.db import connection
from django.db.models import F

from meterhall.provider.consents.models import ConsentEpoch

PRESENT = f"SELECT value FROM {ConsentEpoch._meta.db_table} WHERE id = 1"  # noqa: S608


def epoch() -> int:
    """The present epoch: as long as it stands still, nothing that was allowed has ended."""
    with connection.cursor() as cursor:  # asked for every block: making the SQL anew would be most of it
        cursor.execute(PRESENT)
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def advance_epoch() -> int:
    """The next epoch; in the transaction of whatever ends a permission."""
    if not ConsentEpoch.objects.filter(pk=1).update(value=F("value") + 1):
        _, created = ConsentEpoch.objects.get_or_create(pk=1, defaults={"value": 1})
        if not created:
            ConsentEpoch.objects.filter(pk=1).update(value=F("value") + 1)
    return epoch()


def hold_epoch() -> int:
    """The present epoch, which no other transaction can advance before the caller's transaction is over."""
    ConsentEpoch.objects.get_or_create(pk=1)
    return ConsentEpoch.objects.select_for_update().values_list("value", flat=True).get(pk=1)
