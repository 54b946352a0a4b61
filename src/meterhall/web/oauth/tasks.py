"""Throwing away what OAuth no longer needs."""

from __future__ import annotations

from datetime import timedelta

from meterhall.web.oauth.models import Code, PushedRequest, ReplayMark
from meterhall.web.oauth.service import THINKING_TIME
from meterhall.web.platform import platform
from meterhall.web.work.engine import every

KEPT = timedelta(days=1)
"""How long an ended code is told apart from a wrong one."""


@every(300)
def clean() -> None:
    """Marks that would be too old anyway, requests nobody can decide any more, codes long over."""
    now = platform().now()
    ReplayMark.objects.filter(until_s__lt=int(now.timestamp())).delete()
    PushedRequest.objects.filter(expires_at__lt=now - THINKING_TIME).delete()
    Code.objects.filter(expires_at__lt=now - KEPT).delete()
