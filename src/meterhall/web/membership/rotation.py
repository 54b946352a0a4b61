"""Replacing the transport key: announced, then used, then the old one withdrawn, so that nothing on its way is refused.

The keys are in the home: `transport-next.sealed` is announced and not used yet, `transport-old.sealed` was used before
and is still published; `rotation.json` says when the next step is taken. Each step may be repeated after a crash.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import structlog

from meterhall.domain.errors import Conflict
from meterhall.domain.protocol.base import Signed
from meterhall.domain.protocol.keys import PublicKey, SigningKey, sign
from meterhall.domain.protocol.players import KEYS_TYP, Jwk, KeySet, PlayerView
from meterhall.web.home import write_private
from meterhall.web.membership.models import HeldAttestation
from meterhall.web.messaging.clients import marketplace_client
from meterhall.web.platform import platform

log = structlog.get_logger(__name__)
USE_AFTER = timedelta(hours=2)
"""Everybody has heard of a new key by then: partners by an event, players of the Market Place's within an hour."""
RETIRE_AFTER = timedelta(days=15)
"""What was signed with the old key has arrived by then: messages are tried for two weeks."""


class RotationUnderWay(Conflict):
    code = "rotation_under_way"
    title = "The transport key is being replaced already; wait for its end, or end it with --now."


@dataclass(frozen=True, slots=True)
class Rotation:
    """A replacement under way and when its next step is due."""

    step: Literal["announced", "used"]
    use_from: datetime
    retire_from: datetime


def rotation() -> Rotation | None:
    """The replacement under way."""
    if not _plan().exists():
        return None
    held = json.loads(_plan().read_text())
    step: Literal["announced", "used"] = "announced" if _file("transport-next").exists() else "used"
    return Rotation(step, datetime.fromisoformat(held["use_from"]), datetime.fromisoformat(held["retire_from"]))


def published_keys() -> tuple[PublicKey, ...]:
    """The transport keys others may meet: the present one first, then one that comes or one that was."""
    home = platform().home
    others = [home.key(name).public for name in ("transport-next", "transport-old") if _file(name).exists()]
    return (platform().transport_key.public, *others)


def announce(use_after: timedelta = USE_AFTER, retire_after: timedelta = RETIRE_AFTER) -> Rotation:
    """Make a new transport key and tell the Market Place, which tells our partners. Raises `RotationUnderWay`.

    A key that was made by an attempt which broke off is taken.
    """
    if rotation() is not None:
        raise RotationUnderWay
    now = platform().now()
    if not _file("transport-next").exists():
        platform().home.store_key("transport-next", SigningKey.generate())
    _publish()
    plan = {"use_from": now + use_after, "retire_from": now + use_after + retire_after}
    write_private(_plan(), json.dumps({name: at.isoformat() for name, at in plan.items()}).encode())
    log.info("keys.announced", kid=platform().home.key("transport-next").public.kid)
    return _going_on()


def proceed(*, at_once: bool = False) -> Rotation | None:
    """Take the steps that are due, or all that are left; what is under way then."""
    under_way = rotation()
    now = platform().now()
    if under_way is not None and under_way.step == "announced" and (at_once or now >= under_way.use_from):
        _use_next()
        under_way = rotation()
    if under_way is not None and under_way.step == "used" and (at_once or now >= under_way.retire_from):
        _retire_old()
        return None
    return under_way


def _use_next() -> None:
    """From now on the new key signs. The old one is kept aside first: at no moment is there none."""
    home = platform().home
    fresh = home.key("transport-next")
    if fresh.kid != home.key("transport").kid:
        home.store_key("transport-old", home.key("transport"))
        home.store_key("transport", fresh)
    _file("transport-next").unlink()
    HeldAttestation.objects.all().delete()
    log.info("keys.used", kid=fresh.public.kid)


def _retire_old() -> None:
    """The Market Place and our partners forget the old key, and so do we."""
    _publish(besides=())
    _file("transport-old").unlink(missing_ok=True)
    _plan().unlink()
    HeldAttestation.objects.all().delete()
    log.info("keys.retired")


def _publish(besides: tuple[PublicKey, ...] | None = None) -> None:
    """A player tells the Market Place its key set; the Market Place's own is read by all who look."""
    if platform().role == "marketplace":
        return
    present = platform().transport_key.public
    keys = published_keys() if besides is None else (present, *besides)
    body = KeySet(transport=tuple(map(_jwk, keys)), contract=(_jwk(platform().contract_key.public),))
    jws = sign(body.document(), platform().transport_key, typ=KEYS_TYP)
    marketplace_client().call("PUT", "/v1/players/me/keys", Signed(jws=jws), PlayerView)


def _jwk(key: PublicKey) -> Jwk:
    return Jwk.model_validate(key.jwk())


def _going_on() -> Rotation:
    under_way = rotation()
    assert under_way is not None  # noqa: S101 - its file was written just now
    return under_way


def _file(name: str) -> Path:
    return platform().home.path / "keys" / f"{name}.sealed"


def _plan() -> Path:
    return platform().home.path / "keys" / "rotation.json"
