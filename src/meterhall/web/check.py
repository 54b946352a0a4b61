"""What `meterhall <platform> check` looks at: the platform itself, and what is missing before it can go live."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from django.db import connection
from django.utils.module_loading import autodiscover_modules

from meterhall.domain.errors import MeterhallError
from meterhall.web import machine
from meterhall.web.health import waiting_migrations
from meterhall.web.platform import platform
from meterhall.web.serve import address_of


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do before going live."""

    look: Callable[[], str]
    of_players: bool


STEPS: dict[str, Step] = {}


class Note(Exception):
    """Raised by a look that finds nothing wrong, and something to know."""


class ToDo(Exception):
    """Raised by a step before going live that has not been taken; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: well, bad, still to be done before going live, or worth a note."""

    name: str
    state: Literal["ok", "bad", "todo", "note"]
    detail: str


def before_live(name: str, *, of_players: bool = False) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Register a step of an app's module `readiness`: it says how things stand, or raises `ToDo`.

    A step `of_players` is none of the Market Place's.
    """

    def register(look: Callable[[], str]) -> Callable[[], str]:
        STEPS[name] = Step(look, of_players)
        return look

    return register


def run_checks() -> list[Check]:
    """All findings. The steps before going live are looked at only where the platform itself is well."""
    checks = [
        ("settings", _settings),
        ("keys", _keys),
        ("certificate", machine.certificate),
        ("disk", machine.room),
        ("folders", machine.writable),
        ("database", _database),
        ("failing work", machine.work),
        ("listeners", _listeners),
    ]
    if platform().role != "marketplace":
        checks.append(("Market Place", _marketplace))
        checks.append(("clock", machine.clock))
        checks.append(("transparency log", _log))
    found = [_guarded(name, look) for name, look in checks]
    if any(one.name == "database" and one.state == "ok" for one in found):
        found += _before_live()
    return found


def _before_live() -> list[Check]:
    autodiscover_modules("readiness")
    player = platform().role != "marketplace"
    return [_guarded(name, step.look) for name, step in STEPS.items() if player or not step.of_players]


def _guarded(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", look())
    except Note as note:
        return Check(name, "note", str(note))
    except ToDo as step:
        return Check(name, "todo", str(step))
    except MeterhallError as refusal:
        return Check(name, "bad", refusal.detail)
    except OSError as fault:
        return Check(name, "bad", f"{fault.filename}: {fault.strerror}.")
    except Exception as fault:
        return Check(name, "bad", " ".join(str(fault).split()) or type(fault).__name__)


def _settings() -> str:
    config = platform().config
    return f"{config.role} {config.name} ({config.environment}), B2B {config.base_url}, portal {config.portal_base_url}"


def _keys() -> str:
    return f"transport {platform().transport_key.kid[:12]}, contract {platform().contract_key.kid[:12]}"


def _database() -> str:
    if waiting_migrations():
        raise ValueError("its tables are not those of this version; `serve` makes them so")
    return connection.vendor


def _listeners() -> str:
    """That somebody listens where the settings say. Raises `Note` where nobody does."""
    config = platform().config
    silent = [part for part in ("b2b", "portal") if not _listens(*address_of(part, config))]
    if silent:
        places = " nor ".join(f"{part} on {':'.join(map(str, address_of(part, config)))}" for part in silent)
        raise Note(f"nobody listens for {places}: `meterhall {config.role} serve` starts what is missing")
    return "both take connections"


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


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
