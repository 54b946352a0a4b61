"""What a client goes on with while the Market Place cannot be reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.unit.client.test_client_home import CARD, PASSPHRASE

from meterhall.client.desk import Desk
from meterhall.client.errors import RemoteUnreachable
from meterhall.client.home import ClientHome
from meterhall.client.patience import Pace
from meterhall.domain.protocol.players import Attested

PROVIDER = "MH0000000109"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """At a client that is enrolled; nobody answers it."""
    home = ClientHome.create(tmp_path / "c", {**CARD, "access_number": "MH0000000205"}, PASSPHRASE)
    made = Desk(home, Pace(0.0))

    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    made.__dict__["http"] = httpx.Client(transport=httpx.MockTransport(nobody))
    return made


@pytest.mark.parametrize(("left", "shown"), [(timedelta(hours=1), True), (-timedelta(seconds=1), False)])
def test_the_market_places_word_is_shown_as_long_as_it_holds(desk: Desk, left: timedelta, shown: bool):
    held = Attested(attestation="aaaa.bbbb.cccc", expires_at=datetime.now(UTC) + left)
    desk.memory.put("attestation", PROVIDER, held)
    if shown:
        assert desk._attestation(PROVIDER) == held.attestation
    else:
        with pytest.raises(RemoteUnreachable):
            desk._attestation(PROVIDER)
