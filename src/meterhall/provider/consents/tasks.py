"""Consents run out."""

from __future__ import annotations

from meterhall.provider.consents.service import expire_due
from meterhall.web.work.engine import every


@every(60)
def expire() -> None:
    """Note consents whose time is over, so that customer and requester see it."""
    expire_due()
