"""Make, check and revoke staff keys."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from django.http import HttpRequest
from ninja.security.base import AuthBase

from meterhall.domain.errors import Conflict, NotAuthenticated
from meterhall.web.platform import platform
from meterhall.web.staff.models import StaffKey

PREFIX = "mhk_"


class BadStaffKey(NotAuthenticated):
    code = "bad_staff_key"
    title = "The back-office API needs a valid staff key: Authorization: Bearer mhk_…"


class StaffKeyExists(Conflict):
    code = "staff_key_exists"
    title = "There is a staff key of this name already."


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def create_staff_key(name: str) -> str:
    """A fresh key, shown once."""
    if StaffKey.objects.filter(name=name).exists():
        raise StaffKeyExists(f"There is a staff key named {name} already.", field="/name")
    key = PREFIX + secrets.token_urlsafe(32)
    StaffKey.objects.create(name=name, digest=_digest(key), created_at=platform().now())
    return key


def revoke_staff_key(name: str) -> bool:
    """Whether there was a live key of this name."""
    return bool(StaffKey.objects.filter(name=name, revoked_at=None).update(revoked_at=platform().now()))


class StaffAuth(AuthBase):
    """A call by a machine of this platform's own organisation."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    refuses = (BadStaffKey,)

    def __call__(self, request: HttpRequest) -> Any:
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        found = StaffKey.objects.filter(digest=_digest(key), revoked_at=None).first() if kind == "Bearer" else None
        if found is None:
            raise BadStaffKey(field="/Authorization")
        return f"staff:{found.name}"
