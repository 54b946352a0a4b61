"""Ending what has run out."""

from __future__ import annotations

from meterhall.marketplace.agreements.service import expire
from meterhall.web.work.engine import every


@every(600)
def expire_subscriptions() -> None:
    """End contracts whose time is over, and drafts nobody signed."""
    expire()
