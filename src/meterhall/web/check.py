"""What `meterhall <platform> check` looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection

from meterhall.domain.errors import MeterhallError
from meterhall.web.health import waiting_migrations
from meterhall.web.platform import platform


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    passed: bool
    detail: str


def run_checks() -> list[Check]:
    """All findings, good and bad."""
    checks = [("settings", _settings), ("keys", _keys), ("certificate", _certificate), ("database", _database)]
    if platform().role != "marketplace":
        checks.append(("Market Place", _marketplace))
        checks.append(("transparency log", _log))
    return [_guarded(name, look) for name, look in checks]


def _guarded(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except MeterhallError as refusal:
        return Check(name, False, refusal.detail)
    except OSError as fault:
        return Check(name, False, f"{fault.filename}: {fault.strerror}.")
    except Exception as fault:
        return Check(name, False, " ".join(str(fault).split()) or type(fault).__name__)


def _settings() -> str:
    config = platform().config
    return f"{config.role} {config.name} ({config.environment}), B2B {config.base_url}, portal {config.portal_base_url}"


def _keys() -> str:
    return f"transport {platform().transport_key.kid[:12]}, contract {platform().contract_key.kid[:12]}"


def _certificate() -> str:
    from cryptography import x509

    pem = (platform().home.path / "tls" / "server.pem").read_bytes()
    ends = x509.load_pem_x509_certificate(pem).not_valid_after_utc
    if ends < platform().now():
        raise ValueError(f"ran out on {ends:%Y-%m-%d}")
    return f"valid until {ends:%Y-%m-%d}"


def _database() -> str:
    if waiting_migrations():
        raise ValueError("its tables are not those of this version; `serve` makes them so")
    return connection.vendor


def _marketplace() -> str:
    from meterhall.web.membership.service import contact_marketplace

    found = contact_marketplace()
    return f"{found.organisation} answers at {found.endpoints.b2b}"


def _log() -> str:
    from meterhall.web.membership.models import LogFinding, SeenCheckpoint

    found = LogFinding.objects.order_by("found_at").first()
    if found is not None:
        raise ValueError(f"{found.kind} on {found.found_at:%Y-%m-%d %H:%M}: {found.detail}")
    seen = SeenCheckpoint.objects.first()
    return f"consistent up to {seen.size} entries" if seen else "not looked at yet"
