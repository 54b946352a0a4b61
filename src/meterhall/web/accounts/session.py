"""What a session knows about its person: who is half-way through signing in, and the second factor shown last."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog
from django.contrib.auth import login
from django.http import HttpRequest

from meterhall.domain.protocol.agreements import SIGNER_FRESH_S
from meterhall.web.accounts.factors import Method
from meterhall.web.accounts.models import Person
from meterhall.web.platform import platform

log = structlog.get_logger(__name__)
FirstFactor = Literal["link", "password", "passkey"]
PENDING = "accounts_pending"
PROOF = "accounts_proof"
NEXT = "accounts_next"
HALF_WAY = timedelta(minutes=15)
FRESH_S = SIGNER_FRESH_S
"""For changing how somebody signs in, the same five minutes as for signing."""
AMR: dict[str, tuple[str, ...]] = {
    "link": (),
    "password": ("pwd",),
    "passkey": (),
    "totp": ("otp",),
    "recovery_codes": ("otp",),
    "webauthn": ("hwk",),
}
"""RFC 8176 names; `mfa` follows always. A one-time link has none of its own."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The second factor a person showed last in this session."""

    at: float
    method: Method
    amr: tuple[str, ...]

    @property
    def auth_time(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def is_fresh(self, within_s: int) -> bool:
        """Whether it was shown in the last `within_s` seconds."""
        return timedelta(0) <= platform().now() - self.auth_time <= timedelta(seconds=within_s)


def begin(request: HttpRequest, person: Person, first: FirstFactor) -> None:
    """The first factor was right; the second is still to come, within 15 minutes."""
    request.session.cycle_key()
    request.session[PENDING] = {"person": str(person.pk), "first": first, "at": platform().now().timestamp()}


def pending(request: HttpRequest) -> Person | None:
    """Who is half-way through signing in."""
    held = request.session.get(PENDING)
    if not held or platform().now().timestamp() - held["at"] > HALF_WAY.total_seconds():
        return None
    return Person.objects.filter(pk=held["person"], is_active=True).first()


def complete(request: HttpRequest, person: Person, method: Method) -> None:
    """The second factor was right: sign in, or renew the proof of somebody signed in."""
    held = request.session.get(PENDING) or {}
    earlier = proof(request)
    if signed_in(request) == person and earlier is not None:
        first = tuple(name for name in earlier.amr if name == "pwd")
    else:
        first = AMR[held.get("first", "link")]
        login(request, person, backend="django.contrib.auth.backends.ModelBackend")
    request.session.pop(PENDING, None)
    shown = Proof(platform().now().timestamp(), method, (*first, *AMR[method], "mfa"))
    request.session[PROOF] = asdict(shown)
    log.info("accounts.second_factor", person=str(person.pk), method=method)


def proof(request: HttpRequest) -> Proof | None:
    """The second factor shown last by whoever is signed in."""
    held = request.session.get(PROOF)
    return Proof(held["at"], held["method"], tuple(held["amr"])) if held else None


def signed_in(request: HttpRequest) -> Person | None:
    """Who is signed in with a second factor."""
    user = request.user
    return user if isinstance(user, Person) and proof(request) is not None else None
