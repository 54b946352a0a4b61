"""The transport key is replaced in three steps, none of which leaves the platform without a key that others know."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from meterhall.domain.protocol.keys import SigningKey, payload_of
from meterhall.web.membership import rotation
from meterhall.web.membership.models import HeldAttestation
from meterhall.web.membership.rotation import RotationUnderWay, announce, proceed, published_keys
from meterhall.web.platform import Platform
from tests.platform.requester.conftest import ME, Clock, GridDouble

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(eso: Platform, grid: GridDouble, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The kids of each transport key set that the Market Place is told."""
    found: list[list[str]] = []
    key = SigningKey.generate().public.jwk()
    grid.hall["/v1/players/me/keys"] = {
        "access_number": ME, "organisation": "Helios", "country": "IT", "roles": ["requester"], "activity": "esco",
        "legal_id": {"kind": "GLN", "value": "9520000000004"}, "contact": "x", "status": "admitted",
        "endpoints": {"b2b": "https://localhost:8443"}, "keys": {"transport": [key], "contract": [key]},
    }  # fmt: skip

    def note(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/players/me/keys":
            body: Any = payload_of(json.loads(request.content)["jws"])
            found.append([one["kid"] for one in body["transport"]])
        return grid(request)

    eso.__dict__["http"] = httpx.Client(transport=httpx.MockTransport(note))
    return found


def test_it_is_announced_then_used_then_the_old_one_is_withdrawn(
    eso: Platform, clock: Clock, told: list[list[str]]
) -> None:
    old = eso.transport_key.public.kid
    plan = announce(timedelta(hours=2), timedelta(days=15))
    new = eso.home.key("transport-next").public.kid
    assert (plan.step, eso.transport_key.public.kid) == ("announced", old)
    assert told == [[old, new]]
    with pytest.raises(RotationUnderWay):
        announce()
    assert proceed() == plan, "nothing is due yet"
    clock.ahead = timedelta(hours=2, minutes=1)
    after = proceed()
    assert after is not None
    assert after.step == "used"
    assert eso.transport_key.public.kid == new, "every process reads the new key at once"
    assert {key.kid for key in published_keys()} == {old, new}
    assert not HeldAttestation.objects.exists(), "the word for us that names the old key is fetched anew"
    clock.ahead = timedelta(days=16)
    assert proceed() is None
    assert told[-1] == [new]
    assert [key.kid for key in published_keys()] == [new]
    assert rotation.rotation() is None


@pytest.mark.parametrize("broken_at", ["announce", "use", "retire"])
def test_a_step_that_broke_off_is_taken_again(
    eso: Platform, told: list[list[str]], monkeypatch: pytest.MonkeyPatch, broken_at: str
) -> None:
    old = eso.transport_key.public.kid
    if broken_at == "announce":
        with monkeypatch.context() as patch:
            patch.setattr(rotation, "write_private", _dies)
            with pytest.raises(KeyboardInterrupt):
                announce()
        first = eso.home.key("transport-next").public.kid
        announce()
        assert told == [[old, first], [old, first]], "the same new key, not a third one"
    else:
        announce()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", _dies)
            with pytest.raises(KeyboardInterrupt):
                proceed(at_once=True)
    assert proceed(at_once=True) is None
    assert eso.transport_key.public.kid == told[-1][0] != old
    assert len(told[-1]) == 1


def _dies(*args: object, **how: object) -> None:
    raise KeyboardInterrupt
