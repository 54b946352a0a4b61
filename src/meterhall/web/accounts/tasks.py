"""What is forgotten about people: sessions that ended and links that no longer work."""

from __future__ import annotations

from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Q

from meterhall.web.accounts.models import OneTimeLink
from meterhall.web.platform import platform
from meterhall.web.work.engine import every


@every(3600)
def forget() -> None:
    """Delete sessions past their end, and links used or run out."""
    SessionStore.clear_expired()
    OneTimeLink.objects.filter(Q(expires_at__lte=platform().now()) | Q(used_at__isnull=False)).delete()
